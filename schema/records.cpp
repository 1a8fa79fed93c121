#include "schema/records.hpp"

#include "base/limits.hpp"
#include "schema/fields.hpp"
#include "schema/flat.hpp"
#include "schema/record_codec.hpp"
#include "schema/wire.hpp"

namespace earshot {
namespace codec {

std::size_t words_behind(const Error& error) {
  return flat::words_of_text(error.field.size()) + flat::words_of_text(error.detail.size());
}

std::size_t words_behind(const MailboxRecord& record) {
  return flat::words_of_text(record.sender.text().size()) + flat::words_of_text(record.sender_device.text().size()) +
         flat::words_of_data(record.body.size()) + flat::words_of_text(record.copy_of.text().size());
}

std::size_t words_behind(const OutboxRecord& record) {
  std::size_t words = record.recipients.size() + record.producers.size();
  if (record.cause == OutboxCause::kCopyToSelf) {
    words += flat::words_of<schema::MailboxRecord>() + words_behind(record.message);
  }
  for (const UserId& user : record.recipients) words += flat::words_of_text(user.text().size());
  return words;
}

// ---- private to this file

static constexpr std::size_t kKeyBytesMax = 511;  // of storage's keys

static std::size_t words_behind(const LaneRecord& lane) {
  std::size_t words = flat::words_of_text(lane.user.text().size()) + flat::words_of_text(lane.device.text().size()) +
                      flat::words_of_list<schema::KnownAnswer>(lane.known.size());
  for (const auto& known : lane.known)
    if (const auto* error = std::get_if<Error>(&known.answer))
      words += flat::words_of<schema::Error>() + codec::words_behind(*error);
  return words;
}

static void write(const MailboxRecord& from, schema::MailboxRecord::Builder to) {
  to.setSender(flat::text(from.sender.text()));
  to.setSenderDevice(flat::text(from.sender_device.text()));
  to.setIdHigh(from.id.high);
  to.setIdLow(from.id.low);
  to.setBody(flat::data(from.body));
  to.setChecksum(from.checksum);
  to.setSentAtMs(from.sent_at_ms);
  to.setStoredAtMs(from.stored_at_ms);
  if (!from.copy_of.empty()) to.setCopyOf(flat::text(from.copy_of.text()));
  to.setExpiresAtMs(from.expires_at_ms);
  to.setReplayOf(from.replay_of.value);
  to.setEnded(static_cast<schema::LostReason>(from.ended));
  to.setEndedAtMs(from.ended_at_ms);
}

// Whether a message is served hangs on it: an unknown reason is not taken for none.
static LostReason read_reason(schema::LostReason from, std::string_view field, Fields& fields) {
  const auto reason = static_cast<LostReason>(from);
  fields.require(reason <= LostReason::kParked, field, "is unknown");
  return reason;
}

static Result<MailboxRecord> read(schema::MailboxRecord::Reader from, Fields::Source source = Fields::Source::kStored) {
  Fields fields(source);
  MailboxRecord record;
  record.sender = fields.user(from.getSender(), "sender");
  record.sender_device = fields.device(from.getSenderDevice(), "senderDevice");
  record.id = MessageId{from.getIdHigh(), from.getIdLow()};
  record.body = fields.data(from.getBody(), limits::kBodyBytesMax, "body");
  record.checksum = from.getChecksum();
  record.sent_at_ms = from.getSentAtMs();
  record.stored_at_ms = from.getStoredAtMs();
  record.copy_of = fields.user_or_none(from.getCopyOf(), "copyOf");
  record.expires_at_ms = from.getExpiresAtMs();
  record.replay_of = Sequence(from.getReplayOf());
  record.ended = read_reason(from.getEnded(), "ended", fields);
  record.ended_at_ms = from.getEndedAtMs();
  return fields.finish(std::move(record));
}

static Result<MailboxHead> read(schema::MailboxHead::Reader from) {
  Fields fields(Fields::Source::kStored);
  MailboxHead head;
  head.first = Sequence(fields.positive(from.getFirst(), "first"));
  head.last = Sequence(from.getLast());
  fields.require(head.first.previous() <= head.last, "first", "must not exceed last + 1");
  head.devices = from.getDevices();
  head.gone_reason = read_reason(from.getGoneReason(), "goneReason", fields);
  return fields.finish(std::move(head));
}

static Result<CursorRecord> read(schema::CursorRecord::Reader from) {
  Fields fields(Fields::Source::kStored);
  CursorRecord cursor;
  cursor.up_to = Sequence(from.getUpTo());
  cursor.above = fields.ascending(from.getAbove(), cursor.up_to, limits::kSelectiveAcksMax, "above");
  cursor.producer = ProducerId(from.getProducer());
  cursor.last_seen_ms = from.getLastSeenMs();
  if (fields.fits(from.getAttempts().size(), limits::kAttemptsKeptMax, "attempts", "entries")) {
    for (auto attempt : from.getAttempts())
      cursor.attempts.push_back({Sequence(attempt.getSequence()), attempt.getCount()});
  }
  if (fields.fits(from.getMarks().size(), limits::kAckMarksMax, "marks", "entries")) {
    for (auto mark : from.getMarks()) cursor.marks.push_back({Sequence(mark.getUpTo()), mark.getAtMs()});
  }
  cursor.parked = from.getParked();
  cursor.last_login = {from.getStore(), from.getLoginNumber()};
  return fields.finish(std::move(cursor));
}

static Result<ForgottenProducer> read(schema::ForgottenProducer::Reader from) {
  return ForgottenProducer{from.getSinceMs()};
}

static Result<ParkedRecord> read(schema::ParkedRecord::Reader from) {
  return ParkedRecord{from.getDeliveries(), from.getParkedAtMs()};
}

static Result<Policy> read(schema::PolicyRecord::Reader from) { return read(from.getPolicy()); }

static Result<SweepHead> read(schema::SweepHead::Reader from) {
  Fields fields(Fields::Source::kStored);
  SweepHead sweep;
  sweep.position = fields.data(from.getPosition(), kKeyBytesMax, "position");
  sweep.started_ms = from.getStartedMs();
  sweep.interval_ms = from.getIntervalMs();
  sweep.spares_until_ms = from.getSparesUntilMs();
  return fields.finish(std::move(sweep));
}

static void write(const LaneRecord::Known& from, schema::KnownAnswer::Builder to) {
  to.setIdHigh(from.id.high);
  to.setIdLow(from.id.low);
  if (const auto* stored = std::get_if<Stored>(&from.answer)) {
    auto builder = to.initStored();
    builder.setSequence(stored->sequence.value);
    builder.setEpoch(stored->epoch.value);
  } else {
    wire::write(std::get<Error>(from.answer), to.initRefused());
  }
}

static Result<LaneRecord::Known> read(schema::KnownAnswer::Reader from) {
  LaneRecord::Known known;
  known.id = MessageId{from.getIdHigh(), from.getIdLow()};
  switch (from.which()) {
    case schema::KnownAnswer::STORED:
      known.answer = Stored{Sequence(from.getStored().getSequence()), Epoch(from.getStored().getEpoch())};
      return known;
    case schema::KnownAnswer::REFUSED: known.answer = wire::read(from.getRefused()); return known;
  }
  return flat::corrupt("known", "an answer of an unknown kind");
}

static Result<LaneRecord> read(schema::LaneRecord::Reader from) {
  Fields fields(Fields::Source::kStored);
  LaneRecord lane;
  lane.user = fields.user(from.getUser(), "user");
  lane.device = fields.device(from.getDevice(), "device");
  lane.expected = LaneNumber(fields.positive(from.getExpected(), "expected"));
  const auto known = from.getKnown();
  fields.require(known.size() < lane.expected.value, "known", "must not hold more answers than there were numbers");
  if (fields.fits(known.size(), limits::kLaneWindowMax, "known", "entries")) {
    lane.known.reserve(known.size());
    for (auto element : known) {
      lane.known.push_back(fields.inner(read(element)));
      if (!fields.ok()) break;
    }
  }
  lane.last_used_ms = from.getLastUsedMs();
  return fields.finish(std::move(lane));
}

static Result<OutboxHead> read(schema::OutboxHead::Reader from) {
  Fields fields(Fields::Source::kStored);
  OutboxHead head;
  head.next = fields.positive(from.getNext(), "next");
  head.confirmed = from.getConfirmed();
  fields.require(head.confirmed < head.next, "confirmed", "must be below next");
  return fields.finish(head);
}

static Result<InboundHead> read(schema::InboundHead::Reader from) {
  return InboundHead{Epoch(from.getEpoch()), from.getLast()};
}

static Result<PositionRecord> read(schema::PositionRecord::Reader from) {
  return PositionRecord{from.getScore(), from.getVersion(), from.getExpiresAtMs(), from.getHidden()};
}

static Result<LayerHead> read(schema::LayerHead::Reader from) {
  Fields fields(Fields::Source::kStored);
  LayerHead head;
  head.members = from.getMembers();
  head.dead = from.getDead();
  head.cleared_through = from.getClearedThrough();
  head.swept_through = fields.data(from.getSweptThrough(), limits::kMemberBytesMax, "sweptThrough");
  return fields.finish(std::move(head));
}

static Result<LayerPrivacy> read(schema::LayerPrivacyRecord::Reader from) { return read(from.getPrivacy()); }

static Result<LastLogin> read(schema::LastLogin::Reader from) {
  return LastLogin{from.getLogin(), {from.getStore(), from.getLoginNumber()}, from.getUntilMs()};
}

static Result<ShardHead> read(schema::ShardHead::Reader from) {
  Fields fields(Fields::Source::kStored);
  ShardHead head;
  head.applied_index = LogIndex(from.getAppliedIndex());
  head.applied_term = Term(from.getAppliedTerm());
  head.tick_ms = from.getTickMs();
  head.epoch = Epoch(fields.positive(from.getEpoch(), "epoch"));
  head.next_producer = fields.positive(from.getNextProducer(), "nextProducer");
  head.now_ms = from.getNowMs();
  head.position_version = from.getPositionVersion();
  return fields.finish(head);
}

template <class Root, class Record>
static Result<Record> decode(std::string_view bytes, std::string_view what) {
  return flat::read<Root>(bytes, what, [](typename Root::Reader root) -> Result<Record> { return read(root); });
}

// ---- shared with commands

void write(const OutboxRecord& from, schema::OutboxRecord::Builder to) {
  to.setCause(static_cast<schema::Cause>(from.cause));
  auto recipients = to.initRecipients(static_cast<capnp::uint>(from.recipients.size()));
  for (capnp::uint i = 0; i < recipients.size(); ++i) recipients.set(i, flat::text(from.recipients[i].text()));
  if (from.cause == OutboxCause::kCopyToSelf) write(from.message, to.initMessage());
  auto producers = to.initProducers(static_cast<capnp::uint>(from.producers.size()));
  for (capnp::uint i = 0; i < producers.size(); ++i) producers.set(i, from.producers[i].value);
}

void write(const LayerPrivacy& from, schema::LayerPrivacy::Builder to) {
  to.setPrecisionM(from.precision_m);
  to.setDistanceStepM(from.distance_step_m);
  to.setQueriesPerMinute(from.queries_per_minute);
}

LayerPrivacy read(schema::LayerPrivacy::Reader from) {
  return {from.getPrecisionM(), from.getDistanceStepM(), from.getQueriesPerMinute()};
}

void check(const LayerPrivacy& privacy, Fields& fields) {
  fields.at_most(privacy.precision_m, limits::kPrecisionMMax, "privacy.precisionM");
  fields.at_most(privacy.distance_step_m, limits::kDistanceStepMMax, "privacy.distanceStepM");
  fields.at_most(privacy.queries_per_minute, limits::kQueriesPerMinuteMax, "privacy.queriesPerMinute");
}

void write(const Policy& from, schema::Policy::Builder to) {
  to.setRetentionAgeMs(from.retention_age_ms);
  to.setRetentionMessages(from.retention_messages);
  to.setDeviceIdleMs(from.device_idle_ms);
  to.setDeliveriesMax(from.deliveries_max);
}

Policy read(schema::Policy::Reader from) {
  return Policy{from.getRetentionAgeMs(), from.getRetentionMessages(), from.getDeviceIdleMs(), from.getDeliveriesMax()};
}

Result<OutboxRecord> read(schema::OutboxRecord::Reader from, Fields::Source source) {
  Fields fields(source);
  OutboxRecord record;
  record.cause = static_cast<OutboxCause>(from.getCause());
  // What a cause means decides what the target shard does: an unknown one cannot be obeyed.
  fields.require(record.cause <= OutboxCause::kLost, "cause", "is unknown");
  for (auto recipient : from.getRecipients()) {
    record.recipients.push_back(fields.user(recipient, "recipients"));
    if (!fields.ok()) break;
  }
  if (record.cause == OutboxCause::kCopyToSelf) record.message = fields.inner(read(from.getMessage(), source));
  if (fields.fits(from.getProducers().size(), limits::kSweepRecordsPerEntryMax, "producers", "entries")) {
    for (const std::uint64_t producer : from.getProducers()) record.producers.emplace_back(producer);
  }
  return fields.finish(std::move(record));
}

}  // namespace codec

std::string encode(const MailboxRecord& record) {
  flat::Writer writer(flat::words_of<schema::MailboxRecord>() + codec::words_behind(record));
  codec::write(record, writer.initRoot<schema::MailboxRecord>());
  return writer.take();
}

std::string encode(const MailboxHead& head) {
  flat::Writer writer(flat::words_of<schema::MailboxHead>());
  auto root = writer.initRoot<schema::MailboxHead>();
  root.setFirst(head.first.value);
  root.setLast(head.last.value);
  root.setDevices(head.devices);
  root.setGoneReason(static_cast<schema::LostReason>(head.gone_reason));
  return writer.take();
}

std::string encode(const CursorRecord& cursor) {
  flat::Writer writer(flat::words_of<schema::CursorRecord>() + cursor.above.size() +
                      flat::words_of_list<schema::CursorRecord::Attempt>(cursor.attempts.size()) +
                      flat::words_of_list<schema::CursorRecord::AckMark>(cursor.marks.size()));
  auto root = writer.initRoot<schema::CursorRecord>();
  root.setUpTo(cursor.up_to.value);
  if (!cursor.above.empty()) {
    auto above = root.initAbove(static_cast<capnp::uint>(cursor.above.size()));
    for (capnp::uint i = 0; i < above.size(); ++i) above.set(i, cursor.above[i].value);
  }
  root.setProducer(cursor.producer.value);
  root.setLastSeenMs(cursor.last_seen_ms);
  if (!cursor.attempts.empty()) {
    auto attempts = root.initAttempts(static_cast<capnp::uint>(cursor.attempts.size()));
    for (capnp::uint i = 0; i < attempts.size(); ++i) {
      attempts[i].setSequence(cursor.attempts[i].sequence.value);
      attempts[i].setCount(cursor.attempts[i].count);
    }
  }
  if (!cursor.marks.empty()) {
    auto marks = root.initMarks(static_cast<capnp::uint>(cursor.marks.size()));
    for (capnp::uint i = 0; i < marks.size(); ++i) {
      marks[i].setUpTo(cursor.marks[i].up_to.value);
      marks[i].setAtMs(cursor.marks[i].at_ms);
    }
  }
  root.setParked(cursor.parked);
  root.setStore(cursor.last_login.store);
  root.setLoginNumber(cursor.last_login.number);
  return writer.take();
}

std::string encode(const ParkedRecord& parked) {
  flat::Writer writer(flat::words_of<schema::ParkedRecord>());
  auto root = writer.initRoot<schema::ParkedRecord>();
  root.setDeliveries(parked.deliveries);
  root.setParkedAtMs(parked.parked_at_ms);
  return writer.take();
}

std::string encode(const ForgottenProducer& producer) {
  flat::Writer writer(flat::words_of<schema::ForgottenProducer>());
  writer.initRoot<schema::ForgottenProducer>().setSinceMs(producer.since_ms);
  return writer.take();
}

std::string encode(const Policy& policy) {
  flat::Writer writer(flat::words_of<schema::PolicyRecord>() + flat::words_of<schema::Policy>());
  codec::write(policy, writer.initRoot<schema::PolicyRecord>().initPolicy());
  return writer.take();
}

std::string encode(const SweepHead& sweep) {
  flat::Writer writer(flat::words_of<schema::SweepHead>() + flat::words_of_data(sweep.position.size()));
  auto root = writer.initRoot<schema::SweepHead>();
  root.setPosition(flat::data(sweep.position));
  root.setStartedMs(sweep.started_ms);
  root.setIntervalMs(sweep.interval_ms);
  root.setSparesUntilMs(sweep.spares_until_ms);
  return writer.take();
}

std::string encode(const LaneRecord& lane) {
  flat::Writer writer(flat::words_of<schema::LaneRecord>() + codec::words_behind(lane));
  auto root = writer.initRoot<schema::LaneRecord>();
  root.setUser(flat::text(lane.user.text()));
  root.setDevice(flat::text(lane.device.text()));
  root.setExpected(lane.expected.value);
  auto known = root.initKnown(static_cast<capnp::uint>(lane.known.size()));
  for (capnp::uint i = 0; i < known.size(); ++i) codec::write(lane.known[i], known[i]);
  root.setLastUsedMs(lane.last_used_ms);
  return writer.take();
}

std::string encode(const OutboxRecord& record) {
  flat::Writer writer(flat::words_of<schema::OutboxRecord>() + codec::words_behind(record));
  codec::write(record, writer.initRoot<schema::OutboxRecord>());
  return writer.take();
}

std::string encode(const OutboxHead& head) {
  flat::Writer writer(flat::words_of<schema::OutboxHead>());
  auto root = writer.initRoot<schema::OutboxHead>();
  root.setNext(head.next);
  root.setConfirmed(head.confirmed);
  return writer.take();
}

std::string encode(const InboundHead& head) {
  flat::Writer writer(flat::words_of<schema::InboundHead>());
  auto root = writer.initRoot<schema::InboundHead>();
  root.setEpoch(head.epoch.value);
  root.setLast(head.last);
  return writer.take();
}

std::string encode(const PositionRecord& position) {
  flat::Writer writer(flat::words_of<schema::PositionRecord>());
  auto root = writer.initRoot<schema::PositionRecord>();
  root.setScore(position.score);
  root.setVersion(position.version);
  root.setExpiresAtMs(position.expires_at_ms);
  root.setHidden(position.hidden);
  return writer.take();
}

std::string encode(const LayerPrivacy& privacy) {
  flat::Writer writer(flat::words_of<schema::LayerPrivacyRecord>() + flat::words_of<schema::LayerPrivacy>());
  codec::write(privacy, writer.initRoot<schema::LayerPrivacyRecord>().initPrivacy());
  return writer.take();
}

std::string encode(const LastLogin& last) {
  flat::Writer writer(flat::words_of<schema::LastLogin>());
  auto root = writer.initRoot<schema::LastLogin>();
  root.setLogin(last.login);
  root.setStore(last.removed_at.store);
  root.setLoginNumber(last.removed_at.number);
  root.setUntilMs(last.until_ms);
  return writer.take();
}

std::string encode(const LayerHead& head) {
  flat::Writer writer(flat::words_of<schema::LayerHead>() + flat::words_of_data(head.swept_through.size()));
  auto root = writer.initRoot<schema::LayerHead>();
  root.setMembers(head.members);
  root.setDead(head.dead);
  root.setClearedThrough(head.cleared_through);
  root.setSweptThrough(flat::data(head.swept_through));
  return writer.take();
}

std::string encode(const ShardHead& head) {
  flat::Writer writer(flat::words_of<schema::ShardHead>());
  auto root = writer.initRoot<schema::ShardHead>();
  root.setAppliedIndex(head.applied_index.value);
  root.setAppliedTerm(head.applied_term.value);
  root.setTickMs(head.tick_ms);
  root.setNowMs(head.now_ms);
  root.setPositionVersion(head.position_version);
  root.setEpoch(head.epoch.value);
  root.setNextProducer(head.next_producer);
  return writer.take();
}

Result<MailboxRecord> decode_mailbox_record(std::string_view bytes) {
  return codec::decode<schema::MailboxRecord, MailboxRecord>(bytes, "mailboxRecord");
}
Result<MessageId> decode_message_id(std::string_view bytes) {
  return flat::read<schema::MailboxRecord>(bytes, "mailboxRecord", [](auto root) -> Result<MessageId> {
    return MessageId{root.getIdHigh(), root.getIdLow()};
  });
}
Result<MailboxHead> decode_mailbox_head(std::string_view bytes) {
  return codec::decode<schema::MailboxHead, MailboxHead>(bytes, "mailboxHead");
}
Result<CursorRecord> decode_cursor_record(std::string_view bytes) {
  return codec::decode<schema::CursorRecord, CursorRecord>(bytes, "cursorRecord");
}
Result<ForgottenProducer> decode_forgotten_producer(std::string_view bytes) {
  return codec::decode<schema::ForgottenProducer, ForgottenProducer>(bytes, "forgottenProducer");
}

Result<ParkedRecord> decode_parked_record(std::string_view bytes) {
  return codec::decode<schema::ParkedRecord, ParkedRecord>(bytes, "parkedRecord");
}
Result<Policy> decode_policy_record(std::string_view bytes) {
  return codec::decode<schema::PolicyRecord, Policy>(bytes, "policyRecord");
}
Result<SweepHead> decode_sweep_head(std::string_view bytes) {
  return codec::decode<schema::SweepHead, SweepHead>(bytes, "sweepHead");
}
Result<LaneRecord> decode_lane_record(std::string_view bytes) {
  return codec::decode<schema::LaneRecord, LaneRecord>(bytes, "laneRecord");
}
Result<OutboxRecord> decode_outbox_record(std::string_view bytes) {
  return codec::decode<schema::OutboxRecord, OutboxRecord>(bytes, "outboxRecord");
}
Result<OutboxHead> decode_outbox_head(std::string_view bytes) {
  return codec::decode<schema::OutboxHead, OutboxHead>(bytes, "outboxHead");
}
Result<InboundHead> decode_inbound_head(std::string_view bytes) {
  return codec::decode<schema::InboundHead, InboundHead>(bytes, "inboundHead");
}
Result<PositionRecord> decode_position_record(std::string_view bytes) {
  return codec::decode<schema::PositionRecord, PositionRecord>(bytes, "positionRecord");
}

Result<LastLogin> decode_last_login(std::string_view bytes) {
  return codec::decode<schema::LastLogin, LastLogin>(bytes, "lastLogin");
}
Result<LayerPrivacy> decode_layer_privacy_record(std::string_view bytes) {
  return codec::decode<schema::LayerPrivacyRecord, LayerPrivacy>(bytes, "layerPrivacyRecord");
}

Result<LayerHead> decode_layer_head(std::string_view bytes) {
  return codec::decode<schema::LayerHead, LayerHead>(bytes, "layerHead");
}

Result<ShardHead> decode_shard_head(std::string_view bytes) {
  return codec::decode<schema::ShardHead, ShardHead>(bytes, "shardHead");
}

}  // namespace earshot
