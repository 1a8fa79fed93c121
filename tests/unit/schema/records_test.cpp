#include "schema/records.hpp"

#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "schema/commands.hpp"
#include "schema/flat.hpp"
#include "tests/support/seed.hpp"
#include "tests/unit/schema/random_values.hpp"

namespace earshot::tests {
namespace {

constexpr int kRounds = 300;

// Everything that is kept as flat bytes: how a random one is encoded, and whether given bytes decode to it or at all.
struct Kind {
  const char* name;
  std::function<std::string(RandomValues&)> encoded;  // of a random value
  std::function<bool(RandomValues&, std::size_t shift)>
      returns;  // a random value comes back from bytes shifted in memory
  std::function<Status(std::string_view)> decode;
};

template <class Value>
Kind kind(const char* name, Value (RandomValues::*make)(), Result<Value> (*decode)(std::string_view)) {
  const auto returns = [=](RandomValues& values, std::size_t shift) {
    const Value value = (values.*make)();
    const std::string bytes = encode(value);
    const std::string shifted = std::string(shift, '#') + bytes;
    const auto back = decode(std::string_view(shifted).substr(shift));
    EXPECT_TRUE(back.has_value()) << (back ? "" : back.error().to_string());
    return back && *back == value;
  };
  return {name, [=](RandomValues& values) { return encode((values.*make)()); }, returns,
          [=](std::string_view bytes) -> Status {
            auto value = decode(bytes);
            if (!value) return fail(std::move(value.error()));
            return {};
          }};
}

const std::vector<Kind>& kinds() {
  using V = RandomValues;
  static const std::vector<Kind> all{
      kind("mailboxRecord", &V::mailbox_record, &decode_mailbox_record),
      kind("mailboxHead", &V::mailbox_head, &decode_mailbox_head),
      kind("cursorRecord", &V::cursor_record, &decode_cursor_record),
      kind("parkedRecord", &V::parked_record, &decode_parked_record),
      kind("forgottenProducer", &V::forgotten_producer, &decode_forgotten_producer),
      kind("policyRecord", &V::policy, &decode_policy_record),
      kind("sweepHead", &V::sweep_head, &decode_sweep_head),
      kind("positionRecord", &V::position_record, &decode_position_record),
      kind("layerHead", &V::layer_head, &decode_layer_head),
      kind("layerPrivacyRecord", &V::layer_privacy, &decode_layer_privacy_record),
      kind("lastLogin", &V::last_login, &decode_last_login),
      kind("laneRecord", &V::lane_record, &decode_lane_record),
      kind("outboxRecord", &V::outbox_record, &decode_outbox_record),
      kind("outboxHead", &V::outbox_head, &decode_outbox_head),
      kind("inboundHead", &V::inbound_head, &decode_inbound_head),
      kind("shardHead", &V::shard_head, &decode_shard_head),
      kind("commandBatch", &V::command_batch, &decode_command_batch),
  };
  return all;
}

TEST(Codecs, GiveBackEveryFieldFromAnyAddress) {
  RandomValues values(seed_of_test());
  for (const Kind& kind : kinds())
    for (int round = 0; round < kRounds; ++round)
      ASSERT_TRUE(kind.returns(values, static_cast<std::size_t>(round % 9))) << kind.name << ", round " << round;
}

// Before there was `hidden` a record had three words: without the fourth it is a position that everybody may see.
TEST(Codecs, APositionOfTheTimeBeforeHiddenOnesIsSeen) {
  const PositionRecord record{1.5, 7, 9, true};
  std::string bytes = encode(record);
  ASSERT_EQ(bytes.size(), 8u + 8 + 4 * 8) << "the segment's size, the root's pointer, its words";
  bytes[4] = 4, bytes[12] = 3;
  bytes.resize(bytes.size() - 8);
  EXPECT_EQ(decode_position_record(bytes).value(), (PositionRecord{1.5, 7, 9, false}));
}

TEST(Codecs, WriteOneSegmentInPlace) {
  // A second segment would mean that the size was foretold too small and the message was copied.
  RandomValues values(seed_of_test());
  for (const Kind& kind : kinds())
    for (int round = 0; round < kRounds; ++round) {
      const std::string bytes = kind.encoded(values);
      std::uint32_t more_segments = 0, words = 0;
      std::memcpy(&more_segments, bytes.data(), 4), std::memcpy(&words, bytes.data() + 4, 4);
      ASSERT_EQ(more_segments, 0u) << kind.name;
      ASSERT_EQ(bytes.size(), 8u * (1 + words)) << kind.name;
      ASSERT_LE(bytes.capacity(), bytes.size() + 8 * 16 + 64) << kind.name << " holds memory that it does not need";
    }
}

TEST(Codecs, CallEveryTruncationCorrupt) {
  RandomValues values(seed_of_test());
  for (const Kind& kind : kinds())
    for (int round = 0; round < 10; ++round) {
      const std::string bytes = kind.encoded(values);
      for (std::size_t size = 0; size < bytes.size(); ++size) {
        const Status status = kind.decode(std::string_view(bytes).substr(0, size));
        ASSERT_FALSE(status.has_value()) << kind.name << " cut at " << size << " of " << bytes.size();
        ASSERT_EQ(status.error().code, ErrorCode::kCorrupt);
        ASSERT_EQ(status.error().field, kind.name);
      }
      ASSERT_FALSE(kind.decode(bytes + std::string(8, '\0')).has_value()) << kind.name << " with bytes behind it";
    }
}

TEST(Codecs, SurviveFlippedBitsAndNeverThrow) {
  // A flip inside a number or a body cannot show here (storage's checksums see it); one in a pointer must not do harm.
  RandomValues values(seed_of_test());
  int refused = 0;
  for (const Kind& kind : kinds())
    for (int round = 0; round < kRounds; ++round) {
      std::string bytes = kind.encoded(values);
      for (std::size_t flips = 1 + values.random.below(4); flips > 0; --flips) {
        const std::size_t bit = values.random.below(std::min<std::size_t>(bytes.size(), 256) * 8);
        bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
      }
      Status status;
      ASSERT_NO_THROW(status = kind.decode(bytes)) << kind.name;
      if (status) continue;
      ++refused;
      EXPECT_TRUE(status.error().code == ErrorCode::kCorrupt || status.error().code == ErrorCode::kUnsupportedVersion)
          << status.error().to_string();
    }
  EXPECT_GT(refused, kRounds);
}

TEST(Codecs, SurviveRandomBytes) {
  RandomValues values(seed_of_test());
  for (const Kind& kind : kinds())
    for (int round = 0; round < kRounds; ++round) {
      std::string bytes = values.bytes(400);
      if (values.coin() && bytes.size() >= 16) {  // a true framing, so that the rest is looked at
        bytes.resize(bytes.size() / 8 * 8);
        const auto words = static_cast<std::uint32_t>(bytes.size() / 8 - 1);
        std::memset(bytes.data(), 0, 8), std::memcpy(bytes.data() + 4, &words, 4);
      }
      Status status;
      ASSERT_NO_THROW(status = kind.decode(bytes)) << kind.name;
    }
}

TEST(Codecs, TakeAMessageWithoutARootForDamage) {
  for (const Kind& kind : kinds()) {
    std::string empty(16, '\0');
    empty[4] = 1;  // one word, the null pointer
    EXPECT_EQ(kind.decode(empty).error().code, ErrorCode::kCorrupt) << kind.name;
    EXPECT_EQ(kind.decode(std::string(8, '\0')).error().code, ErrorCode::kCorrupt) << kind.name;
    EXPECT_EQ(kind.decode("").error().code, ErrorCode::kCorrupt) << kind.name;
  }
}

// ---- rules of fields

std::string field_of(const Status& status) {
  EXPECT_FALSE(status.has_value());
  if (status) return "accepted";
  EXPECT_EQ(status.error().code, ErrorCode::kCorrupt) << status.error().to_string();
  return status.error().field;
}

template <class Value, class Decode, class Break>
std::string field_of(Value value, Decode decode, Break&& breaks) {
  breaks(value);
  auto result = decode(encode(value));
  return field_of(result ? Status{} : Status(fail(result.error())));
}

TEST(Records, RefuseNamesThatCannotBe) {
  RandomValues values(1);
  const auto record = values.mailbox_record();
  const std::string long_name(129, 'x');
  EXPECT_EQ(field_of(record, decode_mailbox_record, [](auto& r) { r.sender = UserId{}; }), "sender");
  EXPECT_EQ(field_of(record, decode_mailbox_record, [&](auto& r) { r.sender = UserId::trusted(long_name); }), "sender");
  EXPECT_EQ(field_of(record, decode_mailbox_record, [](auto& r) { r.sender_device = DeviceId{}; }), "senderDevice");
  EXPECT_EQ(field_of(record, decode_mailbox_record, [&](auto& r) { r.copy_of = UserId::trusted(long_name); }),
            "copyOf");
  EXPECT_EQ(field_of(record, decode_mailbox_record, [](auto& r) { r.body.assign(limits::kBodyBytesMax + 1, 'b'); }),
            "body");
  EXPECT_EQ(field_of(values.lane_record(), decode_lane_record, [](auto& r) { r.user = UserId{}; }), "user");
  EXPECT_EQ(field_of(values.lane_record(), decode_lane_record, [](auto& r) { r.device = DeviceId{}; }), "device");
  EXPECT_EQ(field_of(values.copy_to_self(), decode_outbox_record, [](auto& r) { r.recipients = {UserId{}}; }),
            "recipients");
  EXPECT_EQ(field_of(values.copy_to_self(), decode_outbox_record, [](auto& r) { r.message.sender = UserId{}; }),
            "sender");
  EXPECT_EQ(field_of(values.outbox_record(), decode_outbox_record, [](auto& r) { r.cause = OutboxCause(77); }),
            "cause");
}

TEST(Records, RefuseNumbersThatContradictEachOther) {
  RandomValues values(2);
  EXPECT_EQ(field_of(MailboxHead{}, decode_mailbox_head, [](auto& r) { r.first = Sequence{}; }), "first");
  EXPECT_EQ(field_of(MailboxHead{}, decode_mailbox_head, [](auto& r) { r.first = Sequence(7), r.last = Sequence(5); }),
            "first");
  EXPECT_TRUE(decode_mailbox_head(encode(MailboxHead{})).has_value()) << "an empty mailbox";
  EXPECT_EQ(field_of(values.cursor_record(), decode_cursor_record,
                     [](auto& r) { r.up_to = Sequence(5), r.above = {Sequence(5)}; }),
            "above");
  EXPECT_EQ(field_of(values.cursor_record(), decode_cursor_record,
                     [](auto& r) {
                       r.up_to = Sequence(5), r.above = {Sequence(9), Sequence(8)};
                     }),
            "above");
  EXPECT_EQ(field_of(values.lane_record(), decode_lane_record, [](auto& r) { r.expected = LaneNumber{}; }), "expected");
  EXPECT_EQ(field_of(values.lane_record(), decode_lane_record,
                     [](auto& r) {
                       r.expected = LaneNumber(1), r.known = {{MessageId{1, 1}, Stored{}}};
                     }),
            "known");
  EXPECT_EQ(field_of(OutboxHead{}, decode_outbox_head, [](auto& r) { r.next = 0; }), "next");
  EXPECT_EQ(field_of(OutboxHead{}, decode_outbox_head, [](auto& r) { r.next = 3, r.confirmed = 3; }), "confirmed");
  EXPECT_EQ(field_of(ShardHead{}, decode_shard_head, [](auto& r) { r.epoch = Epoch{}; }), "epoch");
  EXPECT_EQ(field_of(ShardHead{}, decode_shard_head, [](auto& r) { r.next_producer = 0; }), "nextProducer");
}

TEST(Records, HoldTheLargestBodyAndTheFullestLane) {
  RandomValues values(3);
  MailboxRecord record = values.mailbox_record();
  record.body.assign(limits::kBodyBytesMax, 'b');
  EXPECT_EQ(decode_mailbox_record(encode(record)).value(), record);
  LaneRecord lane = values.lane_record();
  lane.expected = LaneNumber(limits::kLaneWindowMax + 1);
  lane.known.assign(limits::kLaneWindowMax, {MessageId{1, 2}, values.error()});
  EXPECT_EQ(decode_lane_record(encode(lane)).value(), lane);
}

TEST(Records, RefuseMoreThanTheirBoundsHold) {
  CursorRecord cursor;
  cursor.attempts.resize(limits::kAttemptsKeptMax), cursor.marks.resize(limits::kAckMarksMax);
  for (std::uint64_t i = 1; i <= limits::kSelectiveAcksMax; ++i) cursor.above.emplace_back(i);
  EXPECT_EQ(decode_cursor_record(encode(cursor)).value(), cursor);
  EXPECT_EQ(field_of(cursor, decode_cursor_record, [](auto& r) { r.above.push_back(r.above.back().next()); }), "above");
  EXPECT_EQ(field_of(cursor, decode_cursor_record, [](auto& r) { r.attempts.emplace_back(); }), "attempts");
  EXPECT_EQ(field_of(cursor, decode_cursor_record, [](auto& r) { r.marks.emplace_back(); }), "marks");
  EXPECT_EQ(field_of(LayerHead{}, decode_layer_head, [](auto& r) { r.swept_through.assign(257, 'x'); }),
            "sweptThrough");
  EXPECT_EQ(field_of(SweepHead{}, decode_sweep_head, [](auto& r) { r.position.assign(512, 'x'); }), "position");
  OutboxRecord forget{OutboxCause::kForgetProducers};
  forget.producers.resize(limits::kSweepRecordsPerEntryMax);
  EXPECT_EQ(decode_outbox_record(encode(forget)).value(), forget);
  EXPECT_EQ(field_of(forget, decode_outbox_record, [](auto& r) { r.producers.emplace_back(); }), "producers");
}

TEST(Records, RefuseMoreAnswersThanALaneKeeps) {
  RandomValues values(4);
  LaneRecord lane = values.lane_record();
  lane.expected = LaneNumber(limits::kLaneWindowMax + 2);
  lane.known.assign(limits::kLaneWindowMax + 1, {MessageId{1, 2}, Stored{Sequence(1), Epoch(1)}});
  const auto refused = decode_lane_record(encode(lane));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().field, "known");
}

TEST(Records, TakeNoUnknownReasonForALivingMessage) {
  RandomValues values(5);
  EXPECT_EQ(field_of(values.mailbox_record(), decode_mailbox_record, [](auto& r) { r.ended = LostReason(9); }),
            "ended");
  EXPECT_EQ(field_of(MailboxHead{}, decode_mailbox_head, [](auto& r) { r.gone_reason = LostReason(9); }), "goneReason");
}

TEST(Records, TellAMessagesIdWithoutItsBody) {
  RandomValues values(6);
  const MailboxRecord record = values.mailbox_record();
  EXPECT_EQ(decode_message_id(encode(record)).value(), record.id);
  EXPECT_EQ(decode_message_id("nonsense").error().code, ErrorCode::kCorrupt);
}

// ---- the helper below them

TEST(Flat, JoinsSegmentsWhenTheSizeWasForetoldTooSmall) {
  RandomValues values(4);
  for (const std::size_t words : {0u, 1u, 5u, 20u}) {
    flat::Writer writer(words);
    auto root = writer.initRoot<capnp::AnyPointer>().initAs<capnp::List<capnp::Text>>(50);
    for (capnp::uint i = 0; i < 50; ++i) root.set(i, flat::text(std::string(i, 'x')));
    const std::string bytes = writer.take();
    const auto read = [](capnp::List<capnp::Text>::Reader list) -> Result<std::size_t> {
      std::size_t total = 0;
      for (auto text : list) total += text.size();
      return total;
    };
    EXPECT_EQ((flat::read<capnp::List<capnp::Text>>(bytes, "list", read)).value(), 49u * 50 / 2);
  }
}

TEST(Flat, StopsWorkMultipliedByPointersToOnePlace) {
  // 1000 pointers to one text of 4 KiB: small to send, 4 MiB to visit.
  constexpr capnp::uint kPointers = 1'000;
  flat::Writer writer(kPointers + 600);
  auto list = writer.initRoot<capnp::AnyPointer>().initAs<capnp::List<capnp::Text>>(kPointers);
  list.set(0, flat::text(std::string(4'095, 'x')));
  std::string bytes = writer.take();
  for (std::uint64_t i = 1; i < kPointers;
       ++i) {  // a relative pointer: its offset shrinks from one to the next by a word
    std::uint64_t pointer = 0;
    std::memcpy(&pointer, bytes.data() + 16, 8);
    pointer -= i * 4;
    std::memcpy(bytes.data() + 16 + 8 * i, &pointer, 8);
  }
  const auto read = [](capnp::List<capnp::Text>::Reader texts) -> Result<std::size_t> {
    std::size_t total = 0;
    for (auto text : texts) total += text.size();
    return total;
  };
  const auto total = flat::read<capnp::List<capnp::Text>>(bytes, "list", read);
  ASSERT_FALSE(total.has_value());
  EXPECT_EQ(total.error().code, ErrorCode::kCorrupt);
  EXPECT_NE(total.error().detail.find("traversal limit"), std::string::npos) << total.error().detail;
}

}  // namespace
}  // namespace earshot::tests
