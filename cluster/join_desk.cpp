#include "cluster/join_desk.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace earshot::cluster {
namespace {

JoinAnswer refused(std::string reason) { return JoinRefused{std::move(reason), true}; }
JoinAnswer not_now(std::string reason) { return JoinRefused{std::move(reason), false}; }

std::string range(std::uint16_t min, std::uint16_t max) { return std::to_string(min) + ".." + std::to_string(max); }

}  // namespace

std::variant<AddNode, JoinAnswer> judge_join(const JoinDesk& desk, const MetaState& state, std::string_view request) {
  auto join = decode_join_request(request);
  if (!join) return refused("the request cannot be read: " + join.error().to_string());
  if (join->protocol_min > desk.protocol_max || join->protocol_max < desk.protocol_min) {
    return refused("it speaks the protocols " + range(join->protocol_min, join->protocol_max) +
                   " between nodes, this node " + range(desk.protocol_min, desk.protocol_max) +
                   ": use a release that is closer to the cluster's");
  }
  if (join->nonce == JoinNonce()) return refused("the request has no nonce");
  if (join->addresses.peers.empty()) return refused("the request tells no address that peers could reach it at");
  if (auto checked = check_addresses(join->addresses); !checked) return refused(checked.error().to_string());
  if (desk.leads) {
    if (!state.exists()) return not_now("the cluster is being created");
    return AddNode{join->nonce, std::move(join->addresses)};
  }
  const MetaNode* leader = state.node(desk.leader);
  if (leader == nullptr || desk.leader == desk.self || leader->addresses.peers.empty())
    return not_now("node " + std::to_string(desk.self.value) + " does not know who leads the meta group now");
  return JoinRedirect{leader->addresses.peers};
}

JoinAnswer answer_join(const JoinDesk& desk, const MetaState& state, const MetaMachine::Outcome& outcome) {
  if (!outcome) {
    const bool may_work_later = outcome.error().code == ErrorCode::kUnavailable;
    return may_work_later ? not_now(outcome.error().to_string()) : refused(outcome.error().to_string());
  }
  JoinAccepted accepted{state.cluster_id, *outcome, state.shard_count, {}};
  // Who has been there for long is rather there than who has just come.
  std::vector<const MetaNode*> nodes;
  for (const MetaNode& node : state.nodes) {
    if (node.state != NodeState::kRemoved && node.id != accepted.node) nodes.push_back(&node);
  }
  std::ranges::stable_sort(nodes, {}, [&](const MetaNode* node) { return node->id != desk.self; });
  if (nodes.size() > kJoinNodesMax) nodes.resize(kJoinNodesMax);
  for (const MetaNode* node : nodes) accepted.nodes.push_back({node->id, node->addresses.peers});
  return accepted;
}

}  // namespace earshot::cluster
