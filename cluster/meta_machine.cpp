#include "cluster/meta_machine.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "base/limits.hpp"

namespace earshot::cluster {
namespace {

tl::unexpected<Error> conflict(std::string field, std::string detail) {
  return fail(ErrorCode::kConflict, std::move(field), std::move(detail));
}

Status check_numbers(const CreateCluster& command) {
  const auto is_within = [](std::uint64_t value, std::uint64_t max) { return value > 0 && value <= max; };
  if (command.cluster_id == 0) return fail(ErrorCode::kInvalidArgument, "clusterId", "must not be 0");
  if (command.node == NodeId()) return fail(ErrorCode::kInvalidArgument, "node", "must not be 0");
  if (!is_within(command.shard_count, limits::kShardsMax))
    return fail(ErrorCode::kInvalidArgument, "shardCount", "must be 1 to " + std::to_string(limits::kShardsMax));
  if (!is_within(command.replicas, limits::kReplicasMax))
    return fail(ErrorCode::kInvalidArgument, "replicas", "must be 1 to " + std::to_string(limits::kReplicasMax));
  return check_addresses(command.addresses);
}

std::string name_of(NodeId node) { return "node " + std::to_string(node.value); }

}  // namespace

bool was_removed(const MetaState& state, NodeId id) {
  if (const MetaNode* known = state.node(id)) return known->state == NodeState::kRemoved;
  return id.value > 0 && id.value < state.next_node;
}

std::optional<Error> MetaMachine::objection_to(std::string_view entry) {
  auto command = decode_meta_command(entry);
  return command ? std::nullopt : std::optional(std::move(command.error()));
}

MetaMachine::Outcome MetaMachine::apply(LogIndex index, Term term, std::string_view bytes) {
  EARSHOT_INVARIANT(index > record_.applied, "entries are applied in their order, each once");
  const auto command = decode_meta_command(bytes);
  EARSHOT_INVARIANT(command.has_value(), "an entry of the meta group is a command: " + command.error().to_string());
  record_.applied = index;
  record_.term = term;
  return apply(*command);
}

MetaMachine::Outcome MetaMachine::apply(const MetaCommand& command) {
  if (!state().exists() && !std::holds_alternative<CreateCluster>(command))
    return fail(ErrorCode::kUnavailable, "", "the cluster was not created yet");
  return std::visit([this](const auto& one) { return apply_one(one); }, command);
}

MetaMachine::Outcome MetaMachine::apply_one(const CreateCluster& command) {
  MetaState& state = record_.state;
  if (auto checked = check_numbers(command); !checked) return fail(std::move(checked.error()));
  if (state.exists()) {
    if (state.cluster_id == command.cluster_id) return command.node;
    return conflict("clusterId", "there is a cluster already");
  }
  state.cluster_id = command.cluster_id;
  state.shard_count = command.shard_count;
  state.replicas = command.replicas;
  state.next_node = command.node.value + 1;
  state.nodes = {MetaNode{command.node, command.addresses, NodeState::kUp, {}}};
  state.placement.assign(command.shard_count, {command.node});
  ++state.version;
  return command.node;
}

MetaMachine::Outcome MetaMachine::apply_one(const AddNode& command) {
  MetaState& state = record_.state;
  if (command.nonce == JoinNonce()) return fail(ErrorCode::kInvalidArgument, "nonce", "must not be 0");
  if (auto checked = check_addresses(command.addresses); !checked) return fail(std::move(checked.error()));
  const auto is_asking = [&](const MetaNode& node) {
    return node.nonce == command.nonce && node.state != NodeState::kRemoved;
  };
  if (const auto known = std::ranges::find_if(state.nodes, is_asking); known != state.nodes.end())
    return apply_one(SetAddresses{known->id, command.addresses});
  const auto is_there = [](const MetaNode& node) { return node.state != NodeState::kRemoved; };
  if (static_cast<std::size_t>(std::ranges::count_if(state.nodes, is_there)) >= limits::kClusterNodesMax) {
    return fail(ErrorCode::kOverloaded, "nodes",
                "the cluster has as many nodes as it may, " + std::to_string(limits::kClusterNodesMax));
  }
  const NodeId node(state.next_node++);
  state.nodes.push_back(MetaNode{node, command.addresses, NodeState::kJoining, command.nonce});
  ++state.version;
  return node;
}

MetaMachine::Outcome MetaMachine::apply_one(const SetAddresses& command) {
  if (auto checked = check_addresses(command.addresses); !checked) return fail(std::move(checked.error()));
  const auto node = find(command.node);
  if (!node) return fail(node.error());
  if ((*node)->addresses == command.addresses) return command.node;
  (*node)->addresses = command.addresses;
  ++record_.state.version;
  return command.node;
}

MetaMachine::Outcome MetaMachine::apply_one(const SetNodeState& command) {
  const auto node = find(command.node);
  if (!node) return fail(node.error());
  if ((*node)->state == command.state) return command.node;
  if (command.state == NodeState::kJoining) return conflict("state", name_of(command.node) + " has joined already");
  (*node)->state = command.state;
  if (command.state == NodeState::kRemoved) {
    (*node)->addresses = {};
    forget_removed();
  }
  ++record_.state.version;
  return command.node;
}

MetaMachine::Outcome MetaMachine::apply_one(const SetPlacement& command) {
  MetaState& state = record_.state;
  if (command.version != state.version) {
    return conflict("version", "was planned from version " + std::to_string(command.version) + ", this is version " +
                                   std::to_string(state.version));
  }
  const auto wrong = [](std::string detail) {
    return fail(ErrorCode::kInvalidArgument, "placement", std::move(detail));
  };
  if (command.placement.size() != state.shard_count) return wrong("must have a row for each shard");
  for (const auto& row : command.placement) {
    if (row.empty() || row.size() > limits::kReplicasMax)
      return wrong("must name 1 to " + std::to_string(limits::kReplicasMax) + " nodes for each shard");
    if (std::set(row.begin(), row.end()).size() != row.size()) return wrong("names a node twice for one shard");
    for (const NodeId id : row) {
      const MetaNode* node = state.node(id);
      if (node == nullptr || node->state != NodeState::kUp) return wrong(name_of(id) + " is not up");
    }
  }
  if (state.placement == command.placement) return NodeId();
  state.placement = command.placement;
  ++state.version;
  return NodeId();
}

Result<MetaNode*> MetaMachine::find(NodeId id) {
  auto& nodes = record_.state.nodes;
  const auto found = std::ranges::lower_bound(nodes, id, {}, &MetaNode::id);
  if (found != nodes.end() && found->id == id && found->state != NodeState::kRemoved) return &*found;
  if (was_removed(record_.state, id)) return conflict("node", name_of(id) + " was removed from the cluster");
  return fail(ErrorCode::kNotFound, "node", "there is no " + name_of(id));
}

// The oldest first: what they were removed for is the longest ago.
void MetaMachine::forget_removed() {
  auto& nodes = record_.state.nodes;
  const auto is_removed = [](const MetaNode& node) { return node.state == NodeState::kRemoved; };
  if (static_cast<std::size_t>(std::ranges::count_if(nodes, is_removed)) <= kRemovedNodesMax) return;
  nodes.erase(std::ranges::find_if(nodes, is_removed));
}

}  // namespace earshot::cluster
