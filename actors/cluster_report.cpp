#include "actors/cluster_report.hpp"

#include <utility>

namespace earshot::actors {

ClusterStatus cluster_status(ClusterFacts facts, const std::function<bool(NodeId)>& is_linked) {
  ClusterStatus status;
  status.node = facts.self;
  status.meta_leader = facts.meta_leader;
  status.shards = std::move(facts.shards);
  status.cell_nodes = std::move(facts.cell_nodes);
  status.sessions = facts.sessions;
  if (facts.map == nullptr || !facts.map->exists()) {
    status.nodes.push_back({facts.self, NodeState::kUp, {}, {}, true});
    return status;
  }
  const MetaState& map = *facts.map;
  status.cluster_id = map.cluster_id;
  status.epoch = map.version;
  status.replicas = map.replicas;
  for (const MetaNode& node : map.nodes) {
    if (node.state == NodeState::kRemoved) continue;
    status.nodes.push_back({node.id, node.state, node.addresses.clients, node.addresses.peers,
                            node.id == facts.self || is_linked(node.id)});
  }
  for (ShardStatus& shard : status.shards)
    if (shard.shard.value < map.placement.size()) shard.wanted = map.placement[shard.shard.value];
  return status;
}

}  // namespace earshot::actors
