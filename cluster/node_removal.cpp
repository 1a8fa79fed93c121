#include "cluster/node_removal.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "cluster/meta_machine.hpp"

namespace earshot::cluster {
namespace {

std::string name_of(NodeId node) { return "node " + std::to_string(node.value); }

tl::unexpected<Error> conflict(std::string field, std::string detail) {
  return fail(ErrorCode::kConflict, std::move(field), std::move(detail));
}

bool has(const std::vector<NodeId>& nodes, NodeId node) { return std::ranges::find(nodes, node) != nodes.end(); }

// Those that are heard among the others are a majority of all of them.
bool has_majority_without(NodeId node, const std::vector<NodeId>& voters, const RemovalFacts& facts) {
  const auto stays = [&](NodeId voter) { return voter != node && facts.is_heard(voter); };
  return 2 * static_cast<std::size_t>(std::ranges::count_if(voters, stays)) > voters.size();
}

std::string names_of(const std::vector<NodeId>& nodes) {
  std::string names;
  for (const NodeId node : nodes) names += (names.empty() ? "" : ", ") + std::to_string(node.value);
  return names;
}

Status check_group(NodeId node, const std::vector<NodeId>& voters, const RemovalFacts& facts, const char* field,
                   const std::string& group) {
  if (!has(voters, node) || has_majority_without(node, voters, facts)) return {};
  return conflict(field, "without " + name_of(node) + ", " + group +
                             " has no majority of its voters that is there (nodes " + names_of(voters) +
                             "): bring back one that is not, first");
}

// What its group is now, where a replica here knows that: a member, which has a leader or should be one. Else nothing.
std::vector<NodeId> voters_known(const ShardStatus& shard, NodeId self, const std::vector<NodeId>& wanted) {
  const bool is_member = std::ranges::find(shard.members, self, &ReplicaStatus::node) != shard.members.end();
  if (!is_member || (shard.leader == NodeId() && !has(wanted, self))) return {};
  std::vector<NodeId> voters;
  for (const ReplicaStatus& member : shard.members)
    if (member.voter) voters.push_back(member.node);
  return voters;
}

Status check_shards(NodeId node, const RemovalFacts& facts) {
  const Placement& placement = facts.state.placement;
  for (std::size_t shard = 0; shard < placement.size(); ++shard) {
    auto kept = check_group(node, placement[shard], facts, "shards", "shard " + std::to_string(shard));
    if (!kept) return kept;
  }
  for (const ShardStatus& shard : facts.shards) {
    const auto number = shard.shard.value;
    if (number >= placement.size()) continue;
    const auto voters = voters_known(shard, facts.self, placement[number]);
    auto kept = check_group(node, voters, facts, "shards", "shard " + std::to_string(number));
    if (!kept) return kept;
    if (has(voters, node) && (shard.leader == NodeId() || shard.leader == node))
      return conflict("shards", "nobody leads shard " + std::to_string(number) + ", which " + name_of(node) +
                                    " belongs to: ask again when somebody does, or bring it back");
  }
  return {};
}

}  // namespace

Result<std::optional<SetNodeState>> judge_removal(NodeId node, const RemovalFacts& facts) {
  const MetaState& state = facts.state;
  if (node == NodeId()) return fail(ErrorCode::kInvalidArgument, "node", "must not be 0");
  if (was_removed(state, node)) return std::nullopt;
  if (state.node(node) == nullptr) return fail(ErrorCode::kNotFound, "node", "there is no " + name_of(node));
  const auto is_another = [node](const MetaNode& one) { return one.id != node && one.state == NodeState::kUp; };
  if (std::ranges::none_of(state.nodes, is_another))
    return conflict("node", name_of(node) + " is the only one that is up: what it has would be lost");
  if (facts.may_be_there(node))
    return conflict("node", name_of(node) + " is there, or was a moment ago: stop it, then ask again");
  if (auto kept = check_group(node, facts.meta_voters, facts, "meta", "the meta group"); !kept)
    return fail(std::move(kept.error()));
  if (auto kept = check_shards(node, facts); !kept) return fail(std::move(kept.error()));
  return SetNodeState{node, NodeState::kRemoved};
}

}  // namespace earshot::cluster
