#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "actors/exchange.hpp"
#include "base/clock.hpp"
#include "tests/support/shard_ports.hpp"

// Two and three nodes' exchanges, joined by frames that the test carries.
namespace earshot::tests {

inline constexpr ShardId kShard{1};
inline constexpr NodeId kA{1}, kB{2}, kC{3};

class Wires {
 public:
  class Way final : public cluster::Peers {
   public:
    Way(Wires& wires, NodeId self) : wires_(wires), self_(self) {}
    bool send(NodeId to, cluster::PeerFrame frame) override {
      if (wires_.full || is_broken(to)) return false;
      wires_.frames.emplace_back(self_, to, std::move(frame));
      return true;
    }
    [[nodiscard]] bool is_up(NodeId to) const override { return wires_.up && !is_broken(to); }
    void set_nodes(std::vector<cluster::PeerNode>) override {}

   private:
    [[nodiscard]] bool is_broken(NodeId to) const { return wires_.broken.contains(std::minmax(self_, to)); }

    Wires& wires_;
    const NodeId self_;
  };
  struct Frame {
    Frame(NodeId f, NodeId t, cluster::PeerFrame p) : from(f), to(t), frame(std::move(p)) {}
    NodeId from, to;
    cluster::PeerFrame frame;
  };

  bool up = true, full = false;
  std::set<std::pair<NodeId, NodeId>> broken;  // the lower one first
  std::deque<Frame> frames;
};

struct NodeSessions final : actors::LocalSessions {
  std::shared_ptr<actors::SessionPort> find(actors::SessionId session) override {
    const auto found = live.find(session);
    return found == live.end() ? nullptr : found->second;
  }
  void announce(const actors::LeaderAnnounced& leader) override {
    announced.push_back(leader.term);
    again += leader.again ? 1 : 0;
  }
  actors::RegistrationDigest registrations(ShardId shard) override {
    return shard == kShard ? registered : actors::RegistrationDigest();
  }
  void send_away(const std::function<bool(NodeId)>& is_up, std::uint32_t) override {
    ++sent_away;
    to_a_and_b = {is_up(kA), is_up(kB)};
  }
  std::map<actors::SessionId, std::shared_ptr<actors::SessionPort>> live;
  std::vector<Term> announced;
  int again = 0;
  int sent_away = 0;
  std::pair<bool, bool> to_a_and_b;
  actors::RegistrationDigest registered;
};

// A node: its exchange, and a replica of each shard that writes down what comes.
class ExchangeNode {
 public:
  ExchangeNode(NodeId id, Wires& wires, const Clock& clock)
      : self(id), way(wires, id), exchange(std::make_shared<actors::Exchange>(id, kShardCount, way, clock)) {
    std::vector<actors::Exchange::Replica> replicas(kShardCount);
    for (auto& replica : replicas) replica = {std::make_shared<DeafShard>(), replica_};
    std::vector<NodeId> others;
    for (const NodeId node : {kA, kB, kC})
      if (node != id) others.push_back(node);
    exchange->set_nodes(std::move(others));
    exchange->set_up(std::move(replicas), sessions);
  }
  ~ExchangeNode() { exchange->forget(); }

  struct Replica final : actors::ReplicaInbox {
    void post(actors::FromPeer message) override { frames.push_back(std::move(message)); }
    std::vector<actors::FromPeer> frames;
  };

  // What the shard is asked by other nodes.
  std::vector<actors::ShardRequest> take_requests() {
    std::vector<actors::ShardRequest> requests;
    for (const actors::FromPeer& frame : std::exchange(replica_->frames, {})) {
      if (frame.topic != cluster::PeerTopic::kCall) continue;
      exchange->open(kShard, frame,
                     [&](actors::ShardRequest request, std::uint8_t) { requests.push_back(std::move(request)); });
    }
    return requests;
  }

  const NodeId self;
  Wires::Way way;
  std::shared_ptr<NodeSessions> sessions = std::make_shared<NodeSessions>();
  std::shared_ptr<Replica> replica_ = std::make_shared<Replica>();
  std::shared_ptr<actors::Exchange> exchange;
};

class ExchangeTest : public testing::Test {
 protected:
  void carry() {
    while (!wires_.frames.empty()) {
      auto [from, to, frame] = std::move(wires_.frames.front());
      wires_.frames.pop_front();
      node(to).exchange->received(from, {&frame, 1});
    }
  }
  ExchangeNode& node(NodeId id) { return id == kA ? a_ : id == kB ? b_ : c_; }
  std::shared_ptr<RecordingSession> session(ExchangeNode& on, actors::SessionId id) {
    auto port = std::make_shared<RecordingSession>(actors::PortAddress{on.self, 0, id});
    on.sessions->live[id] = port;
    return port;
  }
  void b_leads() {
    b_.exchange->leader_is(kShard, {kB, Term(2)});
    carry();
  }
  actors::ShardInbox& route(ExchangeNode& from) { return from.exchange->router()->shard(kShard); }

  ManualClock clock_;
  Wires wires_;
  ExchangeNode a_{kA, wires_, clock_}, b_{kB, wires_, clock_}, c_{kC, wires_, clock_};
};

}  // namespace earshot::tests
