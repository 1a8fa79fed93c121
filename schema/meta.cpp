#include "schema/meta.hpp"

#include <algorithm>
#include <cstddef>
#include <type_traits>
#include <utility>

#include "schema/fields.hpp"
#include "schema/flat.hpp"
#include "schema/meta.capnp.h"

namespace earshot {
namespace {

using Source = Fields::Source;
using Texts = capnp::List<capnp::Text>;
using Numbers = capnp::List<std::uint64_t>;
using Rows = capnp::List<Numbers>;

// What is said in words is not longer; the program's version neither.
constexpr std::size_t kReasonBytesMax = 1024;
constexpr std::size_t kNodesInStateMax = limits::kClusterNodesMax + kRemovedNodesMax;

capnp::uint size_of(const auto& container) { return static_cast<capnp::uint>(container.size()); }

// ---- sizes

std::size_t words_of(const std::vector<std::string>& texts) {
  std::size_t words = texts.size();
  for (const std::string& text : texts) words += flat::words_of_text(text.size());
  return words;
}

std::size_t words_of(const NodeAddresses& addresses) {
  return flat::words_of<schema::NodeAddresses>() + words_of(addresses.peers) + words_of(addresses.clients);
}

std::size_t words_of(const Placement& placement) {
  std::size_t words = placement.size();
  for (const auto& row : placement) words += row.size();
  return words;
}

std::size_t words_of(const MetaState& state) {
  std::size_t words = flat::words_of<schema::MetaState>() + words_of(state.placement) +
                      flat::words_of_list<schema::MetaNode>(state.nodes.size());
  for (const MetaNode& node : state.nodes) words += words_of(node.addresses);
  return words;
}

std::size_t words_of(const MetaRecord& record) { return flat::words_of<schema::MetaRecord>() + words_of(record.state); }

// ---- writing

void write(const std::vector<std::string>& from, Texts::Builder to) {
  for (capnp::uint i = 0; i < to.size(); ++i) to.set(i, flat::text(from[i]));
}

void write(const NodeAddresses& from, schema::NodeAddresses::Builder to) {
  write(from.peers, to.initPeers(size_of(from.peers)));
  write(from.clients, to.initClients(size_of(from.clients)));
}

void write(const Placement& from, Rows::Builder to) {
  for (capnp::uint i = 0; i < to.size(); ++i) {
    auto row = to.init(i, size_of(from[i]));
    for (capnp::uint j = 0; j < row.size(); ++j) row.set(j, from[i][j].value);
  }
}

template <class Builder>
void write_nonce(const JoinNonce& from, Builder to) {
  to.setNonceHigh(from.high);
  to.setNonceLow(from.low);
}

schema::NodeState state_of(NodeState state) { return static_cast<schema::NodeState>(state); }

void write(const MetaState& from, schema::MetaState::Builder to) {
  to.setClusterId(from.cluster_id);
  to.setShardCount(from.shard_count);
  to.setReplicas(from.replicas);
  to.setVersion(from.version);
  to.setNextNode(from.next_node);
  auto nodes = to.initNodes(size_of(from.nodes));
  for (capnp::uint i = 0; i < nodes.size(); ++i) {
    const MetaNode& node = from.nodes[i];
    nodes[i].setId(node.id.value);
    write(node.addresses, nodes[i].initAddresses());
    nodes[i].setState(state_of(node.state));
    write_nonce(node.nonce, nodes[i]);
  }
  write(from.placement, to.initPlacement(size_of(from.placement)));
}

void write(const MetaRecord& from, schema::MetaRecord::Builder to) {
  to.setAppliedIndex(from.applied.value);
  to.setAppliedTerm(from.term.value);
  write(from.state, to.initState());
}

void write(const CreateCluster& from, schema::MetaCommand::Builder command) {
  auto to = command.initCreateCluster();
  to.setClusterId(from.cluster_id);
  to.setShardCount(from.shard_count);
  to.setReplicas(from.replicas);
  to.setNode(from.node.value);
  write(from.addresses, to.initAddresses());
}

void write(const AddNode& from, schema::MetaCommand::Builder command) {
  auto to = command.initAddNode();
  write_nonce(from.nonce, to);
  write(from.addresses, to.initAddresses());
}

void write(const SetAddresses& from, schema::MetaCommand::Builder command) {
  auto to = command.initSetAddresses();
  to.setNode(from.node.value);
  write(from.addresses, to.initAddresses());
}

void write(const SetNodeState& from, schema::MetaCommand::Builder command) {
  auto to = command.initSetNodeState();
  to.setNode(from.node.value);
  to.setState(state_of(from.state));
}

void write(const SetPlacement& from, schema::MetaCommand::Builder command) {
  auto to = command.initSetPlacement();
  to.setVersion(from.version);
  write(from.placement, to.initPlacement(size_of(from.placement)));
}

void write(const JoinAccepted& from, schema::JoinAnswer::Builder answer) {
  auto to = answer.initAccepted();
  to.setClusterId(from.cluster_id);
  to.setNode(from.node.value);
  to.setShardCount(from.shard_count);
  auto nodes = to.initNodes(size_of(from.nodes));
  for (capnp::uint i = 0; i < nodes.size(); ++i) {
    nodes[i].setId(from.nodes[i].id.value);
    write(from.nodes[i].peers, nodes[i].initPeers(size_of(from.nodes[i].peers)));
  }
}

void write(const JoinRedirect& from, schema::JoinAnswer::Builder answer) {
  write(from.peers, answer.initRedirect(size_of(from.peers)));
}

void write(const JoinRefused& from, schema::JoinAnswer::Builder answer) {
  auto to = answer.initRefused();
  to.setReason(flat::text(from.reason));
  to.setFinal(from.is_final);
}

void write(const TellAddresses& from, schema::ClusterMessage::Builder message) {
  write(from.addresses, message.initTellAddresses());
}

void write(const AskMetaState& from, schema::ClusterMessage::Builder message) { message.setAskMetaState(from.ask); }

void write(const MetaStateAnswer& from, schema::ClusterMessage::Builder message) {
  auto to = message.initMetaState();
  to.setAsk(from.ask);
  write(from.record, to.initRecord());
}

// ---- reading

std::vector<std::string> read_addresses(Fields& fields, Texts::Reader from, std::string_view field) {
  std::vector<std::string> addresses;
  if (!fields.fits(from.size(), limits::kAddressesPerNodeMax, field, "addresses")) return addresses;
  for (const auto text : from) addresses.push_back(fields.text(text, limits::kAddressBytesMax, field));
  return addresses;
}

NodeAddresses read_addresses(Fields& fields, schema::NodeAddresses::Reader from) {
  return {read_addresses(fields, from.getPeers(), "peers"), read_addresses(fields, from.getClients(), "clients")};
}

Placement read_placement(Fields& fields, Rows::Reader from) {
  Placement placement;
  if (!fields.fits(from.size(), limits::kShardsMax, "placement", "rows")) return placement;
  placement.reserve(from.size());
  for (const auto row : from) {
    std::vector<NodeId>& nodes = placement.emplace_back();
    if (!fields.fits(row.size(), limits::kReplicasMax, "placement", "replicas in a row")) break;
    for (const std::uint64_t node : row) nodes.emplace_back(fields.positive(node, "placement"));
  }
  return placement;
}

template <class Reader>
JoinNonce read_nonce(Reader from) {
  return {from.getNonceHigh(), from.getNonceLow()};
}

NodeState read_state(Fields& fields, schema::NodeState from) {
  fields.require(from <= schema::NodeState::REMOVED, "state", "is not known to this release");
  return static_cast<NodeState>(from);
}

MetaState read_state(Fields& fields, schema::MetaState::Reader from) {
  MetaState state{from.getClusterId(),
                  from.getShardCount(),
                  from.getReplicas(),
                  from.getVersion(),
                  from.getNextNode(),
                  {},
                  read_placement(fields, from.getPlacement())};
  fields.at_most(state.shard_count, limits::kShardsMax, "shardCount");
  fields.at_most(state.replicas, limits::kReplicasMax, "replicas");
  fields.require(state.placement.size() == state.shard_count, "placement", "must have a row for each shard");
  if (!fields.fits(from.getNodes().size(), kNodesInStateMax, "nodes", "nodes")) return state;
  for (const auto node : from.getNodes()) {
    const NodeId previous = state.nodes.empty() ? NodeId() : state.nodes.back().id;
    state.nodes.push_back(MetaNode{NodeId(node.getId()), read_addresses(fields, node.getAddresses()),
                                   read_state(fields, node.getState()), read_nonce(node)});
    fields.require(state.nodes.back().id > previous, "nodes", "must ascend");
  }
  if (!state.nodes.empty()) fields.require(state.nodes.back().id.value < state.next_node, "nextNode", "is given out");
  return state;
}

MetaRecord read_record(Fields& fields, schema::MetaRecord::Reader from) {
  return {LogIndex(from.getAppliedIndex()), Term(from.getAppliedTerm()), read_state(fields, from.getState())};
}

CreateCluster read(Fields& fields, schema::MetaCommand::CreateCluster::Reader from) {
  return {from.getClusterId(), from.getShardCount(), from.getReplicas(), NodeId(from.getNode()),
          read_addresses(fields, from.getAddresses())};
}

Result<MetaCommand> read(schema::MetaCommand::Reader from) {
  Fields fields(Source::kStored);
  switch (from.which()) {
    case schema::MetaCommand::CREATE_CLUSTER: return fields.finish<MetaCommand>(read(fields, from.getCreateCluster()));
    case schema::MetaCommand::ADD_NODE: {
      const auto add = from.getAddNode();
      return fields.finish<MetaCommand>(AddNode{read_nonce(add), read_addresses(fields, add.getAddresses())});
    }
    case schema::MetaCommand::SET_ADDRESSES: {
      const auto set = from.getSetAddresses();
      return fields.finish<MetaCommand>(
          SetAddresses{NodeId(set.getNode()), read_addresses(fields, set.getAddresses())});
    }
    case schema::MetaCommand::SET_NODE_STATE: {
      const auto set = from.getSetNodeState();
      return fields.finish<MetaCommand>(SetNodeState{NodeId(set.getNode()), read_state(fields, set.getState())});
    }
    case schema::MetaCommand::SET_PLACEMENT: {
      const auto set = from.getSetPlacement();
      return fields.finish<MetaCommand>(SetPlacement{set.getVersion(), read_placement(fields, set.getPlacement())});
    }
  }
  return fail(ErrorCode::kUnsupportedVersion, "metaCommand",
              "kind " + std::to_string(from.which()) + " is not known to this release");
}

Result<JoinRequest> read(schema::JoinRequest::Reader from) {
  Fields fields(Source::kStored);
  JoinRequest request{from.getProtocolMin(), from.getProtocolMax(),
                      fields.text(from.getVersion(), kReasonBytesMax, "version"), read_nonce(from),
                      read_addresses(fields, from.getAddresses())};
  return fields.finish(std::move(request));
}

JoinAccepted read(Fields& fields, schema::JoinAnswer::Accepted::Reader from) {
  JoinAccepted accepted{from.getClusterId(), NodeId(from.getNode()), from.getShardCount(), {}};
  fields.positive(accepted.cluster_id, "clusterId");
  fields.positive(accepted.node.value, "node");
  fields.positive(accepted.shard_count, "shardCount");
  fields.at_most(accepted.shard_count, limits::kShardsMax, "shardCount");
  if (!fields.fits(from.getNodes().size(), kJoinNodesMax, "nodes", "nodes")) return accepted;
  for (const auto node : from.getNodes()) {
    accepted.nodes.push_back(
        {NodeId(fields.positive(node.getId(), "nodes")), read_addresses(fields, node.getPeers(), "peers")});
  }
  return accepted;
}

Result<JoinAnswer> read(schema::JoinAnswer::Reader from) {
  Fields fields(Source::kStored);
  switch (from.which()) {
    case schema::JoinAnswer::ACCEPTED: return fields.finish<JoinAnswer>(read(fields, from.getAccepted()));
    case schema::JoinAnswer::REDIRECT:
      return fields.finish<JoinAnswer>(JoinRedirect{read_addresses(fields, from.getRedirect(), "redirect")});
    case schema::JoinAnswer::REFUSED: {
      const auto refused = from.getRefused();
      return fields.finish<JoinAnswer>(
          JoinRefused{fields.text(refused.getReason(), kReasonBytesMax, "reason"), refused.getFinal()});
    }
  }
  return flat::corrupt("joinAnswer", "is of a kind that is not known to this release");
}

Result<ClusterMessage> read(schema::ClusterMessage::Reader from) {
  Fields fields(Source::kStored);
  switch (from.which()) {
    case schema::ClusterMessage::TELL_ADDRESSES:
      return fields.finish<ClusterMessage>(TellAddresses{read_addresses(fields, from.getTellAddresses())});
    case schema::ClusterMessage::ASK_META_STATE: return ClusterMessage(AskMetaState{from.getAskMetaState()});
    case schema::ClusterMessage::META_STATE: {
      const auto answer = from.getMetaState();
      return fields.finish<ClusterMessage>(MetaStateAnswer{answer.getAsk(), read_record(fields, answer.getRecord())});
    }
  }
  return flat::corrupt("clusterMessage", "is of a kind that is not known to this release");
}

template <class Root>
std::string encode_as(std::size_t words, const auto& value) {
  flat::Writer writer(flat::words_of<Root>() + words);
  auto root = writer.initRoot<Root>();
  std::visit([&root](const auto& one) { write(one, root); }, value);
  return writer.take();
}

Status check_texts(const std::vector<std::string>& addresses, std::string_view field) {
  Fields fields(Source::kWire);
  fields.at_most(addresses.size(), limits::kAddressesPerNodeMax, field);
  for (const std::string& address : addresses) {
    fields.fits(address.size(), limits::kAddressBytesMax, field, "bytes");
    const bool is_printable = std::ranges::all_of(address, [](char c) { return c > ' ' && c < '\x7f'; });
    const auto colon = address.rfind(':');
    fields.require(is_printable && colon != std::string::npos && colon > 0 && colon + 1 < address.size(), field,
                   "must be host:port");
  }
  return fields.finish();
}

}  // namespace

Status check_addresses(const NodeAddresses& addresses) {
  if (auto checked = check_texts(addresses.peers, "peers"); !checked) return checked;
  return check_texts(addresses.clients, "clients");
}

const MetaNode* MetaState::node(NodeId id) const {
  const auto found = std::ranges::lower_bound(nodes, id, {}, &MetaNode::id);
  return found != nodes.end() && found->id == id ? &*found : nullptr;
}

std::string encode(const MetaRecord& record) {
  flat::Writer writer(words_of(record));
  write(record, writer.initRoot<schema::MetaRecord>());
  return writer.take();
}

std::string encode(const MetaCommand& command) {
  constexpr std::size_t kWordsOfOne = 16;
  std::size_t words = kWordsOfOne;
  std::visit(
      [&words](const auto& one) {
        if constexpr (requires { one.addresses; }) words += words_of(one.addresses);
        if constexpr (requires { one.placement; }) words += words_of(one.placement);
      },
      command);
  return encode_as<schema::MetaCommand>(words, command);
}

std::string encode(const JoinRequest& request) {
  flat::Writer writer(flat::words_of<schema::JoinRequest>() + flat::words_of_text(request.version.size()) +
                      words_of(request.addresses));
  auto to = writer.initRoot<schema::JoinRequest>();
  to.setProtocolMin(request.protocol_min);
  to.setProtocolMax(request.protocol_max);
  to.setVersion(flat::text(request.version));
  write_nonce(request.nonce, to);
  write(request.addresses, to.initAddresses());
  return writer.take();
}

std::string encode(const JoinAnswer& answer) { return encode_as<schema::JoinAnswer>(512, answer); }

std::string encode(const ClusterMessage& message) {
  const auto* state = std::get_if<MetaStateAnswer>(&message);
  return encode_as<schema::ClusterMessage>(state != nullptr ? 8 + words_of(state->record) : 64, message);
}

Result<MetaRecord> decode_meta_record(std::string_view bytes) {
  return flat::read<schema::MetaRecord>(bytes, "metaRecord", [](schema::MetaRecord::Reader from) -> Result<MetaRecord> {
    Fields fields(Source::kStored);
    MetaRecord record = read_record(fields, from);
    return fields.finish(std::move(record));
  });
}

Result<MetaCommand> decode_meta_command(std::string_view bytes) {
  return flat::read<schema::MetaCommand>(bytes, "metaCommand", [](auto from) { return read(from); });
}

Result<JoinRequest> decode_join_request(std::string_view bytes) {
  return flat::read<schema::JoinRequest>(bytes, "joinRequest", [](auto from) { return read(from); });
}

Result<JoinAnswer> decode_join_answer(std::string_view bytes) {
  return flat::read<schema::JoinAnswer>(bytes, "joinAnswer", [](auto from) { return read(from); });
}

Result<ClusterMessage> decode_cluster_message(std::string_view bytes) {
  return flat::read<schema::ClusterMessage>(bytes, "clusterMessage", [](auto from) { return read(from); });
}

}  // namespace earshot
