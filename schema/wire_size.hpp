#pragma once

#include <cstddef>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "schema/broker.capnp.h"
#include "schema/cluster_status.hpp"
#include "schema/errors.capnp.h"
#include "schema/flat.hpp"
#include "schema/manage.hpp"
#include "schema/messages.hpp"
#include "schema/node_removal.hpp"
#include "schema/places.hpp"

// How many words the protocol's values take in a message, their own struct and all behind it, for messages that are
// built in one allocation: one that is too small costs a second, nothing else.
namespace earshot::wire {

inline std::size_t words_of(const Error& error) {
  return flat::words_of<schema::Error>() + flat::words_of_text(error.field.size()) +
         flat::words_of_text(error.detail.size());
}

inline std::size_t words_of(const IncomingMessage& message) {
  return flat::words_of<schema::Incoming>() + flat::words_of_text(message.sender.text().size()) +
         flat::words_of_text(message.sender_device.text().size()) + flat::words_of_text(message.copy_of.text().size()) +
         flat::words_of_data(message.body.size());
}

inline std::size_t words_of(const LostRange&) { return flat::words_of<schema::LostRange>(); }

inline std::size_t words_of(const SendAnswer& answer) {
  std::size_t words = flat::words_of<schema::SendAnswer>() + flat::words_of<schema::Stored>();
  if (const auto* refused = std::get_if<SendAnswer::Refused>(&answer.value)) words += words_of(refused->error);
  if (const auto* held = std::get_if<SendAnswer::Held>(&answer.value)) words += words_of(held->error);
  return words;
}

// ---- looking after mailboxes

inline std::size_t words_of(const DeviceInfo& device) {
  return flat::words_of<schema::Device>() + flat::words_of_text(device.device.text().size());
}

inline std::size_t words_of(const ParkedMessage& parked) {
  return flat::words_of<schema::ParkedMessage>() + flat::words_of_text(parked.device.text().size()) +
         (parked.message ? words_of(*parked.message) : 0);
}

inline std::size_t words_of(const DeviceFate& fate) {
  return flat::words_of<schema::DeviceFate>() + flat::words_of_text(fate.device.text().size());
}

inline std::size_t words_of(const Replayed& replayed) { return 1 + replayed.sequences.size(); }
inline std::size_t words_of(const PolicyInfo&) { return flat::words_of<schema::Policy>(); }
inline std::size_t words_of(const Done&) { return 0; }

// ---- places

constexpr std::size_t kGeohashWords = flat::words_of<schema::Geohash>() + flat::words_of_text(11);
constexpr std::size_t kPointWords = flat::words_of<schema::Point>();

inline std::size_t words_of(const NearbyMember& member) {
  return flat::words_of<schema::NearbyMember>() + flat::words_of_text(member.member.size()) +
         (member.point ? kPointWords : 0) + (member.geohash ? kGeohashWords : 0);
}

inline std::size_t words_of(const LayerInfo& layer) {
  return flat::words_of<schema::LayerInfo>() + flat::words_of<schema::LayerPrivacy>() +
         flat::words_of_text(layer.layer.text().size());
}

inline std::size_t words_of(const PositionOutcomes& outcomes) { return 1 + outcomes.size() / 4; }
inline std::size_t words_of(const PositionsCleared&) { return 0; }
inline std::size_t words_of(const LayerCleared&) { return 0; }
inline std::size_t words_of(const Distance&) { return 0; }
inline std::size_t words_of(const LayerPrivacyInfo&) { return flat::words_of<schema::LayerPrivacy>(); }

inline std::size_t words_of(const Positions& positions) {
  return 2 + positions.members.size() * (flat::words_of<schema::Position>() + kPointWords + kGeohashWords);
}

// ---- watching a cluster

inline std::size_t words_of(const std::vector<std::string>& addresses) {
  std::size_t words = addresses.size();  // the pointers to them
  for (const std::string& address : addresses) words += flat::words_of_text(address.size());
  return words;
}
inline std::size_t words_of(const ClusterNode& node) {
  return flat::words_of<schema::ClusterNode>() + words_of(node.clients) + words_of(node.peers);
}
inline std::size_t words_of(const ReplicaStatus&) { return flat::words_of<schema::ReplicaStatus>(); }
inline std::size_t words_of(const ShardStatus& shard) {
  return flat::words_of<schema::ShardStatus>() + 2 + shard.wanted.size() +
         shard.members.size() * flat::words_of<schema::ReplicaStatus>();
}

// ---- several

// Any container of what has a size of its own.
template <class Item>
std::size_t words_of(const std::vector<Item>& items) {
  std::size_t words = 2;  // the list's tag and what points to it
  for (const Item& item : items) words += words_of(item);
  return words;
}

constexpr std::size_t kBatchWords = 8 + flat::words_of<schema::Batch>();  // with its lists' tags and the pointers to it

inline std::size_t words_of(const Batch& batch) {
  return kBatchWords + words_of(batch.messages) + words_of(batch.lost);
}

inline std::size_t words_of(const Explanation& explanation) {
  return flat::words_of<schema::Explanation>() + flat::words_of_text(explanation.user.text().size()) +
         words_of(explanation.message) + words_of(explanation.devices);
}

inline std::size_t words_of(const ManageAnswer& answer) {
  return std::visit([](const auto& one) { return words_of(one); }, answer);
}

inline std::size_t words_of(const NearbyFound& found) { return words_of(found.members); }
inline std::size_t words_of(const LayersPage& page) { return words_of(page.layers); }
inline std::size_t words_of(const PlacesReply& reply) {
  return std::visit([](const auto& one) { return words_of(one); }, reply);
}
inline std::size_t words_of(const ClusterStatus& status) {
  return flat::words_of<schema::ClusterStatus>() + words_of(status.nodes) + words_of(status.shards) +
         status.cell_nodes.size();
}

inline std::size_t words_of(const RemovalAnswer& answer) {
  const auto* leader = std::get_if<AskLeader>(&answer);
  std::size_t words = flat::words_of<schema::NodeRemoved>() + 1;
  if (leader != nullptr)
    for (const std::string& client : leader->clients) words += 1 + flat::words_of_text(client.size());
  return words;
}

}  // namespace earshot::wire
