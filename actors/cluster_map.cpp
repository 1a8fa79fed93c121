#include "actors/cluster_map.hpp"

#include <utility>

#include "base/limits.hpp"

namespace earshot::actors {
namespace {

std::shared_ptr<const std::vector<std::string>> addresses_of(const MetaState& state, NodeId self) {
  std::vector<std::string> addresses;
  const auto add = [&addresses](const MetaNode& node) {
    if (node.state != NodeState::kUp) return;
    for (const std::string& address : node.addresses.clients)
      if (addresses.size() < limits::kNodeAddressesMax) addresses.push_back(address);
  };
  if (const MetaNode* own = state.node(self)) add(*own);
  for (const MetaNode& node : state.nodes)
    if (node.id != self) add(node);
  return std::make_shared<const std::vector<std::string>>(std::move(addresses));
}

}  // namespace

void ClusterMap::state_changed(std::shared_ptr<const MetaState> state) {
  auto addresses = addresses_of(*state, self_);
  const std::lock_guard lock(mutex_);
  state_ = std::move(state);
  addresses_ = std::move(addresses);
}

void ClusterMap::leader_changed(NodeId leader) {
  const std::lock_guard lock(mutex_);
  leader_ = leader;
}

std::shared_ptr<const MetaState> ClusterMap::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

NodeId ClusterMap::leader() const {
  const std::lock_guard lock(mutex_);
  return leader_;
}

std::shared_ptr<const std::vector<std::string>> ClusterMap::client_addresses() const {
  const std::lock_guard lock(mutex_);
  return addresses_;
}

std::vector<cluster::PeerNode> other_nodes(const MetaState& state, NodeId self) {
  std::vector<cluster::PeerNode> others;
  for (const MetaNode& node : state.nodes)
    if (node.id != self && node.state != NodeState::kRemoved) others.push_back({node.id, node.addresses.peers});
  return others;
}

}  // namespace earshot::actors
