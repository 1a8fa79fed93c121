#include <algorithm>
#include <utility>
#include <vector>

#include "cluster/raft_replica.hpp"

namespace earshot::cluster {

// ---- a group in which nothing happens (cluster/pulse.hpp)

void RaftReplica::rest_as_leader() {
  if (!options_.pulse || role() != Role::kLeader || !membership_.others) return;
  std::vector<NodeId> followers;
  bool all_idle = synced_ == last_index() && commit_index() == last_index() && is_settled();
  for (auto each = followers_.begin(); all_idle && each != followers_.end(); ++each) {
    all_idle = is_idle(each->first, each->second);
    followers.push_back(each->first);
  }
  if (!all_idle) return end_rest();
  rest_ = present();
  rest_is_heard_ = std::ranges::all_of(followers, [this](NodeId node) { return options_.pulse->heard_ms(node) != 0; });
  // Beyond the next heartbeat of its own: a beat may be late, but not this replica.
  const std::uint64_t until_ms = now_ms_ + std::uint64_t{options_.heartbeat_ms} * (limits::kRestBeats + 1);
  options_.pulse->leads(followers, term(), last_index(), until_ms);
}

bool RaftReplica::is_idle(NodeId node, const Follower& follower) const {
  return follower.has_all && follower.commit_told == last_index() && match_index(node) == last_index() &&
         follower.feed.sent() == follower.feed.wanted() && now_ms_ - follower.heard_ms < 2ull * options_.heartbeat_ms;
}

void RaftReplica::rest_as_follower() {
  const bool is_idle = synced_ == last_index() && commit_index() == last_index() && is_settled();
  if (!options_.pulse || role() != Role::kFollower || !is_idle) return;
  rest_ = present();
  const std::uint64_t until_ms = now_ms_ + std::uint64_t{options_.heartbeat_ms} * (limits::kRestBeats + 2);
  options_.pulse->follows(leader(), term(), last_index(), until_ms);
}

bool RaftReplica::is_settled() const {
  return !install_ && promotee_ == NodeId() && raft_engine_transferee(engine_.get()) == 0;
}

void RaftReplica::end_rest_when_changed() {
  if (!rest_) return;
  const bool follows_nobody = role() == Role::kFollower && leader() == NodeId();
  if (present() == *rest_ && is_settled() && !follows_nobody) return;
  take_pulses();
  end_rest();
}

void RaftReplica::end_rest() {
  if (!rest_) return;
  rest_.reset();
  options_.pulse->stirs();
}

// A follower has heard of its leader then. To a leader its follower has given its last answer once more.
void RaftReplica::take_pulses() {
  if (!rest_ || rest_->role != role() || rest_->term != term()) return;
  if (role() == Role::kFollower) {
    const std::uint64_t heard_ms = leader() == NodeId() ? 0 : std::min(options_.pulse->heard_ms(leader()), now_ms_);
    if (heard_ms != 0) raft_engine_heard_leader(engine_.get(), heard_ms);
    return;
  }
  std::vector<std::pair<std::uint64_t, NodeId>> heard;
  for (const auto& [node, follower] : followers_) {
    const std::uint64_t heard_ms = std::min(options_.pulse->heard_ms(node), now_ms_);
    if (heard_ms > follower.heard_ms && follower.has_all) heard.emplace_back(heard_ms, node);
  }
  std::ranges::sort(heard);
  // At the time when it was heard: whether a majority still is, is judged by that.
  const std::uint64_t now_ms = now_ms_;
  for (const auto& [heard_ms, node] : heard) {
    const auto follower = followers_.find(node);
    if (follower == followers_.end()) continue;
    follower->second.heard_ms = heard_ms;
    now_ms_ = std::max(heard_ms, raft_engine_now(engine_.get()));
    feed_result(node, term(), follower->second.answer);
  }
  now_ms_ = now_ms;
}

}  // namespace earshot::cluster
