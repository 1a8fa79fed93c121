#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/ids.hpp"

// Keys of a shard's state. On disk every key is preceded by the shard (2 bytes, big-endian), so that one shard is one
// contiguous range: it can be counted, digested, streamed and dropped by itself. Integers are big-endian so that bytes
// sort as numbers; a name ends with a zero byte, which no name contains, so that no user's range runs into another's. A
// member of a layer may be any bytes: nothing stands behind it.
//
//   H user 0                        -> schema::MailboxHead
//   M user 0 sequence(8)            -> schema::MailboxRecord
//   C user 0 device 0               -> schema::CursorRecord
//   E expires(8) user 0 sequence(8) -> nothing: the message ends when the tick reaches it
//   K user 0 device 0 sequence(8)   -> schema::ParkedRecord
//   P                               -> schema::PolicyRecord of every mailbox without its own
//   P user 0                        -> schema::PolicyRecord
//   G layer 0 member                -> schema::PositionRecord
//   X expires(8) layer 0 member     -> nothing: the position ends when the tick reaches it
//   Y layer 0                       -> schema::LayerHead
//   V layer 0                       -> schema::LayerPrivacyRecord
//   R user 0 device 0               -> schema::LastLogin
//   Q until(8) user 0 device 0      -> nothing: that is forgotten when the tick reaches it
//   L producer(8)                   -> schema::LaneRecord
//   F producer(8)                   -> schema::ForgottenProducer: will never be used again, to be told to the shards
//   O target(2) number(8)           -> schema::OutboxRecord
//   T target(2)                     -> schema::OutboxHead
//   I origin(2)                     -> schema::InboundHead
//   S                               -> schema::ShardHead
//   W                               -> schema::SweepHead
//   B                               -> schema::SeedHead; storage's own (seed_sink.hpp): the shard has no state yet
//   N                               -> schema::MetaRecord; all that the meta group (log_types.hpp) has, and only that
//   D                               -> schema::ShardSums; storage's own (table_sums.hpp), hidden from the state machine
namespace earshot::storage::keys {

std::string mailbox_head(const UserId& user);
std::string message(const UserId& user, Sequence sequence);
// The sequence at the end of a message key.
Sequence sequence_of(std::string_view message_key);
std::string cursor(const UserId& user, const DeviceId& device);
// Bounds [from, to) of all cursors of a user.
std::string cursors_from(const UserId& user);
std::string cursors_to(const UserId& user);
DeviceId device_of(std::string_view cursor_key, const UserId& user);
// The user that a mailbox head, a message, a cursor or a policy belongs to.
UserId user_of(std::string_view key);
struct Expiry {
  std::uint64_t at_ms = 0;
  UserId user;
  Sequence sequence;
  auto operator<=>(const Expiry&) const = default;
};
std::string expiry(const Expiry& expiry);
Expiry expiry_of(std::string_view expiry_key);
// The first key behind all expiries up to and with at_ms.
std::string expiries_to(std::uint64_t at_ms);
std::string parked(const UserId& user, const DeviceId& device, Sequence sequence);
std::string policy(const UserId& user);  // of nobody: the one of every mailbox without its own
std::string position(const LayerId& layer, std::string_view member);
// Bounds [from, to) of all positions of a layer.
std::string positions_from(const LayerId& layer);
std::string positions_to(const LayerId& layer);
// The layer that a position, a layer's head or its privacy belongs to, and the member.
LayerId layer_of(std::string_view key);
std::string_view member_of(std::string_view position_key);
struct PositionExpiry {
  std::uint64_t at_ms = 0;
  LayerId layer;
  std::string member;
  auto operator<=>(const PositionExpiry&) const = default;
};
std::string position_expiry(const PositionExpiry& expiry);
PositionExpiry position_expiry_of(std::string_view key);
// The first key behind all of them up to and with at_ms.
std::string position_expiries_to(std::uint64_t at_ms);
std::string last_login(const UserId& user, const DeviceId& device);
struct LastLoginEnd {
  std::uint64_t at_ms = 0;
  UserId user;
  DeviceId device;
  auto operator<=>(const LastLoginEnd&) const = default;
};
std::string last_login_end(const LastLoginEnd& end);
LastLoginEnd last_login_end_of(std::string_view key);
// The first key behind all of them up to and with at_ms.
std::string last_login_ends_to(std::uint64_t at_ms);
std::string layer_head(const LayerId& layer);
std::string layer_privacy(const LayerId& layer);
std::string lane(ProducerId producer);
std::string forgotten_producer(ProducerId producer);
// The producer at the end of a key of a forgotten one.
ProducerId producer_of(std::string_view forgotten_producer_key);
std::string outbox(ShardId target, std::uint64_t number);
std::uint64_t number_of(std::string_view outbox_key);
std::string outbox_head(ShardId target);
ShardId target_of(std::string_view outbox_head_key);
std::string inbound_head(ShardId origin);
std::string shard_head();
std::string sweep_head();
std::string meta_record();
std::string shard_sums();
std::string seed_head();
// Whether the state machine may not write it.
bool is_storage_own(std::string_view key);

// Appends `value` big-endian.
void append_big_endian(std::string& key, std::uint64_t value, std::size_t bytes = 8);
// Reads `bytes` big-endian bytes at `offset`; bytes beyond the key's end, as only damage can make them missing, read as
// 0.
std::uint64_t read_big_endian(std::string_view key, std::size_t offset, std::size_t bytes = 8);

}  // namespace earshot::storage::keys
