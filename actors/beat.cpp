#include "actors/beat.hpp"

#include <chrono>
#include <utility>

#include <caf/all.hpp>

#include "actors/exchange.hpp"
#include "actors/interfaces.hpp"
#include "actors/live_actors.hpp"

namespace earshot::actors {
namespace {

class BeatActor final : public caf::event_based_actor {
 public:
  BeatActor(caf::actor_config& config, std::shared_ptr<Beat> beat, std::shared_ptr<LiveActors> shards,
            std::shared_ptr<Exchange> exchange, const Clock& clock)
      : caf::event_based_actor(config),
        beat_(std::move(beat)),
        shards_(std::move(shards)),
        exchange_(std::move(exchange)),
        clock_(clock) {}

  const char* name() const override { return "beat"; }

 private:
  caf::behavior make_behavior() override {
    beat();
    return {
        [this](TimerFired) { beat(); },
        [this](StopWriter) { quit(); },
    };
  }
  void on_exit() override {
    shards_.reset();
    exchange_.reset();
  }

  void beat() {
    const std::uint64_t now_ms = clock_.monotonic_ms();
    if (beat_->is_pulse_due(now_ms)) exchange_->send_pulses();
    beat_->beat(now_ms, [this](ShardId shard) {
      if (const auto actor = shards_->find(shard.value)) send(*actor, BeatNow{});
    });
    const std::uint64_t next_ms = std::max(beat_->next_ms(), now_ms + 1);
    delayed_send(this, std::chrono::milliseconds(next_ms - now_ms), TimerFired{});
  }

  const std::shared_ptr<Beat> beat_;
  std::shared_ptr<LiveActors> shards_;
  std::shared_ptr<Exchange> exchange_;
  const Clock& clock_;
};

}  // namespace

caf::actor spawn_beat(caf::actor_system& system, std::shared_ptr<Beat> beat, std::shared_ptr<LiveActors> shards,
                      std::shared_ptr<Exchange> exchange, const Clock& clock) {
  return system.spawn<BeatActor>(std::move(beat), std::move(shards), std::move(exchange), clock);
}

}  // namespace earshot::actors
