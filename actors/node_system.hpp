#pragma once

#include <cstdint>

#include <caf/actor_system_config.hpp>

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

}  // namespace earshot::actors
