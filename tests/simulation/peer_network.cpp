#include "tests/simulation/peer_network.hpp"

#include <algorithm>

#include "base/limits.hpp"

namespace earshot::simulation {
namespace {

// Until a link that brings nothing any more is given up. What it brought last may have been a heartbeat's time ago, and
// real links are looked at often.
constexpr std::uint64_t kSilenceMsMin = limits::kPeerSilenceMs - limits::kPeerHeartbeatMs;
constexpr std::uint64_t kSilenceMsMax = limits::kPeerSilenceMs + 200;
constexpr std::uint64_t kDialMsMax = 300;
constexpr std::uint64_t kLateMsMax = 2'000;
constexpr std::uint32_t kAll = 10'000;

const char* name_of(cluster::PeerTopic topic) {
  switch (topic) {
    case cluster::PeerTopic::kRaft: return "frame: raft";
    case cluster::PeerTopic::kCall: return "frame: call";
    case cluster::PeerTopic::kAnswer: return "frame: answer";
    case cluster::PeerTopic::kSeed: return "frame: seed";
    case cluster::PeerTopic::kPlaces: return "frame: places";
    case cluster::PeerTopic::kCluster: return "frame: cluster";
    case cluster::PeerTopic::kQuestions: return "frame: question";
    case cluster::PeerTopic::kPulses: return "frame: pulse";
    case cluster::PeerTopic::kClock: return "frame: clock";
  }
  return "frame";
}

}  // namespace

class PeerNetwork::Way final : public cluster::Peers {
 public:
  Way(PeerNetwork& network, NodeId node) : network_(network), node_(node) {}

  bool send(NodeId to, cluster::PeerFrame frame) override { return network_.send(node_, to, std::move(frame)); }
  [[nodiscard]] bool is_up(NodeId node) const override { return network_.up_.contains({node_, node}); }
  void set_nodes(std::vector<cluster::PeerNode>) override {}

 private:
  PeerNetwork& network_;
  const NodeId node_;
};

std::unique_ptr<cluster::Peers> PeerNetwork::attach(NodeId node, End& end) {
  ends_[node] = &end;
  return std::make_unique<Way>(*this, node);
}

std::vector<NodeId> PeerNetwork::nodes() const {
  std::vector<NodeId> nodes;
  for (const auto& [node, end] : ends_) nodes.push_back(node);
  return nodes;
}

// ---- frames

bool PeerNetwork::send(NodeId from, NodeId to, cluster::PeerFrame frame) {
  if (!up_.contains({from, to})) return false;
  world_.note(name_of(frame.topic), from.value << 32 | to.value, frame.group.value);
  sent(from, to, frame);
  if (blocked_.contains({from, to}) || random_.below(kAll) < troubles_.lost) return true;
  if (random_.below(kAll) < troubles_.doubled) arrive_later(from, to, frame);
  arrive_later(from, to, std::move(frame));
  return true;
}

void PeerNetwork::arrive_later(NodeId from, NodeId to, cluster::PeerFrame frame) {
  const std::uint64_t sender_run = ends_[from]->run();
  const std::uint64_t run = ends_[to]->run();
  std::uint64_t delay_ms = random_.below(delay_ms_max_ + 1);
  if (random_.below(kAll) < troubles_.late) delay_ms += random_.below(kLateMsMax);
  const std::uint64_t at_ms = std::max(world_.now_ms() + delay_ms, ends_[to]->sleeps_until_ms());
  world_.at(at_ms, [this, from, to, run, sender_run, frame = std::move(frame)]() mutable {
    End& end = *ends_[to];
    // What was on its way to, or from, a process that is gone is gone with the connection; mostly.
    if (!end.runs() || end.run() != run || end.events() == nullptr) return;
    if (ends_[from]->run() != sender_run && random_.chance(0.5)) return;
    if (world_.now_ms() < end.sleeps_until_ms()) return arrive_later(from, to, std::move(frame));
    end.events()->received(from, {&frame, 1});
  });
}

// ---- links

bool PeerNetwork::reach_each_other(NodeId a, NodeId b) const {
  const auto is_there = [this](End& end) {
    return end.runs() && end.events() != nullptr && world_.now_ms() >= end.sleeps_until_ms();
  };
  return is_there(*ends_.at(a)) && is_there(*ends_.at(b)) && !blocked_.contains({a, b}) && !blocked_.contains({b, a});
}

void PeerNetwork::started(NodeId node) { look_later(node, random_.between(1, kDialMsMax)); }

// The others notice sooner or later.
void PeerNetwork::died(NodeId node) {
  std::erase_if(up_, [node](const Pair& link) { return link.first == node; });
  look_later(node, random_.chance(0.5) ? random_.below(20) : random_.below(kSilenceMsMax));
}

void PeerNetwork::sleeps(NodeId node) {
  look_later(node, random_.between(kSilenceMsMin, kSilenceMsMax));
  const std::uint64_t until_ms = ends_[node]->sleeps_until_ms();
  if (until_ms > world_.now_ms()) look_later(node, until_ms - world_.now_ms() + random_.between(1, kDialMsMax));
}

void PeerNetwork::block(NodeId from, NodeId to) {
  blocked_.insert({from, to});
  look_later(from, random_.between(kSilenceMsMin, kSilenceMsMax));
}

void PeerNetwork::allow_all() {
  blocked_.clear();
  for (const auto& [node, end] : ends_) look_later(node, random_.between(1, kDialMsMax));
}

void PeerNetwork::look_later(NodeId node, std::uint64_t delay_ms) {
  world_.after(delay_ms, [this, node] {
    for (const auto& [other, end] : ends_)
      if (other != node) look(node, other);
  });
}

void PeerNetwork::look(NodeId a, NodeId b) {
  const bool reach = reach_each_other(a, b);
  set_up(a, b, reach);
  set_up(b, a, reach);
}

// An end that cannot hear of it yet hears of it when it is looked at again.
void PeerNetwork::set_up(NodeId node, NodeId other, bool is_up) {
  End& end = *ends_[node];
  if (!end.runs() || end.events() == nullptr || world_.now_ms() < end.sleeps_until_ms()) return;
  if (up_.contains({node, other}) == is_up) return;
  if (is_up) {
    up_.insert({node, other});
    return end.events()->link_up(other);
  }
  up_.erase({node, other});
  end.events()->link_down(other);
}

}  // namespace earshot::simulation
