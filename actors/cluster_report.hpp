#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/ids.hpp"
#include "schema/cluster_status.hpp"
#include "schema/meta.hpp"

namespace earshot::actors {

// What a node has to tell of its cluster.
struct ClusterFacts {
  NodeId self;
  const MetaState* map = nullptr;  // null: it is in no cluster, or has not heard of it yet
  NodeId meta_leader;
  std::vector<ShardStatus> shards;  // as its replicas know them, by id; what is wanted is the map's
  std::vector<NodeId> cell_nodes;
  std::uint64_t sessions = 0;
};

// As it is told to who watches. Nodes that were removed are left out.
ClusterStatus cluster_status(ClusterFacts facts, const std::function<bool(NodeId)>& is_linked);

}  // namespace earshot::actors
