#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include <caf/actor_system.hpp>
#include <caf/fwd.hpp>

#include "actors/node_system.hpp"

namespace caf::scheduler {
class test_coordinator;
}

namespace earshot::simulation {

class World;

// What a node's actors run on: their system, of which one at a time takes a message when the world says so, and a clock
// that goes with the world's. One thread.
class Machine {
 public:
  explicit Machine(World& world);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  [[nodiscard]] caf::actor_system& actors() { return system_; }
  // Actors for which this is false stay where they are; whoever lets them go on wakes the world with an event.
  void set_may_run(std::function<bool(caf::actor_id)> may_run) { may_run_ = std::move(may_run); }
  // Called after each message that an actor took.
  void set_after_turn(std::function<void(caf::actor_id)> after_turn) { after_turn_ = std::move(after_turn); }
  // Lets every actor take what it has, whatever may_run says: for the end of a node.
  void drain();

  // ---- for the world
  // The actors that may take a message now.
  [[nodiscard]] const std::vector<std::size_t>& collect_jobs();
  [[nodiscard]] static caf::actor_id actor_of(caf::resumable* job);
  [[nodiscard]] caf::actor_id actor_at(std::size_t job) const;
  void run(std::size_t job);
  // UINT64_MAX: no timer is set.
  [[nodiscard]] std::uint64_t next_timer_ms();
  void advance(std::uint64_t now_ms);

 private:
  World& world_;
  actors::SystemConfig config_;
  caf::actor_system system_;
  caf::scheduler::test_coordinator& scheduler_;
  std::chrono::steady_clock::time_point start_;  // its clock at the world's beginning
  std::vector<std::size_t> jobs_;                // places in the scheduler's queue
  std::function<bool(caf::actor_id)> may_run_;
  std::function<void(caf::actor_id)> after_turn_;
};

}  // namespace earshot::simulation
