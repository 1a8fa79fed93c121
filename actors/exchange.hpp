#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "actors/call_codec.hpp"
#include "actors/clock_watch.hpp"
#include "actors/node_watch.hpp"
#include "actors/open_calls.hpp"
#include "actors/ports.hpp"
#include "actors/push_watch.hpp"
#include "actors/recent_calls.hpp"
#include "actors/registration_digest.hpp"
#include "actors/remote_call_log.hpp"
#include "actors/route.hpp"
#include "base/clock.hpp"
#include "base/ids.hpp"
#include "base/limits.hpp"
#include "cluster/peers.hpp"
#include "cluster/pulse.hpp"
#include "cluster/replica.hpp"

namespace earshot::actors {

class QuestionPort;

// The sessions of this node.
class LocalSessions {
 public:
  virtual ~LocalSessions() = default;
  // Null: it has ended.
  [[nodiscard]] virtual std::shared_ptr<SessionPort> find(SessionId session) = 0;
  // To all whose user may live in that shard.
  virtual void announce(const LeaderAnnounced& leader) = 0;
  // Of those that are registered with the shard.
  [[nodiscard]] virtual RegistrationDigest registrations(ShardId shard) = 0;
  // Asks all clients to log in elsewhere, at nodes that this one reaches, if there are any; after so long they are gone
  // in any case.
  virtual void send_away(const std::function<bool(NodeId)>& is_up, std::uint32_t within_ms) = 0;
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

  Exchange(NodeId self, std::uint16_t shard_count, cluster::Peers& peers, const Clock& clock);

  // The meta group of this node, if it has one; before set_up().
  struct Meta {
    std::shared_ptr<ReplicaInbox> from_peers;
    std::function<void(std::string request, std::function<void(std::string)> answer)> join;
  };
  void set_meta(Meta meta) { meta_ = std::move(meta); }
  // `replicas`: one per shard, or none where this node has none.
  void set_up(std::vector<Replica> replicas, std::shared_ptr<LocalSessions> sessions);
  // That of a group's replica on this node.
  [[nodiscard]] std::shared_ptr<cluster::GroupPulse> pulse(storage::GroupId group) const { return pulses_.at(group); }
  // Somebody found that the node does not lead the shard, if it is still believed to: who does is asked.
  void is_not_led_by(ShardId shard, NodeId node) { routes_[shard.value]->not_led_by(node); }
  // The other nodes of the cluster, from now on; `joining`: those of them that have not come yet.
  void set_nodes(std::vector<NodeId> others, std::vector<NodeId> joining = {});
  // Before set_up(): who is told of where members are, and of who leads. None: nobody.
  void set_feeds(std::shared_ptr<FeedInbox> feeds) { feeds_ = std::move(feeds); }
  [[nodiscard]] std::vector<NodeId> others() const;
  [[nodiscard]] std::vector<NodeId> joining() const;
  // Before set_up(): where questions about members go, and news of links; none: they are dropped.
  void set_questions(std::shared_ptr<const QuestionPort> questions) { questions_ = std::move(questions); }
  // Lets go of all of that: the node has ended.
  void forget();
  [[nodiscard]] std::shared_ptr<const Router> router() const { return router_; }

  // ---- from the shards of this node
  void send(ShardId shard, const cluster::PeerMessage& message);
  void send_seed(ShardId shard, NodeId to, std::string bytes);
  // Of a feed of a shard that leads here.
  void send_feed(ShardId shard, NodeId to, FeedTiding tiding);
  // To a leader that feeds this node.
  void send_feed_request(ShardId shard, NodeId to, const FeedRequest& request);
  // As the shard's replica knows it; node 0: not at all.
  void leader_is(ShardId shard, Route::Leader leader);
  // The shard does not lead. `hops`: so often it was passed on, 0: it was asked on this node.
  void given_back(ShardId shard, ShardRequest request, std::uint8_t hops);
  // A call that came in from a node for a shard, as the shard takes it: answers go back to who asked. False: it is no
  // call, which is counted, and said to who asked if that can be known.
  bool open(ShardId shard, const FromPeer& call,
            const std::function<void(ShardRequest request, std::uint8_t hops)>& take);
  // The mark of the next push of a shard that leads here to a session of that node.
  PushMark next_push(ShardId shard, NodeId to);
  // Tells a node, whose registrations with a shard that leads here do not agree with what is known here (`again`), or
  // do.
  void compared(ShardId shard, NodeId node, bool again);
  // Tells a node whom a replica here follows, if this node has a link there: that one may not reach it, and send its
  // clients here.
  void follows(ShardId shard, Route::Leader leader, NodeId asked_by);

  // To each node for all groups that rest and are led here. Once for every heartbeat that their replicas do not send.
  void send_pulses();
  // Once a second or so: what waits or is lost without anybody knowing.
  void tick();

  // ---- CallDesk
  bool call(NodeId to, ShardId shard, ShardRequest& request, std::uint8_t hops) override;

  // ---- cluster::PeerEvents
  void received(NodeId from, std::span<cluster::PeerFrame> frames) override;
  void link_up(NodeId node) override;
  void link_down(NodeId node) override;
  void asked(std::string request, std::function<void(std::string)> answer) override;

  void answer(const PortAddress& to, std::string bytes);
  [[nodiscard]] const std::shared_ptr<RemoteCallLog>& call_log() const { return call_log_; }
  // What the other nodes' wall clocks say of this one's.
  [[nodiscard]] std::shared_ptr<const ClockWatch> clocks() const { return clocks_; }

  // ---- for whoever watches
  [[nodiscard]] bool is_up(NodeId node) const { return peers_.is_up(node); }
  [[nodiscard]] Route::Leader leader(ShardId shard) const { return routes_[shard.value]->leader(); }
  [[nodiscard]] std::size_t open_calls() const { return calls_.size(); }
  // Requests that wait for a leader, of the shard that most wait for. Not while forget() goes on.
  [[nodiscard]] std::size_t held_most() const {
    std::size_t most = 0;
    if (!is_set_up_.load(std::memory_order_acquire)) return most;
    for (const auto& route : routes_) most = std::max(most, route->held());
    return most;
  }
  [[nodiscard]] std::uint64_t malformed() const { return malformed_.load(std::memory_order_relaxed); }

 private:
  static constexpr unsigned kCallNumberBits = 20;  // calls that a node could make in each ms of all its lives

  void take(NodeId from, cluster::PeerFrame& frame);
  void answered(NodeId from, std::string_view bytes);
  void take_pulse(NodeId from, std::string_view bytes);
  void take_time(NodeId from, std::string_view bytes);
  void send_pulse(NodeId to, const cluster::Pulse& pulse);
  void post_to_replica(NodeId from, const cluster::PeerFrame& frame);
  void announce(NodeId to, ShardId shard, Term term, bool again = false);
  void announced(NodeId from, const LeaderAnnounced& leader);
  void told_of(const LeaderFollowed& leader);
  void pushed(const PushMark& mark);
  [[nodiscard]] ReplicaInbox* replica(storage::GroupId group) const;
  void compare_registrations();
  void ask_who_leads();
  void send_digest(ShardId shard, NodeId to, const RegistrationDigest& digest);
  void look_at_nodes(std::uint64_t now_ms);
  void tell_time(NodeId node);
  void compare_clocks();
  // Whether a shard is led by a node that this one does not reach, and others do.
  [[nodiscard]] bool is_leader_out_of_reach(std::uint64_t now_ms);
  void forget_sessions_of(NodeId node);
  std::vector<NodeId> take_left();
  void tell_of_doubts();

  const NodeId self_;
  const std::uint16_t shard_count_;
  cluster::Peers& peers_;
  const Clock& clock_;
  std::atomic<bool> is_set_up_{false};
  std::vector<Replica> replicas_;
  const std::map<storage::GroupId, std::shared_ptr<cluster::GroupPulse>> pulses_;
  Meta meta_;
  std::shared_ptr<LocalSessions> sessions_;
  std::shared_ptr<FeedInbox> feeds_;
  std::shared_ptr<const QuestionPort> questions_;
  std::vector<std::shared_ptr<Route>> routes_;
  std::shared_ptr<const Router> router_;
  OpenCalls calls_;
  RecentCalls recent_;
  const std::shared_ptr<RemoteCallLog> call_log_ = std::make_shared<RemoteCallLog>(clock_, limits::kSlowCallMs);
  const std::shared_ptr<ClockWatch> clocks_;
  std::uint64_t ticks_ = 0;
  NodeWatch watch_;  // of the other nodes: looked at in ticks

  mutable std::mutex nodes_mutex_;
  std::vector<NodeId> others_;
  std::vector<NodeId> joining_;
  std::vector<NodeId> left_;  // were others: their sessions are forgotten at a tick
  struct Followed {
    Route::Leader leader;
    std::uint64_t told_ms = 0;
  };
  std::map<ShardId, Followed> followed_;  // who leads a shard, as somebody who follows it told last

  mutable std::mutex pushes_mutex_;
  std::map<std::pair<ShardId, NodeId>, PushMark> pushes_;  // the last to each node, of shards that lead here
  std::map<ShardId, PushWatch> watches_;                   // of pushes from other nodes
  std::set<ShardId> doubted_;                              // something of them was missed: sessions are told at a tick
  std::atomic<std::uint64_t> malformed_{0};
};

}  // namespace earshot::actors
