#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "cluster/effects.hpp"

// What the leader of a shard and a node that it tells of its members say to each other: structs within a node, flat
// bytes with a checksum between nodes (schema/feed.capnp).
namespace earshot::actors {

// Which feed of a shard: numbers count within it.
struct FeedId {
  Term term;                       // of the leader
  std::uint64_t subscription = 0;  // chosen by who subscribes: each start of a node has its own upper half, and there
                                   // the newer one is the greater one
  bool operator==(const FeedId&) const = default;
};

// ---- to the leader

struct FeedSubscribe {
  FeedId id;
  std::vector<NodeId> view;  // the nodes that share the regions, ascending
  bool operator==(const FeedSubscribe&) const = default;
};
struct FeedAck {
  FeedId id;
  std::uint64_t number = 0;  // everything up to here is seen by whoever asks this node
  std::uint64_t pages = 0;   // of the scan: so many are taken in by the cells too
  bool operator==(const FeedAck&) const = default;
};
struct FeedAskLease {
  FeedId id;
  std::uint64_t ask = 0;
  bool operator==(const FeedAskLease&) const = default;
};

// ---- from the leader

enum class FeedScan : std::uint8_t {
  kNone,    // a change
  kBegins,  // whoever is not told of from here to the end is not there any more
  kPage,
  kEnds,
};
// What has become of members, all of it in the order in which it became so: a page says where they are at that moment.
// It has those of the node's regions, and whoever has moved of late, wherever that was.
struct FeedItems {
  FeedId id;
  std::uint64_t number = 0;
  FeedScan scan = FeedScan::kNone;
  std::vector<cluster::Move> moves;
  std::vector<cluster::ClearedLayer> cleared;
  std::vector<cluster::PrivacyChange> privacies;
  bool tells_late = false;  // of a scan that begins: whoever has moved of late is among them
  bool operator==(const FeedItems&) const = default;
};
struct FeedGrant {
  FeedId id;
  std::uint64_t ask = 0;
  std::uint64_t through = 0;  // the lease is live once everything up to this number is taken in
  bool operator==(const FeedGrant&) const = default;
};
struct FeedGone {  // it is not fed, or not any more
  FeedId id;
  bool operator==(const FeedGone&) const = default;
};

using FeedRequest = std::variant<FeedSubscribe, FeedAck, FeedAskLease>;
using FeedTiding = std::variant<std::shared_ptr<const FeedItems>, FeedGrant, FeedGone>;

// About what they take in memory.
std::size_t bytes_of(const FeedItems& items);

// ---- between nodes

std::string encode(const FeedRequest& request);
std::string encode(const FeedTiding& tiding);
// Whether bytes that came on the topic of places are a request for a leader; else they are a tiding. Looks no further.
bool is_feed_request(std::string_view bytes);
// kChecksumMismatch, kCorrupt: no message of this kind; kInvalidArgument, kTooLarge: a field breaks a rule.
Result<FeedRequest> decode_feed_request(std::string_view bytes);
Result<FeedTiding> decode_feed_tiding(std::string_view bytes);

}  // namespace earshot::actors
