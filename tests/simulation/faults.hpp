#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "tests/simulation/history.hpp"
#include "tests/simulation/network.hpp"
#include "tests/simulation/peer_network.hpp"
#include "tests/simulation/sim_device.hpp"
#include "tests/simulation/sim_node.hpp"
#include "tests/simulation/world.hpp"

namespace earshot::simulation {

enum class Fault : std::uint8_t {
  kNodeCrash,             // at some moment; it starts again after a while
  kNodeCrashAfterCommit,  // the moment that promises are made of
  kNodeStops,             // in order, as on a signal; it starts again after a while
  kNodeSleeps,            // suspended: time goes on without it
  kDeviceCrash,
  kDeviceSleeps,
  kConnectionLost,
  kConnectionStalls,
  kLateLogin,  // a client gives its next connection up; what it sent arrives when it has long made another
  kSlowDisk,
  kFullDisk,
  kWallClockJumps,  // the node's or a device's
  kStoreRefuses,    // a device's database, for a while
  kBodyFlips,       // on the wire, for a while
  kMessageDamaged,  // in the node's state
  kLogDamaged,      // in the node's log, found when it starts; taken back, as nothing else can be done about it
  // Between nodes.
  kPartition,        // some of them and the others do not hear each other
  kOneWayPartition,  // what one sends to another does not arrive
  kFramesTroubled,   // lost, doubled, late
  kAllNodesCrash,    // at once
};
inline constexpr std::size_t kFaults = 20;
inline constexpr std::size_t kFaultsOfOneNode = 16;  // the first of them
const char* name_of(Fault fault);

// Strikes from the seed: which kinds of fault a run has, and how often, is drawn once; which one comes next, and when,
// again and again, until calm_down() takes all of them back.
class FaultInjector {
 public:
  // `peers`: between the nodes, if there are several. `grows`: they become several. `damaged`: which of them is the one
  // whose state may be damaged, and `losses` what of it gets lost.
  FaultInjector(World& world, std::vector<SimNode*> nodes, std::size_t damaged, Network& network, PeerNetwork* peers,
                bool grows, Random losses, History& history, std::vector<std::unique_ptr<SimDevice>>& devices);

  // No others strike. Before the start.
  void limit_to(std::vector<Fault> kinds) { kinds_ = std::move(kinds); }
  void start();
  // Everything works again: the node runs, disks have room, clocks are right, devices are on.
  void calm_down();
  [[nodiscard]] const std::array<std::uint64_t, kFaults>& struck() const { return struck_; }

 private:
  void next();
  void strike(Fault fault);
  void crash_node(SimNode& node);
  void stop_node(SimNode& node);
  void damage_log(SimNode& node);
  void damage_message(SimNode& node);
  void start_node_later(SimNode& node, std::uint64_t ms_max);
  void partition(bool one_way);
  void trouble_frames();
  void crash_device();
  void slow_disk(SimNode& node);
  void full_disk(SimNode& node);
  void jump_clock();
  void refuse_in_store();
  SimNode& any_node() { return nodes_.size() == 1 ? *nodes_.front() : *nodes_[random_.below(nodes_.size())]; }
  SimDevice& any_device() { return *devices_[random_.below(devices_.size())]; }
  // Runs a task later unless all is calm by then.
  template <class Task>
  void later(std::uint64_t delay_ms, Task task) {
    world_.after(delay_ms, [this, task = std::move(task)] {
      if (!calm_) task();
    });
  }

  World& world_;
  const std::vector<SimNode*> nodes_;
  SimNode& damaged_;  // of a cluster a minority may be
  Network& network_;
  PeerNetwork* const peers_;
  History& history_;
  std::vector<std::unique_ptr<SimDevice>>& devices_;
  Random random_;
  Random losses_;
  std::vector<Fault> kinds_;  // of this run; a kind may stand there several times
  std::uint64_t every_ms_ = 0;
  bool calm_ = false;
  std::array<std::uint64_t, kFaults> struck_{};
};

}  // namespace earshot::simulation
