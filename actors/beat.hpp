#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <caf/actor.hpp>
#include <caf/fwd.hpp>

#include "base/clock.hpp"
#include "base/ids.hpp"
#include "base/limits.hpp"
#include "base/multiples.hpp"

namespace earshot::actors {

class Exchange;
class LiveActors;

// The one timer of a node's shards: wakes those that are due, at multiples of kBeatMs, and in any case at multiples of
// the pause: the heartbeat, which leaders want to wake for. With a timer each, the clock's thread and those of the
// actors would be woken for one shard at a time. Thread-safe.
class Beat {
 public:
  Beat(std::uint16_t shards, std::uint64_t pause_ms, std::uint64_t now_ms)
      : pause_ms_(pause_ms), due_(shards), next_ms_(now_ms) {}

  // The shard wants BeatNow at this time, instead of the one it wanted before; 0: never. False: that is sooner than the
  // next beat, and the shard has to see to it by itself.
  bool want(ShardId shard, std::uint64_t at_ms) {
    due_[shard.value].store(at_ms);
    return at_ms == 0 || at_ms >= next_ms_.load();
  }

  // Those that are due, who have to want again; then next_ms() is the time of the next beat. One thread.
  template <class Visit>
  void beat(std::uint64_t now_ms, Visit visit) {
    for (std::size_t shard = 0; shard < due_.size(); ++shard) {
      std::uint64_t at_ms = due_[shard].load();
      if (at_ms != 0 && at_ms <= now_ms && due_[shard].compare_exchange_strong(at_ms, 0))
        visit(ShardId(static_cast<std::uint16_t>(shard)));
    }
    // Whoever wants to be woken meanwhile sees either the new time, or is seen by the second look.
    std::uint64_t next_ms = multiple_after(now_ms, pause_ms_);
    for (std::uint64_t looked_ms = 0; looked_ms != next_ms;) {
      looked_ms = next_ms;
      next_ms_.store(next_ms);
      for (const auto& due : due_)
        if (const std::uint64_t at_ms = due.load(); at_ms != 0) next_ms = std::min(next_ms, beat_after(at_ms, now_ms));
    }
  }
  // Whether it is time for the pulse of the node's groups that rest: once for each heartbeat that their leaders do not
  // send themselves. The same thread.
  bool is_pulse_due(std::uint64_t now_ms) {
    const std::uint64_t number = now_ms / pause_ms_;
    return std::exchange(pulse_, number) != number && number % limits::kRestBeats != 0;
  }
  [[nodiscard]] std::uint64_t next_ms() const { return next_ms_.load(); }

 private:
  static std::uint64_t beat_after(std::uint64_t at_ms, std::uint64_t now_ms) {
    return multiple_from(std::max(at_ms, now_ms + 1), limits::kBeatMs);
  }

  const std::uint64_t pause_ms_;
  std::uint64_t pulse_ = 0;                      // the heartbeat of the last look
  std::vector<std::atomic<std::uint64_t>> due_;  // by shard; 0: none
  std::atomic<std::uint64_t> next_ms_;
};

// Beats until it is sent StopWriter.
caf::actor spawn_beat(caf::actor_system& system, std::shared_ptr<Beat> beat, std::shared_ptr<LiveActors> shards,
                      std::shared_ptr<Exchange> exchange, const Clock& clock);

}  // namespace earshot::actors
