#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "base/layer_privacy.hpp"
#include "schema/manage.hpp"
#include "schema/messages.hpp"

// What a shard keeps on disk, as C++ types, with their codecs. `encode` gives one unpacked Cap'n Proto message;
// `decode_…` gives kCorrupt for bytes that are no such message or break a rule of their fields: never a crash, never an
// unbounded allocation. The checksum in front of a stored value is storage's business, not this file's.
namespace earshot {

// One message in one mailbox; the sequence is in the key.
struct MailboxRecord {
  UserId sender;
  DeviceId sender_device;
  MessageId id;
  std::string body;
  std::uint64_t checksum = 0;
  std::uint64_t sent_at_ms = 0;
  std::uint64_t stored_at_ms = 0;           // the shard's time
  UserId copy_of = {};                      // empty, or on the sender's own copy its recipient
  std::uint64_t expires_at_ms = 0;          // 0: never. In a transfer between shards: how long it still has to live
  Sequence replay_of = {};                  // the parked message that this is a copy of; 0: none
  LostReason ended = LostReason::kUnknown;  // else: the message is gone, its body with it, and why
  std::uint64_t ended_at_ms = 0;
  bool operator==(const MailboxRecord&) const = default;
};

struct MailboxHead {
  Sequence first{1};  // the oldest kept sequence; last + 1 when nothing is kept
  Sequence last;      // the newest sequence given out
  std::uint32_t devices = 0;
  LostReason gone_reason = LostReason::kUnknown;  // of everything below `first`
  bool operator==(const MailboxHead&) const = default;
};

// One device's place in its user's mailbox.
struct CursorRecord {
  Sequence up_to;               // everything up to here is acked
  std::vector<Sequence> above;  // acked beyond it, ascending, at most selective_acks_max
  ProducerId producer;
  std::uint64_t last_seen_ms = 0;  // the shard's time at its last login, ack or touch
  struct Attempt {
    Sequence sequence;
    std::uint32_t count = 0;
    bool operator==(const Attempt&) const = default;
  };
  std::vector<Attempt> attempts;  // fruitless deliveries of unacked messages, ascending, at most attempts_kept_max
  struct AckMark {
    Sequence up_to;
    std::uint64_t at_ms = 0;
    bool operator==(const AckMark&) const = default;
  };
  std::vector<AckMark> marks;  // when up_to got where, oldest first, at most ack_marks_max
  std::uint32_t parked = 0;    // how many ParkedRecords the device has
  LoginOrder last_login = {};
  bool operator==(const CursorRecord&) const = default;
};

// A message that was given up on for a device; user, device and sequence are in the key.
struct ParkedRecord {
  std::uint32_t deliveries = 0;
  std::uint64_t parked_at_ms = 0;
  bool operator==(const ParkedRecord&) const = default;
};

// A producer that no device has any more: its lanes are dropped some time later.
struct ForgottenProducer {
  std::uint64_t since_ms = 0;
  bool operator==(const ForgottenProducer&) const = default;
};

// The round through all records that ends what is too old.
struct SweepHead {
  std::string position;               // the key to go on from; empty: no round is under way
  std::uint64_t started_ms = 0;       // tick at which the last round began
  std::uint64_t interval_ms = 0;      // from there to the next round; while one is under way: as far as is known
  std::uint64_t spares_until_ms = 0;  // tick before which no device and no producer ends: time has leapt
  bool operator==(const SweepHead&) const = default;
};

// The recorded answer of a lane number: what a repeat gets again.
using KnownAnswer = std::variant<Stored, Error>;  // Error: finally refused

// One producer's stream into this shard.
struct LaneRecord {
  UserId user;
  DeviceId device;
  LaneNumber expected{1};
  struct Known {
    MessageId id;
    KnownAnswer answer;
    bool operator==(const Known&) const = default;
  };
  std::vector<Known> known;  // of the numbers just below `expected`, ascending, without holes
  std::uint64_t last_used_ms = 0;
  bool operator==(const LaneRecord&) const = default;
};

enum class OutboxCause : std::uint16_t { kCopyToSelf = 0, kForgetProducers = 1, kLost = 2 };

// A consequence for another shard; target and number are in the key.
struct OutboxRecord {
  OutboxCause cause = OutboxCause::kCopyToSelf;
  std::vector<UserId> recipients = {};     // kCopyToSelf: users of the target shard
  MailboxRecord message = {};              // kCopyToSelf: one body for all of them; stored_at_ms is set by the target
  std::vector<ProducerId> producers = {};  // kForgetProducers: their lanes are dropped
  bool operator==(const OutboxRecord&) const = default;
};

struct OutboxHead {             // this shard's stream to one target shard
  std::uint64_t next = 1;       // the next number to give out
  std::uint64_t confirmed = 0;  // committed by the target up to here
  bool operator==(const OutboxHead&) const = default;
};

struct InboundHead {  // the stream of one origin shard into this one
  Epoch epoch;
  std::uint64_t last = 0;
  bool operator==(const InboundHead&) const = default;
};

// Where a member of a layer is; both are in the key.
struct PositionRecord {
  double score = 0;                 // a geohash of 52 bits; or any number, which is no place on Earth
  std::uint64_t version = 0;        // ascends with every change that the shard makes to any position; never used again
  std::uint64_t expires_at_ms = 0;  // 0: never
  bool hidden = false;              // from every user but the member itself
  bool operator==(const PositionRecord&) const = default;
};

struct LayerHead {                    // a shard's part of a layer
  std::uint64_t members = 0;          // who are in it
  std::uint64_t dead = 0;             // records that stand there still though the layer was cleared after them
  std::uint64_t cleared_through = 0;  // the version from which backwards they are dead
  std::string swept_through;          // the member up to which the dead are gone; "": none is yet
  bool operator==(const LayerHead&) const = default;
};

// What is remembered of a device for a while; user and device are in the key.
struct LastLogin {
  std::uint64_t login = 0;     // the greatest LoginOutcome::number that has changed anything here; 0: none has
  LoginOrder removed_at = {};  // the last login before the device was removed; store 0: not known
  std::uint64_t until_ms = 0;
  bool operator==(const LastLogin&) const = default;
};

struct ShardHead {  // one per shard, written with every flush
  LogIndex applied_index;
  Term applied_term;
  std::uint64_t tick_ms = 0;
  Epoch epoch{1};
  std::uint64_t next_producer = 1;
  std::uint64_t now_ms = 0;            // the newest time that an entry told, with a tick or without
  std::uint64_t position_version = 0;  // the newest that was given to a position
  bool operator==(const ShardHead&) const = default;
};

std::string encode(const MailboxRecord& record);
std::string encode(const MailboxHead& head);
std::string encode(const CursorRecord& cursor);
std::string encode(const ParkedRecord& parked);
std::string encode(const ForgottenProducer& producer);
std::string encode(const Policy& policy);
std::string encode(const SweepHead& sweep);
std::string encode(const LaneRecord& lane);
std::string encode(const OutboxRecord& record);
std::string encode(const OutboxHead& head);
std::string encode(const InboundHead& head);
std::string encode(const PositionRecord& position);
std::string encode(const LayerHead& head);
std::string encode(const LayerPrivacy& privacy);
std::string encode(const LastLogin& last);
std::string encode(const ShardHead& head);

Result<MailboxRecord> decode_mailbox_record(std::string_view bytes);
// Only its id, without a copy of the body: for looking through many.
Result<MessageId> decode_message_id(std::string_view bytes);
Result<MailboxHead> decode_mailbox_head(std::string_view bytes);
Result<CursorRecord> decode_cursor_record(std::string_view bytes);
Result<ParkedRecord> decode_parked_record(std::string_view bytes);
Result<ForgottenProducer> decode_forgotten_producer(std::string_view bytes);
Result<Policy> decode_policy_record(std::string_view bytes);
Result<SweepHead> decode_sweep_head(std::string_view bytes);
Result<LaneRecord> decode_lane_record(std::string_view bytes);
Result<OutboxRecord> decode_outbox_record(std::string_view bytes);
Result<OutboxHead> decode_outbox_head(std::string_view bytes);
Result<InboundHead> decode_inbound_head(std::string_view bytes);
Result<PositionRecord> decode_position_record(std::string_view bytes);
Result<LayerHead> decode_layer_head(std::string_view bytes);
Result<LastLogin> decode_last_login(std::string_view bytes);
Result<LayerPrivacy> decode_layer_privacy_record(std::string_view bytes);
Result<ShardHead> decode_shard_head(std::string_view bytes);

}  // namespace earshot
