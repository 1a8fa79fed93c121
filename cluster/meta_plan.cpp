#include "cluster/meta_plan.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/limits.hpp"
#include "cluster/placement_plan.hpp"

namespace earshot::cluster {

static_assert(limits::kGroupMembersMax >= limits::kClusterNodesMax, "every node is a member of the meta group");

std::string member_address(NodeId node) { return "node-" + std::to_string(node.value); }

std::vector<WantedMember> wanted_meta_members(const MetaState& state, std::span<const Member> members, NodeId self) {
  std::vector<NodeId> nodes;
  for (const MetaNode& node : state.nodes) {
    if (node.state != NodeState::kRemoved) nodes.push_back(node.id);
  }
  std::vector<NodeId> voting;
  for (const Member& member : members) {
    if (member.voter) voting.push_back(member.node);
  }
  const std::vector<NodeId> voters = plan_meta_voters(nodes, voting);
  std::vector<WantedMember> wanted;
  wanted.reserve(nodes.size());
  for (const NodeId node : nodes) wanted.push_back({node, std::ranges::binary_search(voters, node)});
  std::ranges::stable_sort(wanted, {},
                           [self](const WantedMember& one) { return std::pair(one.node != self, !one.voter); });
  return wanted;
}

std::vector<WantedMember> wanted_shard_members(const MetaState& state, ShardId shard) {
  std::vector<WantedMember> wanted;
  if (shard.value >= state.placement.size()) return wanted;
  for (const NodeId node : state.placement[shard.value]) wanted.push_back({node, true});
  return wanted;
}

std::optional<MetaCommand> MetaPlanner::next(const MetaState& state, const std::function<bool(NodeId)>& follows) {
  if (!state.exists()) return std::nullopt;
  for (const MetaNode& node : state.nodes) {
    if (node.state == NodeState::kJoining && follows(node.id)) return SetNodeState{node.id, NodeState::kUp};
  }
  if (settled_version_ == state.version) return std::nullopt;
  std::vector<NodeId> up;
  for (const MetaNode& node : state.nodes) {
    if (node.state == NodeState::kUp) up.push_back(node.id);
  }
  if (!up.empty()) {
    Placement placement = plan_placement(up, state.shard_count, state.replicas, state.placement);
    if (placement != state.placement) return SetPlacement{state.version, std::move(placement)};
  }
  settled_version_ = state.version;
  return std::nullopt;
}

}  // namespace earshot::cluster
