#pragma once

#include <memory>

#include <caf/actor.hpp>
#include <caf/fwd.hpp>

#include "actors/exchange.hpp"

namespace earshot::actors {

// Calls the exchange's tick() until it is sent StopWriter.
caf::actor spawn_exchange_clock(caf::actor_system& system, std::shared_ptr<Exchange> exchange);

}  // namespace earshot::actors
