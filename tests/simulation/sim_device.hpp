#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/client.hpp"
#include "tests/simulation/history.hpp"
#include "tests/simulation/network.hpp"
#include "tests/simulation/process.hpp"
#include "tests/simulation/sim_store.hpp"
#include "tests/simulation/world.hpp"

namespace earshot::simulation {

// How one device behaves.
struct DeviceOptions {
  DeviceName name;
  DeliveryMode mode = DeliveryMode::kOrdered;
  std::uint32_t window_messages = 256;
  std::uint64_t send_every_ms = 500;  // on average; 0: it only receives
  std::uint32_t batch_messages_max = 1;
  std::uint32_t body_bytes_max = 200;
  double rejects = 0;  // of offered messages
  double copies = 0;   // of sent messages
  double reads = 0;    // fetch and history calls, as often as sends
  std::uint64_t request_timeout_ms = 15'000;
};

// What ends messages, as far as it is this device's doing.
struct LifeOptions {
  double ttls = 0;  // of sent messages: have a time to live
  std::uint64_t ttl_ms_max = 60'000;
  std::uint32_t refuses_percent = 0;  // of messages: rejected whenever they are offered
};

// A device and its application: the product's client library (client::Client, whole) on a simulated process, with a
// database that outlives it, sending and receiving as its options say.
class SimDevice {
 public:
  SimDevice(World& world, Network& network, History& history, DeviceOptions options, std::vector<UserId> users);
  ~SimDevice() { crash(true); }

  void give_life(const LifeOptions& life) { life_ = life; }
  // Runs the program, when the last run of it has ended.
  void start();
  // The program is killed, or the machine is off.
  void crash(bool power_off);
  // Logs out and ends in order.
  void close();
  [[nodiscard]] bool runs() const { return client_ != nullptr; }

  // The application stops sending, and rejecting.
  void calm_down() { busy_ = false; }
  void pause_until(std::uint64_t time_ms);
  // Runs on the program's thread, if it runs by then.
  void with_client(std::function<void(client::Client&)> task);

  [[nodiscard]] const DeviceName& name() const { return options_.name; }
  [[nodiscard]] SimStore& store() { return store_; }
  [[nodiscard]] ProcessClock& clock() { return clock_; }
  [[nodiscard]] client::Stats stats() const { return client_->stats(); }

 private:
  void act_later();
  void act();
  void send();
  void read();
  client::Handlers handlers();

  World& world_;
  Network& network_;
  History& history_;
  const DeviceOptions options_;
  LifeOptions life_;
  const std::vector<UserId> users_;
  Random random_;
  ProcessClock clock_;
  SimStore store_;
  std::shared_ptr<Process> process_;
  std::unique_ptr<client::Client> client_;
  std::uint64_t runs_ = 0;
  bool busy_ = true;
};

}  // namespace earshot::simulation
