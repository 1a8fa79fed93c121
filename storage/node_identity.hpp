#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/ids.hpp"

namespace earshot::storage {

// A node's identity, written when its data directory is made, and again when the node gets another place:
//
//   (nothing) ─► kAlone ──► kFounding ──founded()──► kMember
//        └───────────────────►┘                        ▲
//        └────► kJoining ─────────finish_join()────────┘
struct NodeIdentity {
  enum class Place : std::uint8_t {
    kAlone = 0,     // a broker of its own, without peers
    kJoining = 1,   // asks a cluster for an identity; nothing but `join_nonce` is known
    kFounding = 2,  // the first node of a cluster: groups without a log begin with this node as their only voter
    kMember = 3,  // of a cluster. A group without a log waits to be told of: to vote anew could undo what it voted for
  };
  static constexpr std::uint32_t kFormat = 4;
  std::uint32_t format = kFormat;  // of the directory's layout; a newer one is refused with kUnsupportedVersion
  std::uint64_t cluster_id = 0;    // random
  NodeId node{1};
  std::uint16_t shard_count = 0;  // fixed for the cluster's life
  Place place = Place::kAlone;
  MessageId join_nonce;  // that the node joins, or joined, with; 0: it did not
};

// As the identity file holds it, behind a seal.
std::string encode_identity(const NodeIdentity& identity);
// `path` is what messages call the file. kCorrupt, kUnsupportedVersion.
Result<NodeIdentity> decode_identity(std::string_view file, const std::string& path);
// kCorrupt when the parts contradict each other.
Status check_identity(const NodeIdentity& identity, const std::string& path);

}  // namespace earshot::storage
