#pragma once

#include <cstddef>
#include <cstdint>

#include "base/ids.hpp"

namespace earshot::actors {

// When a shard's applied state goes to the state writer: when it has grown to so many bytes, or at the latest
// flush_interval after the first change. The interval's ends lie at the same moments for every kGroups-th shard of a
// node, so that their overlays meet in one transaction instead of each paying for its own sync; and evenly spread over
// the interval for the others, since the disk syncs the log the later the more is written at once. Nothing unflushed:
// no time is named and no timer runs.
class FlushSchedule {
 public:
  static constexpr std::uint64_t kGroups = 8;

  FlushSchedule(ShardId shard, std::uint64_t interval_ms, std::size_t bytes_max)
      : interval_ms_(interval_ms > 0 ? interval_ms : 1),
        phase_ms_(shard.value % kGroups * interval_ms_ / kGroups),
        bytes_max_(bytes_max) {}

  // Something is applied and not flushed.
  void note_change(std::uint64_t now_ms) {
    if (due_at_ms_ == 0) due_at_ms_ = now_ms + interval_ms_ - (now_ms + interval_ms_ - phase_ms_) % interval_ms_;
  }
  void note_frozen() { due_at_ms_ = 0; }

  [[nodiscard]] bool is_due(std::uint64_t now_ms, std::size_t unflushed_bytes) const {
    return due_at_ms_ != 0 && (now_ms >= due_at_ms_ || unflushed_bytes >= bytes_max_);
  }
  [[nodiscard]] std::uint64_t due_at() const { return due_at_ms_; }  // 0: never

 private:
  const std::uint64_t interval_ms_;
  const std::uint64_t phase_ms_;
  const std::size_t bytes_max_;
  std::uint64_t due_at_ms_ = 0;
};

}  // namespace earshot::actors
