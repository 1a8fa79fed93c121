#pragma once

#include <variant>
#include <vector>

#include <capnp/message.h>
#include <capnp/rpc.capnp.h>

#include "base/error.hpp"
#include "schema/broker.capnp.h"
#include "schema/manage.hpp"
#include "schema/messages.hpp"
#include "schema/places.hpp"

// How many words answers take on the wire, for hints that let one allocation do: without a hint the RPC system clears 8
// KiB for every answer, with too small a one it grows.
namespace earshot::gateway {

constexpr std::size_t words_of_bytes(std::size_t bytes) { return bytes / 8 + 1; }  // of a text, with its closing zero

template <class Struct>
constexpr std::size_t kWordsOf = std::size_t{capnp::_::structSize<Struct>().data} +
                                 capnp::_::structSize<Struct>().pointers;

constexpr std::size_t kBatchWords = 8 + kWordsOf<schema::Batch>;  // with its lists' tags and the pointers to it
constexpr std::size_t kLostRangeWords = kWordsOf<schema::LostRange>;

inline std::size_t words_of(const IncomingMessage& message) {
  return kWordsOf<schema::Incoming> + words_of_bytes(message.sender.text().size()) +
         words_of_bytes(message.sender_device.text().size()) + words_of_bytes(message.copy_of.text().size()) +
         words_of_bytes(message.body.size());
}

inline std::size_t words_of(const Error& error) {
  return kWordsOf<schema::Error> + words_of_bytes(error.field.size()) + words_of_bytes(error.detail.size());
}

inline std::size_t words_of(const Batch& batch) {
  std::size_t words = kBatchWords + kLostRangeWords * batch.lost.size();
  for (const auto& message : batch.messages) words += words_of(message);
  return words;
}

inline std::size_t words_of(const DeviceInfo& device) {
  return kWordsOf<schema::Device> + words_of_bytes(device.device.text().size());
}

inline std::size_t words_of(const ParkedMessage& parked) {
  return kWordsOf<schema::ParkedMessage> + words_of_bytes(parked.device.text().size()) +
         (parked.message ? words_of(*parked.message) : 0);
}

inline std::size_t words_of(const DeviceFate& fate) {
  return kWordsOf<schema::DeviceFate> + words_of_bytes(fate.device.text().size());
}

constexpr std::size_t kGeohashWords = kWordsOf<schema::Geohash> + words_of_bytes(11);

inline std::size_t words_of(const NearbyMember& member) {
  return kWordsOf<schema::NearbyMember> + words_of_bytes(member.member.size()) +
         (member.point ? kWordsOf<schema::Point> : 0) + (member.geohash ? kGeohashWords : 0);
}
inline std::size_t words_of(const LayerInfo& layer) {
  return kWordsOf<schema::LayerInfo> + kWordsOf<schema::LayerPrivacy> + words_of_bytes(layer.layer.text().size());
}

template <class Item>
std::size_t words_of(const std::vector<Item>& items) {
  std::size_t words = 2;  // the list's tag and what points to it
  for (const Item& item : items) words += words_of(item);
  return words;
}

inline std::size_t words_of(const Explanation& explanation) {
  return kWordsOf<schema::Explanation> + words_of_bytes(explanation.user.text().size()) +
         words_of(explanation.message) + words_of(explanation.devices);
}

inline std::size_t words_of(const Replayed& replayed) { return 1 + replayed.sequences.size(); }
inline std::size_t words_of(const PolicyInfo&) { return kWordsOf<schema::Policy>; }
inline std::size_t words_of(const Done&) { return 0; }

inline std::size_t words_of(const ManageAnswer& answer) {
  return std::visit([](const auto& one) { return words_of(one); }, answer);
}

inline std::size_t words_of(const PositionOutcomes& outcomes) { return 1 + outcomes.size() / 4; }
inline std::size_t words_of(const PositionsCleared&) { return 0; }
inline std::size_t words_of(const LayerCleared&) { return 0; }
inline std::size_t words_of(const Distance&) { return 0; }
inline std::size_t words_of(const LayerPrivacyInfo&) { return kWordsOf<schema::LayerPrivacy>; }

inline std::size_t words_of(const NearbyFound& found) { return words_of(found.members); }

inline std::size_t words_of(const Positions& positions) {
  return 2 + positions.members.size() * (kWordsOf<schema::Position> + kWordsOf<schema::Point> + kGeohashWords);
}

inline std::size_t words_of(const LayersPage& page) { return words_of(page.layers); }

inline std::size_t words_of(const PlacesReply& reply) {
  return std::visit([](const auto& one) { return words_of(one); }, reply);
}

constexpr std::size_t kCapabilityWords = 1 + kWordsOf<capnp::rpc::CapDescriptor>;  // in a table of one

// With the session that it comes with.
inline std::size_t words_of(const Welcome& welcome) {
  return kWordsOf<schema::Welcome> + words_of_bytes(welcome.user.text().size()) + kWordsOf<schema::Limits> +
         kCapabilityWords;
}

inline std::size_t words_of(const SendAnswer& answer) {
  std::size_t words = kWordsOf<schema::SendAnswer> + kWordsOf<schema::Stored>;
  if (const auto* refused = std::get_if<SendAnswer::Refused>(&answer.value)) words += words_of(refused->error);
  if (const auto* held = std::get_if<SendAnswer::Held>(&answer.value)) words += words_of(held->error);
  return words;
}

}  // namespace earshot::gateway
