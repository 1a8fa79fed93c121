#pragma once

#include <cstdint>
#include <vector>

#include <spdlog/spdlog.h>

#include "base/ids.hpp"
#include "cluster/shard_machine.hpp"

namespace earshot::actors {

// Lets a line into the log, and then none for an interval.
class LogInterval {
 public:
  static constexpr std::uint64_t kIntervalMs = 60'000;

  [[nodiscard]] bool begin(std::uint64_t now_ms) {
    if (began_ms_ != 0 && now_ms - began_ms_ < kIntervalMs) return false;
    began_ms_ = now_ms;
    return true;
  }

 private:
  std::uint64_t began_ms_ = 0;  // 0: never
};

// Logs what ends in a shard: never silently, and never more than a line per interval.
class EndReport {
 public:
  explicit EndReport(ShardId shard) : shard_(shard) {}

  void note(const cluster::Effects& effects, std::uint64_t now_ms) {
    for (const auto& [user, range] : effects.ended) {
      auto& counter = range.reason == LostReason::kExpired ? expired_ : trimmed_;
      counter += range.last.value - range.first.value + 1;
    }
    devices_ += effects.removed_devices.size();
    if (expired_ + trimmed_ + devices_ == 0 || !interval_.begin(now_ms)) return;
    spdlog::info("shard {}: {} messages expired, {} trimmed, {} devices removed", shard_.value, expired_, trimmed_,
                 devices_);
    expired_ = trimmed_ = devices_ = 0;
  }

 private:
  const ShardId shard_;
  std::uint64_t expired_ = 0;  // not logged yet, as the rest
  std::uint64_t trimmed_ = 0;
  std::uint64_t devices_ = 0;
  LogInterval interval_;
};

// Likewise what a shard's state machine could not do: one damaged record may be met by every entry.
class DamageReport {
 public:
  explicit DamageReport(ShardId shard) : shard_(shard) {}

  void note(const cluster::Effects& effects, std::uint64_t now_ms) {
    damaged_ += effects.damaged;
    dropped_ += effects.dropped;
    if (damaged_ + dropped_ == 0 || !interval_.begin(now_ms)) return;
    if (damaged_ > 0) spdlog::error("shard {}: {} damaged records met", shard_.value, damaged_);
    if (dropped_ > 0) spdlog::warn("shard {}: {} copies found no room in a mailbox", shard_.value, dropped_);
    damaged_ = dropped_ = 0;
  }

 private:
  const ShardId shard_;
  std::uint64_t damaged_ = 0;  // not logged yet
  std::uint64_t dropped_ = 0;  //
  LogInterval interval_;
};

}  // namespace earshot::actors
