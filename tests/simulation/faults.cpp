#include "tests/simulation/faults.hpp"

#include <algorithm>

namespace earshot::simulation {

const char* name_of(Fault fault) {
  switch (fault) {
    case Fault::kNodeCrash: return "node crash";
    case Fault::kNodeCrashAfterCommit: return "node crash after a commit";
    case Fault::kNodeStops: return "node stops";
    case Fault::kNodeSleeps: return "node sleeps";
    case Fault::kDeviceCrash: return "device crash";
    case Fault::kDeviceSleeps: return "device sleeps";
    case Fault::kConnectionLost: return "connection lost";
    case Fault::kConnectionStalls: return "connection stalls";
    case Fault::kLateLogin: return "late login";
    case Fault::kSlowDisk: return "slow disk";
    case Fault::kFullDisk: return "full disk";
    case Fault::kWallClockJumps: return "wall clock jumps";
    case Fault::kStoreRefuses: return "store refuses";
    case Fault::kBodyFlips: return "body flips";
    case Fault::kMessageDamaged: return "stored message damaged";
    case Fault::kLogDamaged: return "record of the log damaged";
    case Fault::kPartition: return "partition";
    case Fault::kOneWayPartition: return "one-way partition";
    case Fault::kFramesTroubled: return "frames lost, doubled, late";
    case Fault::kAllNodesCrash: return "all nodes crash";
  }
  return "";
}

FaultInjector::FaultInjector(World& world, std::vector<SimNode*> nodes, std::size_t damaged, Network& network,
                             PeerNetwork* peers, bool grows, Random losses, History& history,
                             std::vector<std::unique_ptr<SimDevice>>& devices)
    : world_(world),
      nodes_(std::move(nodes)),
      damaged_(*nodes_[damaged]),
      network_(network),
      peers_(peers),
      history_(history),
      devices_(devices),
      random_(world.fork()),
      losses_(losses) {
  // A run with few kinds of fault digs deeper into each of them than one with all.
  const double share = 0.15 + 0.85 * static_cast<double>(random_.below(100)) / 100;
  for (std::size_t i = 0; i < (peers_ == nullptr ? kFaultsOfOneNode : kFaults); ++i) {
    if (!random_.chance(share)) continue;
    const auto fault = static_cast<Fault>(i);
    const std::uint64_t times = random_.between(1, 3);
    // What a node has voted and acknowledged nobody else can tell: one whose log is damaged has to be made anew.
    if (peers_ != nullptr && fault == Fault::kLogDamaged) continue;
    // Of a shard's only voter nobody has what it has lost.
    if (grows && fault == Fault::kMessageDamaged) continue;
    kinds_.insert(kinds_.end(), times, fault);
  }
  every_ms_ = random_.between(300, 5'000);
}

void FaultInjector::start() {
  if (kinds_.empty()) return;
  // A first login counts for most: it brings a new producer.
  if (std::find(kinds_.begin(), kinds_.end(), Fault::kLateLogin) != kinds_.end()) strike(Fault::kLateLogin);
  next();
}

void FaultInjector::next() {
  later(random_.between(1, 2 * every_ms_), [this] {
    strike(kinds_[random_.below(kinds_.size())]);
    next();
  });
}

void FaultInjector::strike(Fault fault) {
  ++struck_[static_cast<std::size_t>(fault)];
  world_.note(name_of(fault));
  switch (fault) {
    case Fault::kNodeCrash: return crash_node(any_node());
    case Fault::kNodeCrashAfterCommit: {
      SimNode& node = any_node();
      return node.crash_after_commit(random_.chance(0.6), random_.below(4), [this, &node] { crash_node(node); });
    }
    case Fault::kNodeStops: return stop_node(any_node());
    case Fault::kNodeSleeps: return any_node().sleep_until(world_.now_ms() + random_.between(50, 20'000));
    case Fault::kDeviceCrash: return crash_device();
    case Fault::kDeviceSleeps: return any_device().pause_until(world_.now_ms() + random_.between(50, 30'000));
    case Fault::kConnectionLost: return network_.lose_one(random_);
    case Fault::kConnectionStalls: return network_.stall_one(random_, random_.between(50, 20'000));
    case Fault::kLateLogin: return network_.delay_next_login();
    case Fault::kSlowDisk: return slow_disk(any_node());
    case Fault::kFullDisk: return full_disk(any_node());
    case Fault::kWallClockJumps: return jump_clock();
    case Fault::kStoreRefuses: return refuse_in_store();
    case Fault::kBodyFlips:
      network_.set_flips(static_cast<std::uint32_t>(random_.between(1, 500)));
      return later(random_.between(1, 10'000), [this] { network_.set_flips(0); });
    case Fault::kMessageDamaged: return damage_message(damaged_);
    case Fault::kLogDamaged: return damage_log(any_node());
    case Fault::kPartition:
    case Fault::kOneWayPartition: return partition(fault == Fault::kOneWayPartition);
    case Fault::kFramesTroubled: return trouble_frames();
    case Fault::kAllNodesCrash:
      for (SimNode* node : nodes_) crash_node(*node);
      return;
  }
}

void FaultInjector::crash_node(SimNode& node) {
  if (!node.runs()) return;
  network_.node_died(node, random_);
  node.crash();
  start_node_later(node, random_.chance(0.2) ? 20'000 : 1'000);
}

void FaultInjector::start_node_later(SimNode& node, std::uint64_t ms_max) {
  world_.after(random_.between(1, ms_max), [&node] {
    if (!node.runs()) node.start();
  });
}

void FaultInjector::stop_node(SimNode& node) {
  if (!node.accepts()) return;
  network_.node_stops(node);
  node.stop([this, &node] { start_node_later(node, 1'000); });
}

void FaultInjector::damage_message(SimNode& node) {
  if (peers_ != nullptr && losses_.chance(0.5)) node.lose_a_message(losses_);
  if (peers_ != nullptr && losses_.chance(0.5)) node.damage_at_next_start(Random(losses_.next()));
  if (peers_ != nullptr && random_.chance(0.5)) return node.damage_a_record(random_);
  const auto damaged = node.damage_a_message(random_);
  // Other replicas have it.
  if (damaged && peers_ == nullptr) history_.message_damaged(damaged->first, damaged->second);
}

// Nothing is served from a log that fails its checksums: the node does not start until the record is whole again.
void FaultInjector::damage_log(SimNode& node) {
  if (!node.runs()) return;
  network_.node_died(node, random_);
  node.crash();
  node.start_on_damaged_log(random_);
  start_node_later(node, 1'000);
}

// ---- between nodes

void FaultInjector::partition(bool one_way) {
  const NodeId alone = any_node().id();
  for (const NodeId other : peers_->nodes()) {
    if (other == alone || (one_way && random_.chance(0.5))) continue;
    const bool is_deaf = random_.chance(0.5);
    if (!one_way || is_deaf) peers_->block(other, alone);
    if (!one_way || !is_deaf) peers_->block(alone, other);
  }
  later(random_.between(100, 20'000), [this] { peers_->allow_all(); });
}

void FaultInjector::trouble_frames() {
  PeerNetwork::Troubles troubles;
  const auto share = [this] { return static_cast<std::uint32_t>(random_.chance(0.5) ? 0 : random_.between(1, 3'000)); };
  troubles.lost = share();
  troubles.doubled = share();
  troubles.late = share();
  peers_->set_troubles(troubles);
  later(random_.between(1, 15'000), [this] { peers_->set_troubles({}); });
}

void FaultInjector::crash_device() {
  SimDevice& device = any_device();
  if (random_.chance(0.2)) {
    device.close();
  } else {
    device.crash(random_.chance(0.5));
  }
  later(random_.between(1, random_.chance(0.3) ? 60'000 : 3'000), [&device] { device.start(); });
}

void FaultInjector::slow_disk(SimNode& node) {
  const std::uint64_t ms = random_.chance(0.3) ? 8'000 : 300;
  node.set_commit_ms_max(random_.chance(0.7) ? ms : 2, random_.chance(0.7) ? ms : 2);
  later(random_.between(1, 15'000), [&node] { node.set_commit_ms_max(2, 2); });
}

void FaultInjector::full_disk(SimNode& node) {
  node.fill(random_.chance(0.5), random_.below(4'000));
  later(random_.between(1, 15'000), [&node] { node.make_room(); });
}

void FaultInjector::jump_clock() {
  const auto span = static_cast<std::int64_t>(random_.chance(0.5) ? 120'000 : 400ull * 24 * 3'600'000);
  const std::int64_t jump = static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(2 * span))) - span;
  ProcessClock& clock = random_.chance(0.6) ? any_node().clock() : any_device().clock();
  clock.jump_wall(jump);
  if (random_.chance(0.5)) later(random_.between(1, 20'000), [&clock] { clock.set_wall_right(); });
}

void FaultInjector::refuse_in_store() {
  SimDevice& device = any_device();
  device.store().set_faults(random_.chance(0.3) ? 1 : 0.3, random_.between(1, 500));
  later(random_.between(1, 15'000), [&device] { device.store().set_faults(0, 3); });
}

void FaultInjector::calm_down() {
  calm_ = true;
  world_.note("all is calm");
  network_.set_flips(0);
  network_.delay_no_login();
  if (peers_ != nullptr) {
    peers_->allow_all();
    peers_->set_troubles({});
  }
  for (SimNode* node : nodes_) {
    node->set_commit_ms_max(2, 2);
    node->make_room();
    node->disarm();
    node->clock().set_wall_right();
    if (!node->runs()) node->start();
  }
  for (const auto& device : devices_) {
    device->store().set_faults(0, 3);
    device->clock().set_wall_right();
    device->calm_down();
    device->start();
  }
}

}  // namespace earshot::simulation
