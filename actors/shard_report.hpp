#pragma once

#include <array>
#include <cstdint>

#include <spdlog/spdlog.h>

#include "base/ids.hpp"
#include "cluster/shard_machine.hpp"

namespace earshot::actors {

// One kind of line in a shard's log, for what may come with every entry: said at once, then no more than once per
// interval with what has come meanwhile, and the rest at its end. `Counts` are what it says.
template <class Counts>
class PacedLine {
 public:
  static constexpr std::uint64_t kIntervalMs = 60'000;

  explicit PacedLine(ShardId shard) : shard_(shard) {}
  ~PacedLine() { say(); }
  PacedLine(const PacedLine&) = delete;
  PacedLine& operator=(const PacedLine&) = delete;

  void note(const cluster::Effects& effects) { counts_.add(effects); }
  void say_if_due(std::uint64_t now_ms) {
    if (counts_.sum() == 0 || now_ms < next_ms_) return;
    next_ms_ = now_ms + kIntervalMs;
    say();
  }
  // 0: nothing is left to be said.
  [[nodiscard]] std::uint64_t wake_at() const { return counts_.sum() == 0 ? 0 : next_ms_; }

 private:
  void say() {
    if (counts_.sum() != 0) counts_.say(shard_);
    counts_ = {};
  }

  const ShardId shard_;
  Counts counts_;              // not said yet
  std::uint64_t next_ms_ = 0;  // not before then
};

// What has ended: never silently.
struct EndCounts {
  std::uint64_t expired = 0;
  std::uint64_t trimmed = 0;
  std::uint64_t devices = 0;

  void add(const cluster::Effects& effects) {
    for (const auto& [user, range] : effects.ended) {
      auto& counter = range.reason == LostReason::kExpired ? expired : trimmed;
      counter += range.last.value - range.first.value + 1;
    }
    devices += effects.removed_devices.size();
  }
  [[nodiscard]] std::uint64_t sum() const { return expired + trimmed + devices; }
  void say(ShardId shard) const {
    spdlog::info("shard {}: {} messages expired, {} trimmed, {} devices removed", shard.value, expired, trimmed,
                 devices);
  }
};

struct DamageCount {
  std::uint64_t damaged = 0;

  void add(const cluster::Effects& effects) { damaged += effects.damaged; }
  [[nodiscard]] std::uint64_t sum() const { return damaged; }
  void say(ShardId shard) const { spdlog::error("shard {}: {} damaged records met", shard.value, damaged); }
};

struct DropCount {
  std::uint64_t dropped = 0;

  void add(const cluster::Effects& effects) { dropped += effects.dropped; }
  [[nodiscard]] std::uint64_t sum() const { return dropped; }
  void say(ShardId shard) const {
    spdlog::warn("shard {}: {} copies found no room in a mailbox, or were lost", shard.value, dropped);
  }
};

// What a shard tells the log of the entries that it applies.
// Thread: its shard's. Times are monotonic ms.
class ShardReport {
 public:
  explicit ShardReport(ShardId shard) : ends_(shard), damage_(shard), drops_(shard) {}

  void note(const cluster::Effects& effects) {
    ends_.note(effects);
    damage_.note(effects);
    drops_.note(effects);
  }
  // Call after every event and at each of wake_times().
  void say_if_due(std::uint64_t now_ms) {
    ends_.say_if_due(now_ms);
    damage_.say_if_due(now_ms);
    drops_.say_if_due(now_ms);
  }
  // 0: nothing of that kind is left to be said.
  [[nodiscard]] std::array<std::uint64_t, 3> wake_times() const {
    return {ends_.wake_at(), damage_.wake_at(), drops_.wake_at()};
  }

 private:
  PacedLine<EndCounts> ends_;
  PacedLine<DamageCount> damage_;
  PacedLine<DropCount> drops_;
};

}  // namespace earshot::actors
