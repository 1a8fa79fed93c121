#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "actors/shard_budget.hpp"
#include "base/clock.hpp"
#include "storage/disk_space.hpp"
#include "storage/environment.hpp"

namespace earshot::actors {

// The disk as it was seen last. Bytes are 0 where nobody has looked yet.
struct DiskReading {
  std::uint64_t free_bytes = 0;     // as the file system says
  std::uint64_t reserve_bytes = 0;  // with less than this, messages are refused
  std::uint64_t log_bytes = 0;      // of all logs
  std::uint64_t log_bytes_max = 0;  // beyond it every shard flushes, so that logs can be cut
  bool has_ballast = false;
};

// Looks after the room on the node's disk and tells the shards through DiskState.
//
//   free and ballast       sends        everything else             ballast
//   above the reserve      let in       let in                      held
//   below the reserve      refused      let in, flushed at once     held
//   a write did not fit    refused      refused until one fits      given up, so that flushes and cuts fit
//
// A quota makes a file system promise room that is not to be had. When a write did not fit where much more is free than
// the largest ones take, however small the reserve is, the disk counts as below the reserve until, kPromiseTestedMs
// later, a ballast fits again.
//
// What has been let in and is not on the disk yet counts as taken, also what came since the last look. Sends are let in
// again a quarter of the reserve above the line, so that the answer does not change with every message; the ballast is
// made again then too.
//
// Thread safety: the writers call look() and ran_full() from their threads; seen() is for any, and waits for nobody.
class DiskWatch {
 public:
  struct Options {
    std::uint64_t reserve_bytes = limits::kDiskReserveBytesDefault;
    std::uint64_t log_bytes_max = limits::kNodeLogBytesMax;  // on a small disk less
  };

  // Everything outlives the watch.
  DiskWatch(const Options& options, storage::DiskSpace& space, storage::Environment& log, NodeBudgets& budgets,
            const Clock& clock);

  // After a commit, and every kDiskLookMs while there is none.
  void look();
  // A write did not fit. True when room was made, so that it is worth trying again at once.
  bool ran_full();
  [[nodiscard]] DiskReading seen() const;

  static constexpr std::uint64_t kPromiseTestedMs = 5'000;

 private:
  void look_at_space();
  void make_ballast();
  void look_at_log();
  void say(std::uint64_t left_bytes) const;

  const Options options_;
  storage::DiskSpace& space_;
  storage::Environment& log_;
  NodeBudgets& budgets_;
  const Clock& clock_;
  std::mutex mutex_;
  std::uint64_t log_looked_at_ms_ = 0;
  std::uint64_t ballast_tried_at_ms_ = 0;  // in vain; 0: not since it was there
  std::uint64_t misled_at_ms_ = 0;         // with is_misled_
  bool is_misled_ = false;                 // there was not the room that the file system promised
  bool is_unknown_ = false;                // how much is free
  bool is_tight_ = false;
  bool log_is_long_ = false;
  // For seen().
  std::atomic<std::uint64_t> free_bytes_{0};
  std::atomic<std::uint64_t> log_bytes_{0};
  std::atomic<bool> has_ballast_{false};
};

}  // namespace earshot::actors
