#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "base/limits.hpp"

// Who the nodes of a cluster are and where its shards live, as C++ types with their codecs (schema/meta.capnp).
// `encode` gives one unpacked Cap'n Proto message; `decode_…` gives kCorrupt for bytes that are no such message or
// break a rule of their fields: never a crash, never an unbounded allocation.
namespace earshot {

// Chosen at random by a process that wants to join, kept until it has its identity: whoever asks again with the same
// one is given the same node id. 0: the node was there first, and joined nothing.
using JoinNonce = MessageId;

// "host:port", in the order in which to try them.
struct NodeAddresses {
  std::vector<std::string> peers;    // where other nodes reach it
  std::vector<std::string> clients;  // where clients do
  bool operator==(const NodeAddresses&) const = default;
};
// kInvalidArgument, kTooLarge: too many, too long, or not printable without spaces.
Status check_addresses(const NodeAddresses& addresses);

enum class NodeState : std::uint8_t {
  kJoining = 0,  // has its id, and does not follow the meta group yet
  kUp = 1,       // may have replicas
  kRemoved = 2,  // for good: its id is never given again
};

struct MetaNode {
  NodeId id;
  NodeAddresses addresses;
  NodeState state = NodeState::kJoining;
  JoinNonce nonce;
  bool operator==(const MetaNode&) const = default;
};

// The nodes that should have a replica, of each shard. First: who should lead it.
using Placement = std::vector<std::vector<NodeId>>;

// Removed nodes that are remembered as such.
inline constexpr std::size_t kRemovedNodesMax = 64;

struct MetaState {
  std::uint64_t cluster_id = 0;  // 0: there is no cluster yet
  std::uint16_t shard_count = 0;
  std::uint8_t replicas = 0;    // of each shard, if there are as many nodes
  std::uint64_t version = 0;    // grows by 1 with every change
  std::uint64_t next_node = 1;  // the next id to give out
  std::vector<MetaNode> nodes;  // ascending by id; of removed ones the newest kRemovedNodesMax
  Placement placement;          // shard_count rows
  bool operator==(const MetaState&) const = default;

  [[nodiscard]] bool exists() const { return cluster_id != 0; }
  // nullptr: never was, or was forgotten.
  [[nodiscard]] const MetaNode* node(NodeId id) const;
};

// What a node has on its disk of it.
struct MetaRecord {
  LogIndex applied;  // the entry that the state stands at
  Term term;
  MetaState state;
  bool operator==(const MetaRecord&) const = default;
};

// ---- what stands in the meta group's log, one command per entry

struct CreateCluster {
  std::uint64_t cluster_id = 0;
  std::uint16_t shard_count = 0;
  std::uint8_t replicas = limits::kReplicasDefault;
  NodeId node;  // the first one; it has all shards
  NodeAddresses addresses;
  bool operator==(const CreateCluster&) const = default;
};
struct AddNode {
  JoinNonce nonce;
  NodeAddresses addresses;
  bool operator==(const AddNode&) const = default;
};
struct SetAddresses {
  NodeId node;
  NodeAddresses addresses;
  bool operator==(const SetAddresses&) const = default;
};
struct SetNodeState {
  NodeId node;
  NodeState state = NodeState::kUp;
  bool operator==(const SetNodeState&) const = default;
};
struct SetPlacement {
  std::uint64_t version = 0;  // of the state that it was planned from
  Placement placement;
  bool operator==(const SetPlacement&) const = default;
};
using MetaCommand = std::variant<CreateCluster, AddNode, SetAddresses, SetNodeState, SetPlacement>;

// ---- joining

struct JoinRequest {
  std::uint16_t protocol_min = 1;  // between nodes
  std::uint16_t protocol_max = 1;
  std::string version;  // of the program, for people
  JoinNonce nonce;
  NodeAddresses addresses;
  bool operator==(const JoinRequest&) const = default;
};
struct JoinNode {
  NodeId id;
  std::vector<std::string> peers;
  bool operator==(const JoinNode&) const = default;
};
inline constexpr std::size_t kJoinNodesMax = 16;
struct JoinAccepted {
  std::uint64_t cluster_id = 0;
  NodeId node;
  std::uint16_t shard_count = 0;
  std::vector<JoinNode> nodes;  // some of the cluster, enough to hear of the others; first: who leads the meta group
  bool operator==(const JoinAccepted&) const = default;
};
struct JoinRedirect {
  std::vector<std::string> peers;  // of the node to ask
  bool operator==(const JoinRedirect&) const = default;
};
struct JoinRefused {
  std::string reason;
  bool is_final = true;  // else the same may be asked again, a little later
  bool operator==(const JoinRefused&) const = default;
};
using JoinAnswer = std::variant<JoinAccepted, JoinRedirect, JoinRefused>;

// ---- between nodes, with PeerTopic::kCluster; whoever sends does so again until it sees that it has come to pass

// To the node that leads the meta group: where the sender is now.
struct TellAddresses {
  NodeAddresses addresses;
  bool operator==(const TellAddresses&) const = default;
};
// To it as well: the state is needed, since the log does not have all that leads to it any more.
struct AskMetaState {
  std::uint64_t ask = 0;  // comes back with the answer
  bool operator==(const AskMetaState&) const = default;
};
struct MetaStateAnswer {
  std::uint64_t ask = 0;
  MetaRecord record;
  bool operator==(const MetaStateAnswer&) const = default;
};
using ClusterMessage = std::variant<TellAddresses, AskMetaState, MetaStateAnswer>;

std::string encode(const MetaRecord& record);
std::string encode(const MetaCommand& command);
std::string encode(const JoinRequest& request);
std::string encode(const JoinAnswer& answer);
std::string encode(const ClusterMessage& message);
Result<MetaRecord> decode_meta_record(std::string_view bytes);
Result<MetaCommand> decode_meta_command(std::string_view bytes);
Result<JoinRequest> decode_join_request(std::string_view bytes);
Result<JoinAnswer> decode_join_answer(std::string_view bytes);
Result<ClusterMessage> decode_cluster_message(std::string_view bytes);

}  // namespace earshot
