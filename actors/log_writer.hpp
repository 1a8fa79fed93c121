#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include <caf/actor.hpp>
#include <caf/fwd.hpp>

#include "actors/disk_watch.hpp"
#include "actors/shard_budget.hpp"
#include "actors/writer_retry.hpp"
#include "actors/writer_setup.hpp"
#include "base/clock.hpp"
#include "base/limits.hpp"
#include "storage/log_store.hpp"

namespace earshot::actors {

// Group commit of all shards' logs on one disk: gathers writes, puts them into one synced transaction in the order in
// which they came, and tells each shard once. While a transaction is being synced the next writes gather, so the slower
// the disk, the larger the groups. Bounded by NodeBudgets::admitted, which shards ask at the door: nothing that came in
// is dropped.
//
// On a full disk an append waits, but what frees room does not wait behind it: the cuts of all queued writes are
// committed by themselves, then the append is tried again.
//
// Thread: the log writer's.
class LogWriter {
 public:
  struct Completion {
    storage::GroupId group;
    std::vector<std::uint64_t> tickets;  // in their order
  };

  LogWriter(storage::LogStore& store, DiskState& disk, const Clock& clock, Random random,
            std::size_t transaction_bytes_max = limits::kLogTransactionBytesMax,
            std::shared_ptr<DiskWatch> watch = nullptr);

  void add(storage::LogWrite write) { queue_.push_back(std::move(write)); }
  // Commits the oldest writes, as many as one transaction may hold, and says whom to tell. Nobody while the disk is
  // full: then retry_after_ms() says when to try again.
  std::vector<Completion> commit();
  // Nothing more will come: erases what the logs were cut by, so that no start reads it.
  void finish() { (void)store_.write({}, storage::LogStore::Erase::kAll); }
  // How much room is left, after each commit: once whoever waits for it is told.
  void look() const {
    if (watch_ != nullptr) watch_->look();
  }

  [[nodiscard]] bool empty() const { return queue_.empty(); }
  [[nodiscard]] std::size_t size() const { return queue_.size(); }
  [[nodiscard]] std::uint64_t retry_after_ms() const { return retry_after_ms_; }  // 0: the disk is not full

 private:
  [[nodiscard]] std::size_t next_transaction() const;  // how many writes it takes
  Status write_oldest(std::size_t count);
  bool commit_cuts();  // whether there were any

  storage::LogStore& store_;
  DiskState& disk_;
  WriterRetry retry_;
  const std::size_t transaction_bytes_max_;
  const std::shared_ptr<DiskWatch> watch_;  // may be none
  std::vector<storage::LogWrite> queue_;
  std::uint64_t retry_after_ms_ = 0;
};

// The actor around it, with a thread of its own, since a commit blocks. It takes messages until none is left that had
// come before its own GatherNow, then commits: whatever came in during one sync is in the next, without a timer and
// without waiting for more.
caf::actor spawn_log_writer(caf::actor_system& system, storage::LogStore& store, WriterSetup setup);

}  // namespace earshot::actors
