#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/limits.hpp"
#include "schema/fields.hpp"
#include "schema/flat.hpp"
#include "schema/read_answer.hpp"
#include "schema/wire.hpp"

// Watching a cluster, and removing a node.
namespace earshot {

std::string_view name_of(NodeState state) {
  switch (state) {
    case NodeState::kJoining: return "joining";
    case NodeState::kUp: return "up";
    case NodeState::kRemoved: return "removed";
  }
  return "unknown";
}

namespace wire {
namespace {

using Addresses = capnp::List<capnp::Text>;
using Nodes = capnp::List<std::uint64_t>;

void write(const std::vector<std::string>& from, Addresses::Builder to) {
  for (capnp::uint i = 0; i < to.size(); ++i) to.set(i, flat::text(from[i]));
}

void write(const std::vector<NodeId>& from, Nodes::Builder to) {
  for (capnp::uint i = 0; i < to.size(); ++i) to.set(i, from[i].value);
}

std::vector<std::string> read_addresses(Addresses::Reader from, std::string_view field, Fields& fields) {
  std::vector<std::string> addresses;
  if (!fields.fits(from.size(), limits::kAddressesPerNodeMax, field, "addresses")) return addresses;
  for (const auto text : from) {
    // They are shown and connected to: what is no address could be anything on a terminal.
    fields.require(is_address({text.begin(), text.size()}), field, "is no address");
    if (fields.ok()) addresses.emplace_back(text.begin(), text.size());
  }
  return addresses;
}

std::vector<NodeId> read_nodes(Nodes::Reader from, std::size_t count_max, std::string_view field, Fields& fields) {
  std::vector<NodeId> nodes;
  if (!fields.fits(from.size(), count_max, field, "nodes")) return nodes;
  for (const std::uint64_t id : from) nodes.emplace_back(id);
  return nodes;
}

void write(const ClusterNode& from, schema::ClusterNode::Builder to) {
  to.setId(from.id.value);
  to.setState(static_cast<schema::ClusterNode::State>(from.state));
  write(from.clients, to.initClientAddresses(static_cast<capnp::uint>(from.clients.size())));
  write(from.peers, to.initPeerAddresses(static_cast<capnp::uint>(from.peers.size())));
  to.setLinked(from.linked);
}

ClusterNode read_cluster_node(schema::ClusterNode::Reader from, Fields& fields) {
  ClusterNode node;
  node.id = NodeId(fields.positive(from.getId(), "nodes.id"));
  const auto state = static_cast<std::uint16_t>(from.getState());
  fields.at_most(state, static_cast<std::uint16_t>(NodeState::kRemoved), "nodes.state");
  node.state = static_cast<NodeState>(state);
  node.clients = read_addresses(from.getClientAddresses(), "nodes.clientAddresses", fields);
  node.peers = read_addresses(from.getPeerAddresses(), "nodes.peerAddresses", fields);
  node.linked = from.getLinked();
  return node;
}

void write(const ShardStatus& from, schema::ShardStatus::Builder to) {
  to.setShard(from.shard.value);
  to.setLeader(from.leader.value);
  to.setTerm(from.term.value);
  to.setCommitted(from.committed.value);
  to.setApplied(from.applied.value);
  to.setFetching(from.fetching);
  auto members = to.initMembers(static_cast<capnp::uint>(from.members.size()));
  for (capnp::uint i = 0; i < members.size(); ++i) {
    members[i].setNode(from.members[i].node.value);
    members[i].setVoter(from.members[i].voter);
    members[i].setStored(from.members[i].stored.value);
  }
  write(from.wanted, to.initWanted(static_cast<capnp::uint>(from.wanted.size())));
}

ShardStatus read_shard(schema::ShardStatus::Reader from, Fields& fields) {
  ShardStatus shard;
  shard.shard = ShardId(from.getShard());
  shard.leader = NodeId(from.getLeader());
  shard.term = Term(from.getTerm());
  shard.committed = LogIndex(from.getCommitted());
  shard.applied = LogIndex(from.getApplied());
  shard.fetching = from.getFetching();
  const auto members = from.getMembers();
  if (fields.fits(members.size(), limits::kGroupMembersMax, "shards.members", "members")) {
    for (const auto member : members)
      shard.members.push_back({NodeId(member.getNode()), member.getVoter(), LogIndex(member.getStored())});
  }
  shard.wanted = read_nodes(from.getWanted(), limits::kReplicasMax, "shards.wanted", fields);
  return shard;
}

void write(const ClusterStatus& from, schema::ClusterStatus::Builder to) {
  to.setNode(from.node.value);
  to.setClusterId(from.cluster_id);
  to.setEpoch(from.epoch);
  to.setMetaLeader(from.meta_leader.value);
  to.setReplicas(from.replicas);
  auto nodes = to.initNodes(static_cast<capnp::uint>(from.nodes.size()));
  for (capnp::uint i = 0; i < nodes.size(); ++i) write(from.nodes[i], nodes[i]);
  auto shards = to.initShards(static_cast<capnp::uint>(from.shards.size()));
  for (capnp::uint i = 0; i < shards.size(); ++i) write(from.shards[i], shards[i]);
  write(from.cell_nodes, to.initCellNodes(static_cast<capnp::uint>(from.cell_nodes.size())));
  to.setSessions(from.sessions);
}

ClusterStatus read_status(schema::ClusterStatus::Reader from, Fields& fields) {
  ClusterStatus status;
  status.node = NodeId(fields.positive(from.getNode(), "node"));
  status.cluster_id = from.getClusterId();
  status.epoch = from.getEpoch();
  status.meta_leader = NodeId(from.getMetaLeader());
  status.replicas = from.getReplicas();
  const auto nodes = from.getNodes();
  if (fields.fits(nodes.size(), limits::kClusterNodesMax, "nodes", "nodes"))
    for (const auto node : nodes) status.nodes.push_back(read_cluster_node(node, fields));
  const auto shards = from.getShards();
  if (fields.fits(shards.size(), limits::kShardsMax, "shards", "shards"))
    for (const auto shard : shards) status.shards.push_back(read_shard(shard, fields));
  status.cell_nodes = read_nodes(from.getCellNodes(), limits::kClusterNodesMax, "cellNodes", fields);
  status.sessions = from.getSessions();
  return status;
}

}  // namespace

Result<std::string> read(schema::Broker::ClusterStatusParams::Reader from) {
  return guarded("request", [&] {
    Fields fields(Fields::Source::kWire);
    std::string token = fields.text(from.getToken(), limits::kTokenBytesMax, "token");
    return fields.finish(std::move(token));
  });
}

void write(const Result<ClusterStatus>& from, schema::ClusterStatusAnswer::Builder to) {
  from ? write(*from, to.initStatus()) : write(from.error(), to.initError());
}

Result<ClusterStatus> read(schema::ClusterStatusAnswer::Reader from) {
  return read_answer(from, from.isStatus(), [&](Fields& fields) { return read_status(from.getStatus(), fields); });
}

Result<RemoveNodeRequest> read(schema::Broker::RemoveNodeParams::Reader from) {
  return guarded("request", [&] {
    Fields fields(Fields::Source::kWire);
    RemoveNodeRequest request;
    request.token = fields.text(from.getToken(), limits::kTokenBytesMax, "token");
    request.node = NodeId(fields.positive(from.getNode(), "node"));
    return fields.finish(std::move(request));
  });
}

void write(const Result<RemovalAnswer>& from, schema::RemoveNodeAnswer::Builder to) {
  if (!from) return write(from.error(), to.initError());
  if (const auto* removed = std::get_if<NodeRemoved>(&*from)) return to.initRemoved().setWasBefore(removed->was_before);
  const auto& clients = std::get<AskLeader>(*from).clients;
  write(clients, to.initAskLeader(static_cast<capnp::uint>(clients.size())));
}

Result<RemovalAnswer> read(schema::RemoveNodeAnswer::Reader from) {
  return read_answer(from, from.isRemoved() || from.isAskLeader(), [&](Fields& fields) -> RemovalAnswer {
    if (from.isRemoved()) return NodeRemoved{from.getRemoved().getWasBefore()};
    return AskLeader{read_addresses(from.getAskLeader(), "askLeader", fields)};
  });
}

}  // namespace wire
}  // namespace earshot
