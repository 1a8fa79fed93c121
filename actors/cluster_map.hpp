#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "cluster/peers.hpp"
#include "schema/meta.hpp"

namespace earshot::actors {

// What a node knows of its cluster: the newest state of the meta group, and who leads that. Thread-safe.
class ClusterMap {
 public:
  explicit ClusterMap(NodeId self) : self_(self) {}

  void state_changed(std::shared_ptr<const MetaState> state);
  void leader_changed(NodeId leader);

  // Null: none is known yet.
  [[nodiscard]] std::shared_ptr<const MetaState> state() const;
  // Of the meta group; 0: nobody, as far as is known.
  [[nodiscard]] NodeId leader() const;
  // Where clients find the nodes that are up, this one first; at most kNodeAddressesMax.
  [[nodiscard]] std::shared_ptr<const std::vector<std::string>> client_addresses() const;
  // Without this one's: of those that are up, or of all when none is.
  [[nodiscard]] std::vector<std::string> other_client_addresses(const std::function<bool(NodeId)>& is_up) const;

 private:
  const NodeId self_;
  mutable std::mutex mutex_;
  std::shared_ptr<const MetaState> state_;
  std::shared_ptr<const std::vector<std::string>> addresses_ = std::make_shared<const std::vector<std::string>>();
  NodeId leader_;
};

// All that are in the cluster, but for `self`.
std::vector<cluster::PeerNode> other_nodes(const MetaState& state, NodeId self);

}  // namespace earshot::actors
