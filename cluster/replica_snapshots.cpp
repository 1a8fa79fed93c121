#include <algorithm>
#include <string>
#include <utility>

#include "cluster/raft_replica.hpp"

namespace earshot::cluster {

raft_engine_snapshot RaftReplica::engine_snapshot(const storage::SnapshotMetadata& metadata) {
  return {metadata.index.value, metadata.term.value, metadata.configuration_index.value, metadata.configuration.data(),
          metadata.configuration.size()};
}

// ---- cutting the log
//
//   flushed ──► LogWrite{snapshot, cut_through} ──synced──► engine and memory cut at the same place

void RaftReplica::snapshot_flushed(LogIndex flushed, std::uint64_t now_ms) {
  if (!has_state_) return;
  EARSHOT_INVARIANT(flushed <= applied_ || install_, "only what was applied is flushed");
  at(now_ms);
  flushed_ = std::max(flushed_, flushed);
  settle();
}

// One cut at a time. After a start the state may be known to be further than the commit index; the cut waits for it.
void RaftReplica::cut_when_possible() {
  if (cutting_ || install_ || !has_state_ || flushed_ <= log_.snapshot_index()) return;
  if (flushed_ > std::min(commit_index(), synced_)) return;
  if (snapshot_under_way() && log_.stored_bytes() <= limits::kLogBytesMax) return;
  const ReplicaLog::Configuration* configuration = log_.configuration_at(flushed_);
  EARSHOT_INVARIANT(configuration != nullptr, "a log with entries has a configuration");
  Write record;
  record.snapshot =
      storage::SnapshotMetadata{flushed_, log_.term_of(flushed_), *configuration->bytes, configuration->index};
  record.cut = cut_below(flushed_);
  storage::LogWrite write;
  write.snapshot = record.snapshot;
  if (record.cut > log_.cut()) write.cut_through = record.cut;
  cutting_ = true;
  issue(std::move(write), std::move(record));
}

// The snapshot that a live member is being given must not be cut away, nor exchanged for a newer one: the member goes
// on from its index, and libraft tells by that index whether it got lost.
bool RaftReplica::snapshot_under_way() {
  bool any = false;
  for (auto& [node, follower] : followers_) {
    if (!follower.snapshot) continue;
    // libraft gives the install up as well after its timeout.
    const bool over = role() != Role::kLeader || match_index(node) >= follower.snapshot->index ||
                      now_ms_ - follower.snapshot->since_ms >= limits::kInstallTimeoutMs;
    // And for one that fell silent; but by a measure of its own, so the index is remembered: see
    // receive_append_result().
    const std::uint64_t last_ms = std::max(follower.heard_ms, follower.snapshot->since_ms);
    any |= !over && now_ms_ - last_ms < options_.election_timeout_ms;
    if (over) follower.snapshot.reset();
  }
  return any;
}

// Entries are kept behind a snapshot only for other members that lag a little, and not beyond the size limits.
LogIndex RaftReplica::cut_below(LogIndex snapshot) const {
  if (!membership_.others || log_.stored_bytes() > limits::kLogBytesMax) return snapshot;
  const LogIndex cut(snapshot.value - std::min(snapshot.value, options_.trailing_entries));
  return std::max(cut, log_.leaving(snapshot, options_.trailing_bytes));
}

void RaftReplica::snapshot_synced(const Write& write) {
  cutting_ = false;
  // An install that began meanwhile replaces the log that was cut.
  if (install_ || write.snapshot->index <= log_.snapshot_index()) return;
  report_synced();
  const raft_engine_snapshot snapshot = engine_snapshot(*write.snapshot);
  raft_engine_update update;
  raft_engine_snapshot_taken(engine_.get(), now_ms_, &snapshot, write.cut.value, &update);
  log_.take_snapshot(*write.snapshot, write.cut);
  absorb(update);
}

// ---- installing a leader's snapshot
//
//   received ──► earlier writes synced ──► host fetches a state ──► LogWrite{snapshot, drop_log} ──synced──► engine
//
// The state may stand above the snapshot: what the log brings below it is not applied again. A crash before the state
// is there leaves nothing; one between the state and the log write leaves a state ahead of its log, which recover()
// takes up. The log write never comes before the state it speaks of.

void RaftReplica::begin_install(storage::SnapshotMetadata metadata) {
  EARSHOT_INVARIANT(!install_, "one snapshot is installed at a time");
  // The engine's log is the snapshot already; nothing written or completed before speaks of this log.
  log_.reset(metadata, metadata.index);
  synced_ = LogIndex{};
  ++generation_;
  membership_changed();
  install_ = Install{std::move(metadata)};
}

void RaftReplica::proceed_with_install() {
  // The term in which it came is on disk first: a state without any log is then never a crash's doing, but a lost log.
  if (!install_ || install_->asked || !writes_.empty()) return;
  install_->asked = true;
  if (has_state_ && install_->metadata.index <= applied_) {
    // The state was ahead of the log and has it all.
    write_install();
    return;
  }
  install_->fetching = true;
  host_.install_snapshot(install_->metadata);
}

void RaftReplica::snapshot_installed(LogIndex applied, std::uint64_t now_ms) {
  EARSHOT_INVARIANT(install_ && install_->fetching, "the host was asked to install");
  EARSHOT_INVARIANT(applied >= install_->metadata.index, "the state stands at the snapshot or above");
  at(now_ms);
  take_state(applied);
  settle();
}

void RaftReplica::take_state(LogIndex applied) {
  has_state_ = true;
  applied_ = applied;
  raft_engine_set_stands(engine_.get(), true);
  if (!install_ || !install_->fetching) return;
  install_->fetching = false;
  write_install();
}

// ---- without a state
//
// The log on its own is a whole member of the group: what was said in its name holds. Only leading needs the state.

Status RaftReplica::state_ready(LogIndex applied, std::uint64_t now_ms) {
  EARSHOT_INVARIANT(!has_state_, "only a passive replica waits for its state");
  if (applied < log_.snapshot_index()) {
    return fail(ErrorCode::kInvalidArgument, "applied",
                "the log was cut at " + std::to_string(log_.snapshot_index().value));
  }
  at(now_ms);
  take_state(applied);
  settle();
  return {};
}

Status RaftReplica::state_lost(std::uint64_t now_ms) {
  if (membership_.sole_voter()) {
    return fail(ErrorCode::kCorrupt, "state", "this is its group's only voter: nobody can give it another state");
  }
  at(now_ms);
  has_state_ = false;
  applied_ = flushed_ = LogIndex{};
  if (role() != Role::kFollower) give_leadership_away();
  raft_engine_set_stands(engine_.get(), false);
  proceed_with_install();
  settle();
  return {};
}

// TimeoutNow is of the present term and goes to a voter that has everything; it may be elected in the next one although
// this node is in that already, since it has not voted there.
void RaftReplica::give_leadership_away() {
  raft_engine_update update;
  for (const Member& member : members()) {
    if (role() != Role::kLeader || !member.voter || member.node == options_.self) continue;
    if (raft_engine_match_index(engine_.get(), member.node.value) < log_.last_index().value) continue;
    if (raft_engine_transfer(engine_.get(), now_ms_, member.node.value, &update) == RAFT_ENGINE_OK) {
      absorb(update);
      break;
    }
  }
  raft_engine_step_down(engine_.get(), now_ms_, &update);
  absorb(update);
}

void RaftReplica::write_install() {
  storage::LogWrite write;
  write.snapshot = install_->metadata;
  write.drop_log = !options_.faults.joins_by_index_alone;
  Write record;
  record.installs = true;
  issue(std::move(write), std::move(record));
}

void RaftReplica::install_synced() {
  const storage::SnapshotMetadata metadata = std::move(install_->metadata);
  install_.reset();
  synced_ = metadata.index;
  configuration_told_ = std::max(configuration_told_, metadata.configuration_index);
  const raft_engine_snapshot snapshot = engine_snapshot(metadata);
  raft_engine_update update;
  raft_engine_persisted_snapshot(engine_.get(), now_ms_, &snapshot, &update);
  absorb(update);
}

}  // namespace earshot::cluster
