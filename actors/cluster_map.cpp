#include "actors/cluster_map.hpp"

#include <utility>

#include "base/limits.hpp"

namespace earshot::actors {
namespace {

// Appends where clients find the node, if it takes any.
void add_clients(const MetaNode& node, std::vector<std::string>& addresses) {
  if (node.state != NodeState::kUp) return;
  for (const std::string& address : node.addresses.clients)
    if (addresses.size() < limits::kNodeAddressesMax) addresses.push_back(address);
}

std::vector<std::string> clients_of(const MetaState& state, const std::function<bool(NodeId)>& is_wanted) {
  std::vector<std::string> addresses;
  for (const MetaNode& node : state.nodes)
    if (is_wanted(node.id)) add_clients(node, addresses);
  return addresses;
}

std::shared_ptr<const std::vector<std::string>> addresses_of(const MetaState& state, NodeId self) {
  std::vector<std::string> addresses;
  if (const MetaNode* own = state.node(self)) add_clients(*own, addresses);
  for (const MetaNode& node : state.nodes)
    if (node.id != self) add_clients(node, addresses);
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

std::vector<std::string> ClusterMap::other_client_addresses(const std::function<bool(NodeId)>& is_up) const {
  const auto known = state();
  if (!known) return {};
  auto addresses = clients_of(*known, [&](NodeId node) { return node != self_ && is_up(node); });
  if (addresses.empty()) addresses = clients_of(*known, [&](NodeId node) { return node != self_; });
  return addresses;
}

std::vector<cluster::PeerNode> other_nodes(const MetaState& state, NodeId self) {
  std::vector<cluster::PeerNode> others;
  for (const MetaNode& node : state.nodes)
    if (node.id != self && node.state != NodeState::kRemoved) others.push_back({node.id, node.addresses.peers});
  return others;
}

}  // namespace earshot::actors
