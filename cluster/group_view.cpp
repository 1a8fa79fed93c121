#include "cluster/group_view.hpp"

#include <algorithm>
#include <utility>

#include "cluster/meta_plan.hpp"

namespace earshot::cluster {
namespace {

constexpr std::uint64_t kHeardMs = 1'000;          // a member that was heard within is there: some heartbeats
constexpr std::uint64_t kGoneMs = 3'000;           // one that was not heard for so long is gone
constexpr std::uint64_t kFollowsEntriesMax = 256;  // one that lags by no more has all but what is on its way

bool is_member(const std::vector<Member>& members, NodeId node) {
  return std::ranges::find(members, node, &Member::node) != members.end();
}

bool was_heard(const Replica& replica, NodeId member, std::uint64_t now_ms, std::uint64_t within_ms) {
  const std::uint64_t heard_ms = replica.heard_ms(member);
  return heard_ms != 0 && now_ms - heard_ms <= within_ms;
}

}  // namespace

GroupView view_of(const Replica& replica, NodeId self, std::function<bool(NodeId)> is_up, std::uint64_t now_ms) {
  const auto is_caught_up_now = [&replica](const Member& member) {
    return replica.catch_up(member.node) == CatchUp::kRunning;
  };
  GroupView view;
  view.self = self;
  view.members = replica.members();
  view.is_changing = !replica.members_committed() || std::ranges::any_of(view.members, is_caught_up_now);
  view.last_index = replica.last_index();
  view.match_index = [&replica](NodeId node) { return replica.match_index(node); };
  view.is_heard = [&replica, is_up = std::move(is_up), now_ms](NodeId node) {
    return is_up(node) && (!is_member(replica.members(), node) || was_heard(replica, node, now_ms, kHeardMs));
  };
  return view;
}

bool may_be_there(const Replica& replica, NodeId member, std::uint64_t now_ms) {
  return was_heard(replica, member, now_ms, kGoneMs);
}

Status do_step(Replica& replica, const GroupStep& step, std::uint64_t now_ms) {
  switch (step.kind) {
    case GroupStep::Kind::kAdd: return replica.add({step.node, member_address(step.node), false}, now_ms);
    case GroupStep::Kind::kPromote: return replica.promote(step.node, now_ms);
    case GroupStep::Kind::kRemove: return replica.remove(step.node, now_ms);
    case GroupStep::Kind::kTransfer: return replica.transfer(step.node, now_ms);
  }
  return {};
}

bool follows(const GroupView& view, NodeId node) {
  if (node == view.self) return true;
  return is_member(view.members, node) && view.is_heard(node) &&
         view.match_index(node).value + kFollowsEntriesMax >= view.last_index.value;
}

}  // namespace earshot::cluster
