#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <set>
#include <vector>

#include "actors/feed_faults.hpp"
#include "actors/feed_message.hpp"
#include "base/ids.hpp"

namespace earshot::actors {

// Where what an intake is told goes, and what it says to the leader.
class FeedTaker {
 public:
  virtual ~FeedTaker() = default;
  virtual void send(ShardId shard, NodeId to, FeedRequest request) = 0;
  // What is known of the shard's members may be out of date from now on: until the next scan has ended.
  virtual void lost(ShardId shard) = 0;
  virtual void scan_begins(ShardId shard) = 0;
  // Whoever has not been told of since it began is not there any more. `tells_late`: whoever has moved of late was told
  // of, also those that are not in this node's regions.
  virtual void scan_ends(ShardId shard, bool tells_late) = 0;
  virtual void moved(ShardId shard, std::vector<cluster::Move> moves, std::vector<cluster::ClearedLayer> cleared) = 0;
  // FeedIntake::page_taken() once the cells have it.
  virtual void page(ShardId shard, const FeedId& feed, std::vector<cluster::Move> moves) = 0;
  virtual void privacies(ShardId shard, const std::vector<cluster::PrivacyChange>& changes) = 0;
  // It says again and again that it gives no feed: it may lead no more, and who does has to be asked.
  virtual void gives_no_feed(ShardId shard, NodeId leader) = 0;
};

// The other end of a shard's feed: subscribes at whoever leads the shard, takes in what it is told in the order of its
// numbers, acks it, and asks for leases while somebody wants to know exactly. Subscribes anew for another leader,
// another term, another view, and where the leader knows nothing of it; what was known before stays meanwhile.
//
// Pure: time is what the caller says (monotonic). Thread: its actor's.
class FeedIntake {
 public:
  // `first_subscription`: above all that any earlier start of the node has used, but for chance.
  FeedIntake(ShardId shard, std::uint64_t first_subscription, FeedTaker& taker, const FeedFaults& faults = {})
      : shard_(shard), taker_(taker), faults_(faults), last_subscription_(first_subscription) {}

  // Node 0: nobody that is known; what was subscribed before goes on.
  void leader_is(NodeId leader, Term term, std::uint64_t now_ms);
  // The nodes that share the regions, ascending; before leader_is().
  void view_is(std::vector<NodeId> view, std::uint64_t now_ms);
  void handle(NodeId from, const FeedTiding& tiding, std::uint64_t now_ms);
  void page_taken(const FeedId& feed);
  void ask_lease(std::uint64_t now_ms);
  // The time has come that wake_at() said.
  void wake(std::uint64_t now_ms);
  [[nodiscard]] std::uint64_t wake_at() const { return again_at_ms_; }  // 0: never

  // A scan has ended, and nothing was lost since.
  [[nodiscard]] bool is_whole() const { return is_whole_; }
  // Until then (not after) what was taken in is all that was answered anywhere; 0: it need not be.
  [[nodiscard]] std::uint64_t lease_until_ms() const { return is_whole_ ? lease_until_ms_ : 0; }

 private:
  struct Asked {
    std::uint64_t ask = 0;
    std::uint64_t at_ms = 0;
  };
  struct Granted {
    std::uint64_t through = 0;
    std::uint64_t until_ms = 0;
  };

  void subscribe(std::uint64_t now_ms);
  void lose();
  void take(const FeedItems& items);
  void take_privacies(const std::vector<cluster::PrivacyChange>& changes);
  void end_scan();
  void granted(const FeedGrant& grant);
  void begin_leases();
  void ack() { taker_.send(shard_, leader_, FeedAck{id_, last_, pages_}); }
  void say_again(std::uint64_t now_ms);

  const ShardId shard_;
  FeedTaker& taker_;
  const FeedFaults faults_;
  std::vector<NodeId> view_;
  NodeId leader_;  // 0: it was never known
  Term term_;
  std::uint64_t last_subscription_;
  FeedId id_;                // subscription 0: none
  std::uint64_t last_ = 0;   // taken in
  std::uint64_t pages_ = 0;  // taken in by the cells
  bool is_whole_ = false;
  bool tells_late_ = false;        // the scan
  bool is_gone_ = false;           // the leader knows nothing of it: subscribed anew at the next wake()
  std::uint32_t times_gone_ = 0;   // one after the other
  std::uint64_t again_at_ms_ = 0;  // then it is said again that it is there
  std::set<LayerId> with_privacy_;
  std::set<LayerId> had_privacy_;  // before the scan, and not told of since
  std::uint64_t asks_ = 0;
  std::deque<Asked> asked_;
  std::vector<Granted> granted_;  // and not live yet
  std::uint64_t lease_until_ms_ = 0;
};

}  // namespace earshot::actors
