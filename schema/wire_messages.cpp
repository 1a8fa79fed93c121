#include "base/limits.hpp"
#include "schema/fields.hpp"
#include "schema/flat.hpp"
#include "schema/wire.hpp"

namespace earshot::wire {
namespace {

// The fields that give a message its place in its lane.
OutgoingMessage read_place(schema::Outgoing::Reader from, Fields& fields) {
  OutgoingMessage message;
  message.number = LaneNumber(fields.positive(from.getNumber(), "number"));
  message.answered_below = LaneNumber(from.getAnsweredBelow());
  fields.require(message.answered_below <= message.number, "answeredBelow", "must not exceed number");
  message.id = MessageId{from.getIdHigh(), from.getIdLow()};
  return message;
}

template <class Value, class List>
std::vector<Value> read_all(List list, std::size_t count_max, std::string_view field, Fields& fields) {
  std::vector<Value> values;
  if (!fields.fits(list.size(), count_max, field, "entries")) return values;
  values.reserve(list.size());
  for (auto element : list) {
    values.push_back(fields.inner(read(element)));
    if (!fields.ok()) break;
  }
  return values;
}

}  // namespace

LostReason read_reason(schema::LostReason from) {
  const auto reason = static_cast<LostReason>(from);
  return name_of(reason) != "unknown" ? reason : LostReason::kUnknown;
}

void write(const OutgoingMessage& from, schema::Outgoing::Builder to) {
  to.setRecipient(flat::text(from.recipient.text()));
  to.setNumber(from.number.value);
  to.setAnsweredBelow(from.answered_below.value);
  to.setIdHigh(from.id.high);
  to.setIdLow(from.id.low);
  to.setBody(flat::data(from.body));
  to.setChecksum(from.checksum);
  to.setSentAtMs(from.sent_at_ms);
  to.setCopyToSelf(from.copy_to_self);
  to.setTtlMs(from.ttl_ms);
  to.setExpired(from.expired);
}

Result<OutgoingMessage> read(schema::Outgoing::Reader from) {
  return guarded("message", [&] {
    Fields fields(Fields::Source::kWire);
    OutgoingMessage message = read_place(from, fields);
    fields.require(message.id != MessageId{}, "id", "must not be zero: it tells messages apart");
    message.recipient = fields.user(from.getRecipient(), "recipient");
    message.body = fields.data(from.getBody(), limits::kBodyBytesMax, "body");
    message.checksum = from.getChecksum();
    message.sent_at_ms = from.getSentAtMs();
    message.copy_to_self = from.getCopyToSelf();
    message.ttl_ms = from.getTtlMs();
    fields.at_most(message.ttl_ms, limits::kTtlMsMax, "ttlMs");
    message.expired = from.getExpired();
    return fields.finish(std::move(message));
  });
}

Result<OutgoingMessage> read_refused(schema::Outgoing::Reader from) {
  return guarded("message", [&] {
    Fields fields(Fields::Source::kWire);
    OutgoingMessage message = read_place(from, fields);
    return fields.finish(std::move(message));
  });
}

ShardId lane_of(schema::Outgoing::Reader from, std::uint16_t shard_count) {
  const auto shard =
      guarded("recipient", [&]() -> Result<ShardId> { return shard_of(flat::view(from.getRecipient()), shard_count); });
  return shard ? *shard : shard_of(std::string_view{}, shard_count);
}

Status check_size(capnp::List<schema::Outgoing>::Reader messages) {
  return guarded("messages", [&]() -> Status {
    Fields fields(Fields::Source::kWire);
    if (!fields.fits(messages.size(), limits::kBatchMessagesMax, "messages", "entries")) return fields.finish();
    std::size_t bytes = 0;
    for (auto message : messages) bytes += message.getBody().size();
    fields.fits(bytes, limits::kBatchBytesMax, "messages", "bytes of bodies");
    return fields.finish();
  });
}

void write(const IncomingMessage& from, schema::Incoming::Builder to) { write(from, from.attempt, to); }

void write(const IncomingMessage& from, std::uint32_t attempt, schema::Incoming::Builder to) {
  to.setSequence(from.sequence.value);
  to.setSender(flat::text(from.sender.text()));
  to.setSenderDevice(flat::text(from.sender_device.text()));
  to.setIdHigh(from.id.high);
  to.setIdLow(from.id.low);
  to.setBody(flat::data(from.body));
  to.setChecksum(from.checksum);
  to.setSentAtMs(from.sent_at_ms);
  to.setStoredAtMs(from.stored_at_ms);
  to.setAttempt(attempt);
  if (!from.copy_of.empty()) to.setCopyOf(flat::text(from.copy_of.text()));
  to.setExpiresAtMs(from.expires_at_ms);
  to.setReplayOf(from.replay_of.value);
}

Result<IncomingMessage> read(schema::Incoming::Reader from) {
  return guarded("message", [&] {
    Fields fields(Fields::Source::kWire);
    IncomingMessage message;
    message.sequence = Sequence(fields.positive(from.getSequence(), "sequence"));
    message.sender = fields.user(from.getSender(), "sender");
    message.sender_device = fields.device(from.getSenderDevice(), "senderDevice");
    message.id = MessageId{from.getIdHigh(), from.getIdLow()};
    message.body = fields.data(from.getBody(), limits::kBodyBytesMax, "body");
    message.checksum = from.getChecksum();
    message.sent_at_ms = from.getSentAtMs();
    message.stored_at_ms = from.getStoredAtMs();
    message.attempt = static_cast<std::uint32_t>(fields.positive(from.getAttempt(), "attempt"));
    message.copy_of = fields.user_or_none(from.getCopyOf(), "copyOf");
    message.expires_at_ms = from.getExpiresAtMs();
    message.replay_of = Sequence(from.getReplayOf());
    fields.require(message.replay_of < message.sequence, "replayOf", "must be an earlier sequence");
    return fields.finish(std::move(message));
  });
}

void write(const LostRange& from, schema::LostRange::Builder to) {
  to.setFirst(from.first.value);
  to.setLast(from.last.value);
  to.setReason(static_cast<schema::LostReason>(from.reason));
}

Result<LostRange> read(schema::LostRange::Reader from) {
  return guarded("lost", [&] {
    Fields fields(Fields::Source::kWire);
    LostRange range;
    range.first = Sequence(fields.positive(from.getFirst(), "first"));
    range.last = Sequence(from.getLast());
    fields.require(range.first <= range.last, "last", "must not be below first");
    range.reason = read_reason(from.getReason());
    return fields.finish(std::move(range));
  });
}

void write(const Batch& from, schema::Batch::Builder to) {
  to.setEpoch(from.epoch.value);
  auto messages = to.initMessages(static_cast<capnp::uint>(from.messages.size()));
  for (capnp::uint i = 0; i < messages.size(); ++i) write(from.messages[i], messages[i]);
  auto lost = to.initLost(static_cast<capnp::uint>(from.lost.size()));
  for (capnp::uint i = 0; i < lost.size(); ++i) write(from.lost[i], lost[i]);
  to.setLastSequence(from.last_sequence.value);
}

Result<Batch> read(schema::Batch::Reader from) {
  return guarded("batch", [&] {
    Fields fields(Fields::Source::kWire);
    Batch batch;
    batch.epoch = Epoch(fields.positive(from.getEpoch(), "epoch"));
    batch.messages = read_all<IncomingMessage>(from.getMessages(), limits::kFetchMessagesMax, "messages", fields);
    batch.lost = read_all<LostRange>(from.getLost(), limits::kLostRangesMax, "lost", fields);
    batch.last_sequence = Sequence(from.getLastSequence());
    return fields.finish(std::move(batch));
  });
}

}  // namespace earshot::wire
