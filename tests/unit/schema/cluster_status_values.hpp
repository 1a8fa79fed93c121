#pragma once

#include "schema/cluster_status.hpp"

namespace earshot::tests {

// Of a node that leads one of two shards, with every field set to something.
inline ClusterStatus some_cluster_status() {
  ClusterStatus status;
  status.node = NodeId(2);
  status.cluster_id = 0xabcdef;
  status.epoch = 9;
  status.meta_leader = NodeId(1);
  status.replicas = 3;
  status.nodes = {{NodeId(1), NodeState::kUp, {"127.0.0.1:7400", "node1:7400"}, {"127.0.0.1:7500"}, true},
                  {NodeId(2), NodeState::kUp, {"127.0.0.1:7401"}, {"127.0.0.1:7501"}, true},
                  {NodeId(3), NodeState::kJoining, {}, {"127.0.0.1:7502"}, false}};
  status.shards = {
      {ShardId(0),
       NodeId(2),
       Term(4),
       LogIndex(100),
       LogIndex(99),
       false,
       {{NodeId(1), true, LogIndex(97)}, {NodeId(2), true, LogIndex(100)}, {NodeId(3), false, LogIndex(5)}},
       {NodeId(2), NodeId(1), NodeId(3)}},
      {ShardId(1), NodeId(1), Term(6), LogIndex(12), LogIndex(0), true, {{NodeId(1), true, {}}}, {NodeId(1)}}};
  status.cell_nodes = {NodeId(1), NodeId(2)};
  status.sessions = 7;
  return status;
}

}  // namespace earshot::tests
