#include "storage/node_identity.hpp"

#include <algorithm>
#include <cstddef>

#include "base/limits.hpp"
#include "storage/keys.hpp"
#include "storage/seal.hpp"

namespace earshot::storage {
namespace {

// The identity file: a seal (checksum) over all that follows, the magic, the format, then what that format says. Seal,
// magic and format stay where they are in every format, so that a newer one is told from damage.
constexpr std::string_view kMagic = "EARSHOT\n";
constexpr std::size_t kFormatOffset = kMagic.size();
constexpr std::size_t kClusterOffset = kFormatOffset + 4;
constexpr std::size_t kNodeOffset = kClusterOffset + 8;
constexpr std::size_t kShardsOffset = kNodeOffset + 8;
constexpr std::size_t kPlaceOffset = kShardsOffset + 2;
constexpr std::size_t kNonceOffset = kPlaceOffset + 1;
constexpr std::size_t kIdentityBytes = kNonceOffset + 16;
constexpr std::uint32_t kFormatWithoutPlace = 3;  // every node was alone

}  // namespace

std::string encode_identity(const NodeIdentity& identity) {
  std::string bytes;
  begin_sealed(bytes);
  bytes.append(kMagic);
  keys::append_big_endian(bytes, identity.format, 4);
  keys::append_big_endian(bytes, identity.cluster_id);
  keys::append_big_endian(bytes, identity.node.value);
  keys::append_big_endian(bytes, identity.shard_count, 2);
  if (identity.format > kFormatWithoutPlace) {
    keys::append_big_endian(bytes, static_cast<std::uint64_t>(identity.place), 1);
    keys::append_big_endian(bytes, identity.join_nonce.high);
    keys::append_big_endian(bytes, identity.join_nonce.low);
  }
  finish_sealed(kMagic, bytes);
  return bytes;
}

Result<NodeIdentity> decode_identity(std::string_view file, const std::string& path) {
  const auto bytes = open_sealed(kMagic, file);
  if (!bytes || !bytes->starts_with(kMagic) || bytes->size() < kClusterOffset) {
    return fail(ErrorCode::kCorrupt, "", path + " is damaged, or is no Earshot identity");
  }
  NodeIdentity identity;
  identity.format = static_cast<std::uint32_t>(keys::read_big_endian(*bytes, kFormatOffset, 4));
  if (identity.format == 0 || identity.format > NodeIdentity::kFormat) {
    return fail(ErrorCode::kUnsupportedVersion, "",
                path + " has format " + std::to_string(identity.format) + ", this program knows formats up to " +
                    std::to_string(NodeIdentity::kFormat) + ": use the release that wrote it, or a newer one");
  }
  const bool has_place = identity.format > kFormatWithoutPlace;
  if (bytes->size() != (has_place ? kIdentityBytes : kPlaceOffset)) {
    return fail(ErrorCode::kCorrupt, "", path + " holds no valid identity");
  }
  identity.cluster_id = keys::read_big_endian(*bytes, kClusterOffset);
  identity.node = NodeId(keys::read_big_endian(*bytes, kNodeOffset));
  identity.shard_count = static_cast<std::uint16_t>(keys::read_big_endian(*bytes, kShardsOffset, 2));
  if (has_place) {
    identity.place = static_cast<NodeIdentity::Place>(keys::read_big_endian(*bytes, kPlaceOffset, 1));
    identity.join_nonce =
        MessageId{keys::read_big_endian(*bytes, kNonceOffset), keys::read_big_endian(*bytes, kNonceOffset + 8)};
  }
  if (auto checked = check_identity(identity, path); !checked) return fail(std::move(checked.error()));
  return identity;
}

Status check_identity(const NodeIdentity& identity, const std::string& path) {
  using Place = NodeIdentity::Place;
  const bool has_joined = identity.join_nonce != MessageId();
  const bool is_of_cluster = identity.cluster_id != 0 && identity.node != NodeId() && identity.shard_count > 0 &&
                             identity.shard_count <= limits::kShardsMax;
  bool is_valid = false;
  switch (identity.place) {
    case Place::kAlone:
    case Place::kFounding: is_valid = is_of_cluster && !has_joined; break;
    case Place::kMember: is_valid = is_of_cluster; break;
    case Place::kJoining: is_valid = has_joined; break;
  }
  if (is_valid) return {};
  return fail(ErrorCode::kCorrupt, "", path + " holds no valid identity");
}

}  // namespace earshot::storage
