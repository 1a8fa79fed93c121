#include <algorithm>
#include <utility>

#include "cluster/raft_replica.hpp"

namespace earshot::cluster {

// ---- what a leader sends to its followers
//
//   libraft wants entries to go ──► FollowerFeed: how far, how much ──► from memory, or read back from the log

void RaftReplica::send_append(const raft_engine_message& wanted) {
  const NodeId node(wanted.peer);
  const auto found = followers_.find(node);
  if (found == followers_.end()) return;
  Follower& follower = found->second;
  const LogIndex previous(wanted.append_entries.previous_index);
  const std::uint32_t count = wanted.append_entries.entries_n;
  if (count > 0) follower.feed.wanted(previous, count);
  if (feed_follower(node, follower)) return;
  // Nothing may go; but a follower must hear from its leader.
  if (count > 0 && now_ms_ - follower.appended_ms < options_.heartbeat_ms) return;
  // Where what it was sent ends. That was cut meanwhile: where libraft believes it to be, which it will deny.
  const LogIndex anchor = count > 0 ? follower.feed.sent() : follower.feed.anchor(previous);
  post_append(node, follower, log_.joins(anchor) ? anchor : previous, {});
}

bool RaftReplica::feed_follower(NodeId node, Follower& follower) {
  FollowerFeed& feed = follower.feed;
  if (!feed.has_room(now_ms_)) return false;
  if (!log_.joins(feed.sent())) return false;  // it needs the snapshot
  const LogIndex first = feed.sent().next();
  const std::uint64_t count =
      std::min<std::uint64_t>(feed.wanted().value - feed.sent().value, limits::kRaftEntriesInFlightMax);
  auto entries = log_.copy(first, count, kAppendBytesMax);
  if (entries.empty()) {
    entries = read_stored(first, LogIndex(feed.sent().value + count), limits::kRaftReadBytesMax);
  }
  if (entries.empty()) return false;
  std::size_t bytes = 0;
  for (const storage::LogEntry& entry : entries) bytes += entry.data->size();
  const LogIndex previous = feed.sent();
  feed.sent(entries.back().index, bytes, now_ms_);
  post_append(node, follower, previous, std::move(entries));
  return true;
}

void RaftReplica::feed_followers() {
  if (role() != Role::kLeader) return;
  for (auto& [node, follower] : followers_) feed_follower(node, follower);
}

void RaftReplica::post_append(NodeId node, Follower& follower, LogIndex previous,
                              std::vector<storage::LogEntry> entries) {
  const Term previous_term = log_.term_of(previous);
  follower.appended_ms = now_ms_;
  follower.commit_told = entries.empty() ? commit_index() : LogIndex();
  ++appends_;
  if (!entries.empty()) count(counters_->entries_sent, entries.size());
  post(node, {term(), AppendEntries{previous, previous_term, commit_index(), std::move(entries)}});
}

void RaftReplica::fill_install(const raft_engine_message& from, InstallSnapshot& to) {
  EARSHOT_INVARIANT(log_.snapshot() && log_.snapshot_index().value == from.install_snapshot.index,
                    "the engine sends the snapshot that there is");
  const auto follower = followers_.find(NodeId(from.peer));
  if (follower != followers_.end()) {
    follower->second.snapshot = Sent{log_.snapshot_index(), now_ms_};
    follower->second.feed = FollowerFeed{};
  }
  to.metadata = *log_.snapshot();
  count(counters_->snapshots_sent);
}

// Only in answer to this leader: else the one before it, which is dead, would be counted among the living for a while.
void RaftReplica::heard_from(NodeId node, Term its_term) {
  if (role() != Role::kLeader || its_term != term()) return;
  const auto follower = followers_.find(node);
  if (follower != followers_.end()) follower->second.heard_ms = now_ms_;
}

void RaftReplica::heard_result(NodeId node, bool rejected) {
  const auto follower = followers_.find(node);
  if (follower == followers_.end()) return;
  follower->second.feed.heard();
  if (rejected) follower->second.feed.rejected();
}

void RaftReplica::forget_followers() {
  for (auto& [node, follower] : followers_) follower = Follower{};
}

}  // namespace earshot::cluster
