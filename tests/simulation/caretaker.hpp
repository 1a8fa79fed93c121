#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "tests/simulation/history.hpp"
#include "tests/simulation/sim_device.hpp"
#include "tests/simulation/world.hpp"

namespace earshot::simulation {

// Who looks after mailboxes: an operator at a device of its own, who sets policies, and owners at theirs. They list
// devices and remove some, replay or drop what is parked, and have messages explained.
class Caretaker {
 public:
  Caretaker(World& world, History& history, SimDevice& operators_device,
            std::vector<std::unique_ptr<SimDevice>>& devices, std::vector<UserId> users, Random random);

  void start();
  // From now on only what is parked is looked after, some rounds long: while faults strike, few get that far.
  void calm_down();

 private:
  void act();
  void go_round(int rounds);
  void set_policy(client::Client& client);
  void let_park(client::Client& client);
  void look_after_parked(const DeviceName& device, bool as_operator);
  void handle_parked(const DeviceName& device, const UserId& named, bool as_operator,
                     const std::vector<ParkedMessage>& parked);
  void remove_device(client::Client& client, const DeviceName& device, const UserId& named);
  void explain(client::Client& client, const UserId& user, const UserId& named);
  // The operator's program, or the device's own.
  SimDevice& desk(const DeviceName& device, bool as_operator);
  SimDevice& any_device() { return *devices_[random_.below(devices_.size())]; }

  World& world_;
  History& history_;
  SimDevice& operators_device_;
  std::vector<std::unique_ptr<SimDevice>>& devices_;
  const std::vector<UserId> users_;
  Random random_;
  const std::uint64_t every_ms_;
  const bool removes_;
  bool lets_park_;  // messages are parked from early on: what waits for a policy drawn later comes too rarely
  bool busy_ = true;
};

}  // namespace earshot::simulation
