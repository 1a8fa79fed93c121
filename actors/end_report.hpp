#pragma once

#include <cstdint>
#include <vector>

#include <spdlog/spdlog.h>

#include "base/ids.hpp"
#include "cluster/shard_machine.hpp"

namespace earshot::actors {

// Logs what ends in a shard: never silently, and never more than a line per interval.
class EndReport {
 public:
  static constexpr std::uint64_t kIntervalMs = 60'000;

  explicit EndReport(ShardId shard) : shard_(shard) {}

  void note(const cluster::Effects& effects, std::uint64_t now_ms) {
    for (const auto& [user, range] : effects.ended) {
      auto& counter = range.reason == LostReason::kExpired ? expired_ : trimmed_;
      counter += range.last.value - range.first.value + 1;
    }
    devices_ += effects.removed_devices.size();
    if (expired_ + trimmed_ + devices_ == 0 || (logged_ms_ != 0 && now_ms - logged_ms_ < kIntervalMs)) return;
    spdlog::info("shard {}: {} messages expired, {} trimmed, {} devices removed", shard_.value, expired_, trimmed_,
                 devices_);
    expired_ = trimmed_ = devices_ = 0;
    logged_ms_ = now_ms;
  }

 private:
  const ShardId shard_;
  std::uint64_t expired_ = 0;  // not logged yet, as the rest
  std::uint64_t trimmed_ = 0;
  std::uint64_t devices_ = 0;
  std::uint64_t logged_ms_ = 0;
};

}  // namespace earshot::actors
