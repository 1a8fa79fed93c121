#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "cluster/raft_replica.hpp"

namespace earshot::cluster {
namespace {

tl::unexpected<Error> refused(const char* why) { return fail(ErrorCode::kInvalidArgument, "member", why); }

}  // namespace

// ---- who belongs to the group (thesis, chapter 4: one server at a time)

void RaftReplica::membership_changed() {
  const auto* configuration = log_.newest_configuration();
  members_ = configuration == nullptr ? std::vector<Member>{} : members_of(*configuration->bytes);
  membership_ = Membership::of(members_, options_.self);
  std::map<NodeId, Follower> followers;
  for (const Member& member : members_) {
    if (member.node == options_.self) continue;
    const auto known = followers_.find(member.node);
    followers.emplace(member.node, known == followers_.end() ? Follower{} : std::move(known->second));
  }
  followers_ = std::move(followers);
}

const Member* RaftReplica::member(NodeId node) const {
  const auto found =
      std::find_if(members_.begin(), members_.end(), [&](const auto& each) { return each.node == node; });
  return found == members_.end() ? nullptr : &*found;
}

bool RaftReplica::members_committed() const {
  const auto* configuration = log_.newest_configuration();
  return configuration != nullptr && configuration->index <= commit_index();
}

// A configuration counts from when it is stored, so a leader that knew of an older term's only could leave a majority
// of it without one of the newer. Hence it commits an entry of its own first, for which libraft does not look.
Status RaftReplica::may_change_members() {
  if (role() != Role::kLeader) return fail(ErrorCode::kUnavailable, "leader", "this replica does not lead");
  if (raft_engine_transferee(engine_.get()) != 0) {
    return fail(ErrorCode::kConflict, "members", "leadership is being handed over");
  }
  if (promotee_.value != 0) return fail(ErrorCode::kConflict, "members", "a member is being promoted");
  if (!members_committed()) return fail(ErrorCode::kConflict, "members", "the last change is not committed yet");
  if (log_.term_of(commit_index()) == term()) return {};
  if (log_.term_of(log_.last_index()) != term()) submit_barrier();
  return fail(ErrorCode::kUnavailable, "leader", "it has not committed an entry of its term yet");
}

Status RaftReplica::add(const Member& standby, std::uint64_t now_ms) {
  if (standby.node.value == 0 || standby.voter || standby.address.empty() ||
      standby.address.size() > limits::kMemberAddressBytesMax || standby.address.find('\0') != std::string::npos) {
    return refused("is no standby with a node and an address");
  }
  for (const Member& member : members_) {
    if (member.node == standby.node || member.address == standby.address) return refused("is a member already");
  }
  if (members_.size() >= limits::kGroupMembersMax) return refused("would be one more than group_members_max");
  at(now_ms);
  auto may = may_change_members();
  if (may) {
    std::vector<Member> members = members_;
    members.push_back(standby);
    may = submit_members(members);
  }
  settle();
  return may;
}

Status RaftReplica::promote(NodeId node, std::uint64_t now_ms) {
  const Member* standby = member(node);
  if (standby == nullptr || standby->voter) return refused("is no standby");
  at(now_ms);
  auto may = may_change_members();
  if (may && match_index(node) < log_.last_index()) {
    promotee_ = node;
    raft_engine_update update;
    raft_engine_catch_up(engine_.get(), now_ms_, node.value, &update);
    absorb(update);
  } else if (may) {
    may = submit_promotion(node);
  }
  settle();
  return may;
}

Status RaftReplica::remove(NodeId node, std::uint64_t now_ms) {
  const Member* leaving = member(node);
  if (leaving == nullptr) return refused("is none");
  if (leaving->voter && membership_.voters == 1) return refused("is the only voter");
  // libraft lets nobody stand who is not of its own newest members. If the other of two voters has not got them when
  // the leader falls, it needs the vote of this log that is longer, and this one does not stand.
  if (node == options_.self && leaving->voter && membership_.voters == 2 && role() == Role::kLeader) {
    return fail(ErrorCode::kConflict, "member", "of two voters the other one has to lead first");
  }
  at(now_ms);
  auto may = may_change_members();
  if (may) {
    std::vector<Member> members = members_;
    std::erase_if(members, [&](const Member& each) { return each.node == node; });
    may = submit_members(members);
  }
  settle();
  return may;
}

Status RaftReplica::transfer(NodeId node, std::uint64_t now_ms) {
  const Member* successor = member(node);
  if (successor == nullptr || !successor->voter || node == options_.self) return refused("is no other voter");
  if (role() != Role::kLeader) return fail(ErrorCode::kUnavailable, "leader", "this replica does not lead");
  if (promotee_.value != 0) return fail(ErrorCode::kConflict, "members", "a member is being promoted");
  at(now_ms);
  raft_engine_update update;
  if (raft_engine_transfer(engine_.get(), now_ms_, node.value, &update) != RAFT_ENGINE_OK) {
    return fail(ErrorCode::kConflict, "members", "leadership is being handed over");
  }
  absorb(update);
  settle();
  return {};
}

Status RaftReplica::submit_members(const std::vector<Member>& members) {
  auto bytes = std::make_shared<const std::string>(encode_members(members));
  raft_engine_update update;
  const auto result = raft_engine_submit_configuration(engine_.get(), now_ms_, bytes->data(), bytes->size(), &update);
  switch (result) {
    case RAFT_ENGINE_OK: break;
    case RAFT_ENGINE_NO_SPACE: return fail(ErrorCode::kStorageFull, "log", "a majority has no space for entries");
    default: return fail(ErrorCode::kConflict, "members", "another change is under way");
  }
  absorb(update, {{log_.last_index().next(), term(), storage::EntryType::kConfiguration, std::move(bytes)}});
  return {};
}

Status RaftReplica::submit_promotion(NodeId node) {
  std::vector<Member> members = members_;
  for (Member& member : members) member.voter |= member.node == node;
  return submit_members(members);
}

void RaftReplica::submit_barrier() {
  static const auto empty = std::make_shared<const std::string>();
  raft_engine_update update;
  if (raft_engine_submit_barrier(engine_.get(), now_ms_, &update) != RAFT_ENGINE_OK) return;
  absorb(update, {{log_.last_index().next(), term(), storage::EntryType::kBarrier, empty}});
}

// A standby that has caught up is made a voter. One that does not is left as it is: catch_up() tells.
void RaftReplica::proceed_with_promotion() {
  if (promotee_.value == 0) return;
  const NodeId node = promotee_;
  if (role() != Role::kLeader) {
    promotee_ = NodeId{};
    return;
  }
  switch (catch_up(node)) {
    case CatchUp::kRunning: return;
    case CatchUp::kDone:
      promotee_ = NodeId{};
      (void)submit_promotion(node);
      return;
    default: promotee_ = NodeId{};
  }
}

CatchUp RaftReplica::catch_up(NodeId node) const {
  switch (raft_engine_catch_up_state_of(engine_.get(), node.value)) {
    case RAFT_ENGINE_CATCH_UP_RUNNING: return CatchUp::kRunning;
    case RAFT_ENGINE_CATCH_UP_ABORTED: return CatchUp::kFailed;
    case RAFT_ENGINE_CATCH_UP_FINISHED: return CatchUp::kDone;
    default: return CatchUp::kNone;
  }
}

LogIndex RaftReplica::match_index(NodeId node) const {
  return LogIndex(raft_engine_match_index(engine_.get(), node.value));
}

std::uint64_t RaftReplica::heard_ms(NodeId node) const {
  const auto found = followers_.find(node);
  if (found == followers_.end()) return 0;
  const bool rests = rest_ && rest_->role == Role::kLeader;
  return rests ? std::max(found->second.heard_ms, options_.pulse->heard_ms(node)) : found->second.heard_ms;
}

void RaftReplica::announce_members() {
  const auto* configuration = log_.newest_configuration();
  if (configuration == nullptr) return;
  const bool committed = configuration->index <= commit_index();
  if (configuration->bytes == announced_members_ && committed == announced_committed_) return;
  announced_members_ = configuration->bytes;
  announced_committed_ = committed;
  host_.members_changed(members_, configuration->index, committed);
}

// ---- whether it still leads (thesis, section 6.4)

Result<Replica::Check> RaftReplica::begin_check(std::uint64_t now_ms) {
  if (role() != Role::kLeader) return fail(ErrorCode::kUnavailable, "leader", "this replica does not lead");
  at(now_ms);
  Check check;
  check.number = checks_.begin();
  checks_term_ = term();
  check.index = std::max(commit_index(), leads_from_);
  check.confirmed = options_.faults.reads_without_check || checks_.confirmed(members_, options_.self) >= check.number;
  if (check.confirmed) {
    checks_told_ = check.number;
    return check;
  }
  for (const Member& each : members_) {
    if (!each.voter || each.node == options_.self) continue;
    post(each.node, {term(), LeaderCheck{check.number}});
  }
  return check;
}

// A later term would show here: who voted in one is in it, and whoever leads there was voted for by a majority.
void RaftReplica::answer_check(NodeId from, Term its_term, const LeaderCheck& check) {
  if (its_term != term() || role() != Role::kFollower || leader() != from) return;
  post(from, {term(), LeaderCheckResult{check.number}});
}

void RaftReplica::announce_checks() {
  if (checks_.last() == checks_told_) return;
  if (role() != Role::kLeader || term() != checks_term_) {
    checks_told_ = checks_.last();
    checks_.end();
    host_.checked(checks_told_, false);
    return;
  }
  const std::uint64_t confirmed = checks_.confirmed(members_, options_.self);
  if (confirmed <= checks_told_) return;
  checks_told_ = confirmed;
  host_.checked(confirmed, true);
}

}  // namespace earshot::cluster
