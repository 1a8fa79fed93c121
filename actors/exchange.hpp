#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "actors/call_codec.hpp"
#include "actors/open_calls.hpp"
#include "actors/ports.hpp"
#include "actors/route.hpp"
#include "base/clock.hpp"
#include "base/ids.hpp"
#include "cluster/peers.hpp"
#include "cluster/replica.hpp"

namespace earshot::actors {

// The sessions of this node.
class LocalSessions {
 public:
  virtual ~LocalSessions() = default;
  // Null: it has ended.
  [[nodiscard]] virtual std::shared_ptr<SessionPort> find(SessionId session) = 0;
  // To all whose user may live in that shard.
  virtual void announce(const LeaderAnnounced& leader) = 0;
};

// Where a node's sessions and shards meet those of the others: who leads which shard, the routes there, calls that are
// under way, and what comes in.
//
// Thread-safe. What comes before set_up(), which is called once, is lost.
class Exchange final : public cluster::PeerEvents, public CallDesk, public std::enable_shared_from_this<Exchange> {
 public:
  struct Replica {  // of a shard, on this node
    std::shared_ptr<ShardInbox> requests;
    std::shared_ptr<ReplicaInbox> from_peers;
  };

  Exchange(NodeId self, std::uint16_t shard_count, cluster::Peers& peers, const Clock& clock)
      : self_(self), shard_count_(shard_count), peers_(peers), clock_(clock) {}

  // `replicas`: one per shard, or none where this node has none. `others`: the other nodes of the cluster.
  void set_up(std::vector<Replica> replicas, std::vector<NodeId> others, std::shared_ptr<LocalSessions> sessions);
  // Lets go of all of that: the node has ended.
  void forget();
  [[nodiscard]] std::shared_ptr<const Router> router() const { return router_; }

  // ---- from the shards of this node
  void send(ShardId shard, const cluster::PeerMessage& message);
  // As the shard's replica knows it; node 0: not at all.
  void leader_is(ShardId shard, Route::Leader leader);
  void given_back(ShardId shard, ShardRequest request, std::uint8_t hops) {
    routes_[shard.value]->given_back(std::move(request), hops);
  }
  // A call that came in from a node, as the shard takes it: answers go back to who asked. False: it is no call, which
  // is counted, and said to who asked if that can be known.
  bool open(const FromPeer& call, const std::function<void(ShardRequest request, std::uint8_t hops)>& take);

  // Once a second or so: what waits or is lost without anybody knowing.
  void tick();

  // ---- CallDesk
  bool call(NodeId to, ShardId shard, ShardRequest& request, std::uint8_t hops) override;

  // ---- cluster::PeerEvents
  void received(NodeId from, cluster::PeerFrame frame) override;
  void link_up(NodeId node) override;
  void link_down(NodeId node) override;

  void answer(const PortAddress& to, std::string bytes);

  // ---- for whoever watches
  [[nodiscard]] Route::Leader leader(ShardId shard) const { return routes_[shard.value]->leader(); }
  [[nodiscard]] std::size_t open_calls() const { return calls_.size(); }
  [[nodiscard]] std::uint64_t malformed() const { return malformed_.load(std::memory_order_relaxed); }

 private:
  void answered(NodeId from, std::string_view bytes);
  void announce(NodeId to, ShardId shard, Term term);

  const NodeId self_;
  const std::uint16_t shard_count_;
  cluster::Peers& peers_;
  const Clock& clock_;
  std::atomic<bool> is_set_up_{false};
  std::vector<Replica> replicas_;
  std::vector<NodeId> others_;
  std::shared_ptr<LocalSessions> sessions_;
  std::vector<std::shared_ptr<Route>> routes_;
  std::shared_ptr<const Router> router_;
  OpenCalls calls_;
  std::atomic<std::uint64_t> malformed_{0};
};

}  // namespace earshot::actors
