#include "actors/exchange_clock.hpp"

#include <chrono>
#include <utility>

#include <caf/all.hpp>

#include "actors/interfaces.hpp"

namespace earshot::actors {
namespace {

constexpr std::chrono::milliseconds kTick{1'000};

struct ExchangeClock {
  static constexpr const char* name = "exchange-clock";
  std::shared_ptr<Exchange> exchange;
};

caf::behavior exchange_clock(caf::stateful_actor<ExchangeClock>* self, std::shared_ptr<Exchange> exchange) {
  self->state.exchange = std::move(exchange);
  self->delayed_send(self, kTick, TimerFired{});
  return {
      [self](TimerFired) {
        self->state.exchange->tick();
        self->delayed_send(self, kTick, TimerFired{});
      },
      [self](StopWriter) { self->quit(); },
  };
}

}  // namespace

caf::actor spawn_exchange_clock(caf::actor_system& system, std::shared_ptr<Exchange> exchange) {
  return system.spawn(exchange_clock, std::move(exchange));
}

}  // namespace earshot::actors
