#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "schema/meta.hpp"

// What one node knows of its cluster, as it tells it to who watches: at most cluster_nodes_max nodes, and shards_max
// shards with group_members_max members each.
namespace earshot {

struct ReplicaStatus {
  NodeId node;
  bool voter = false;
  LogIndex stored;  // as the leader knows; 0: not known, or who tells this does not lead
  bool operator==(const ReplicaStatus&) const = default;
};

// A shard's group as the replica of the node that tells this knows it.
struct ShardStatus {
  ShardId shard;
  NodeId leader;  // 0: none that it knows
  Term term;
  LogIndex committed;     // as far as it has heard
  LogIndex applied;       // by itself
  bool fetching = false;  // its state is not there yet
  std::vector<ReplicaStatus> members;
  std::vector<NodeId> wanted;  // that should have a replica; first: that should lead
  bool operator==(const ShardStatus&) const = default;
};

struct ClusterNode {
  NodeId id;
  NodeState state = NodeState::kUp;
  std::vector<std::string> clients;  // host:port
  std::vector<std::string> peers;
  bool linked = false;  // to the node that tells this, or it is that
  bool operator==(const ClusterNode&) const = default;
};

struct ClusterStatus {
  NodeId node;                   // that tells it
  std::uint64_t cluster_id = 0;  // 0: none
  std::uint64_t epoch = 0;       // of the map
  NodeId meta_leader;            // 0: none that it knows
  std::uint8_t replicas = 0;     // that each shard should have
  std::vector<ClusterNode> nodes;
  std::vector<ShardStatus> shards;
  std::vector<NodeId> cell_nodes;
  std::uint64_t sessions = 0;
  bool operator==(const ClusterStatus&) const = default;
};

// "joining", "up", "removed"
std::string_view name_of(NodeState state);

}  // namespace earshot
