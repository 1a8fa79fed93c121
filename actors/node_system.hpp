#pragma once

#include <cstdint>
#include <memory>

#include <caf/actor_system_config.hpp>
#include <caf/fwd.hpp>

#include "actors/helper.hpp"

namespace earshot::actors {

// How CAF runs on a node. Messages are registered here; nothing is read from files or arguments.
class SystemConfig : public caf::actor_system_config {
 public:
  // 0 threads: one per core.
  explicit SystemConfig(std::uint32_t scheduler_threads);
  // For simulations: no threads, a clock that stands still, and a queue of actors that wait for their turn.
  static SystemConfig simulated();

 private:
  SystemConfig();
};

// This thread helps to run the actors of a system that was not made for simulations.
std::unique_ptr<Help> help(caf::actor_system& system, Helper helper);

}  // namespace earshot::actors
