#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "schema/cluster_status.hpp"

// What several nodes know of their cluster, put together.
namespace earshot::app {

// What came of asking one address.
struct AskedNode {
  std::string address;
  Result<ClusterStatus> status;
};

struct ClusterView {
  struct Node {
    NodeId id;
    NodeState state = NodeState::kUp;
    std::vector<std::string> addresses;  // for clients
    bool reached = false;                // it has told what it knows
    std::string trouble;                 // else why not, if it was asked
    std::uint64_t sessions = 0;          // of one that was reached
    std::size_t leads = 0;               // shards
    std::size_t replicas = 0;            // as members of groups
    std::optional<std::uint64_t> lag;    // of its replica furthest behind; nothing: not known
    bool operator==(const Node&) const = default;
  };
  struct Replica {
    NodeId node;
    bool voter = false;
    std::optional<LogIndex> stored;    // as the leader knows
    std::optional<LogIndex> applied;   // as the node itself tells
    std::optional<std::uint64_t> lag;  // committed entries that it has not stored or, of a leader not reached, applied
    bool fetching = false;             // its state comes from another node
    bool operator==(const Replica&) const = default;
  };
  struct Shard {
    ShardId id;
    NodeId leader;  // 0: nobody knows one
    Term term;
    LogIndex committed;
    std::vector<NodeId> wanted;
    std::vector<Replica> replicas;  // ascending by node
    bool operator==(const Shard&) const = default;
  };
  struct Unreached {  // an address that is of no node as far as is known
    std::string address;
    std::string trouble;
    bool operator==(const Unreached&) const = default;
  };

  std::uint64_t cluster_id = 0;  // 0: a node alone
  std::uint64_t epoch = 0;       // of the newest map that anybody has
  NodeId meta_leader;
  std::uint8_t replicas = 0;
  std::vector<Node> nodes;
  std::vector<Shard> shards;
  std::vector<NodeId> cell_nodes;
  std::vector<Unreached> unreached;
  std::vector<std::string> notes;  // where nodes contradict each other

  [[nodiscard]] bool is_known() const { return !nodes.empty(); }  // somebody has told something
  // Every node is up and was reached, every shard has a leader among them, and nobody contradicts.
  [[nodiscard]] bool is_healthy() const;
};

// Where nodes disagree, of the map the newest epoch counts, of a shard the newest term, and of that its leader itself.
ClusterView merge(const std::vector<AskedNode>& asked);

// Addresses of nodes that have told nothing yet: of each its first one that is not in `asked`.
std::vector<std::string> still_to_ask(const ClusterView& view, const std::vector<AskedNode>& asked);

}  // namespace earshot::app
