// Times to live in the client: in its outbox, in its store, and what has ended in its inbox.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/checksum.hpp"
#include "client/inbox.hpp"
#include "client/outbox.hpp"
#include "client/store_codec.hpp"

namespace earshot::client {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint64_t kSentMs = 1'700'000'000'000;

class OutboxTtl : public testing::Test {
 protected:
  OutboxTtl() {
    Welcome welcome;
    welcome.shard_count = 4;
    welcome.login.producer = ProducerId(7);
    welcome.login.new_producer = true;
    OutboxMessage message;
    message.ticket = Ticket(1);
    message.message.recipient = UserId::trusted("bob");
    message.message.id = MessageId{3, 4};
    message.message.body = "short-lived";
    message.message.checksum = checksum_of(message.message.body);
    message.message.sent_at_ms = kSentMs;
    message.message.ttl_ms = 10'000;
    outbox_.add(std::move(message));
    OutboxHead head;
    head.next_ticket = Ticket(2);
    outbox_.adopt(outbox_.plan(welcome, head));
    outbox_.connected(ServerLimits());
  }
  // The message as it goes out at this time of the device's clock.
  Outbox::Item sent_at(std::uint64_t wall_ms) {
    outbox_.disconnected();
    outbox_.connected(ServerLimits());
    EXPECT_TRUE(outbox_.next_call(1'000, wall_ms, call_));
    return call_.items.at(0);
  }

  Outbox outbox_{Outbox::Limits{}, Random(1)};
  Outbox::Call call_;
};

TEST_F(OutboxTtl, WhatTheMessageSpentHereIsTakenOff) {
  EXPECT_EQ(sent_at(kSentMs).ttl_ms, 10'000u);
  EXPECT_EQ(sent_at(kSentMs + 9'999).ttl_ms, 1u);
  EXPECT_FALSE(sent_at(kSentMs + 9'999).expired);
}

TEST_F(OutboxTtl, AClockThatWasSetBackTakesNothing) { EXPECT_EQ(sent_at(kSentMs - 3'600'000).ttl_ms, 10'000u); }

TEST_F(OutboxTtl, WhenNothingIsLeftItsNumberGoesOutWithoutItsBody) {
  const Outbox::Item item = sent_at(kSentMs + 10'000);
  ASSERT_TRUE(item.expired);
  const OutgoingMessage form = item.expired_form();
  EXPECT_TRUE(form.expired);
  EXPECT_TRUE(form.body.empty());
  EXPECT_EQ(form.checksum, checksum_of(""));
  EXPECT_EQ(form.number, LaneNumber(1));
  EXPECT_EQ(form.id, (MessageId{3, 4}));
  EXPECT_EQ(form.recipient, UserId::trusted("bob"));
}

TEST_F(OutboxTtl, AnExpiredMessageThatWasStoredUnderALostAnswerIsReportedStored) {
  sent_at(kSentMs);
  sent_at(kSentMs + 20'000);
  std::vector<SendReport> reports;
  std::vector<SendAnswer> first_again{{Stored{Sequence(8), Epoch(1)}, true}};
  ASSERT_TRUE(outbox_.answered(call_.id, first_again, 1'000, reports));
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(std::get<Stored>(reports[0].outcome).sequence, Sequence(8));
}

TEST_F(OutboxTtl, ARefusalForItsAgeIsReported) {
  sent_at(kSentMs + 20'000);
  std::vector<SendReport> reports;
  std::vector<SendAnswer> refused{{SendAnswer::Refused{Error{ErrorCode::kExpired, "", ""}}}};
  ASSERT_TRUE(outbox_.answered(call_.id, refused, 1'000, reports));
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(std::get<Error>(reports[0].outcome).code, ErrorCode::kExpired);
}

// ---- the store

TEST(StoreTtl, TimesToLiveAreKept) {
  OutboxMessage kept;
  kept.message.recipient = UserId::trusted("bob");
  kept.message.body = "hello";
  kept.message.ttl_ms = 86'400'000;
  std::string bytes;
  encode(kept, bytes);
  EXPECT_EQ(decode_outbox_message(Ticket(1), bytes)->message, kept.message);

  IncomingMessage message;
  message.sequence = Sequence(9);
  message.sender = UserId::trusted("alice");
  message.body = "hello";
  message.expires_at_ms = kSentMs;
  message.replay_of = Sequence(3);
  bytes.clear();
  encode(message, bytes);
  EXPECT_EQ(*decode_incoming(bytes), message);
}

// What an earlier version wrote ends where the new fields begin, and has its own format byte.
TEST(StoreTtl, WhatAnEarlierVersionWroteIsReadAndHasNone) {
  OutboxMessage kept;
  kept.message.recipient = UserId::trusted("bob");
  kept.message.body = "hello";
  std::string bytes;
  encode(kept, bytes);
  bytes[0] = 1;
  bytes.resize(bytes.size() - 8);
  EXPECT_EQ(decode_outbox_message(Ticket(1), bytes)->message, kept.message);

  IncomingMessage message;
  message.sequence = Sequence(9);
  message.sender = UserId::trusted("alice");
  bytes.clear();
  encode(message, bytes);
  bytes[0] = 1;
  bytes.resize(bytes.size() - 16);
  EXPECT_EQ(*decode_incoming(bytes), message);
}

TEST(StoreTtl, ANewerFormatIsRefusedByName) {
  std::string bytes;
  encode(OutboxMessage(), bytes);
  bytes[0] = 3;
  EXPECT_EQ(decode_outbox_message(Ticket(1), bytes).error().code, ErrorCode::kUnsupportedVersion);
  bytes[0] = 0;
  EXPECT_EQ(decode_outbox_message(Ticket(1), bytes).error().code, ErrorCode::kCorrupt);
}

// ---- what has ended, and is here already

IncomingMessage message(std::uint64_t sequence) {
  IncomingMessage one;
  one.sequence = Sequence(sequence);
  one.checksum = checksum_of(one.body);
  return one;
}
Batch batch(const std::vector<std::uint64_t>& sequences, std::vector<LostRange> lost) {
  Batch batch;
  batch.epoch = Epoch(1);
  for (const std::uint64_t sequence : sequences) batch.messages.push_back(message(sequence));
  batch.lost = std::move(lost);
  return batch;
}
LostRange expired(std::uint64_t first, std::uint64_t last) {
  return LostRange{Sequence(first), Sequence(last), LostReason::kExpired};
}
InboxHead head_at(std::uint64_t last, std::vector<Sequence> above = {}) {
  InboxHead head;
  head.epoch = Epoch(1);
  head.last_received = Sequence(last);
  head.received_above = std::move(above);
  return head;
}

TEST(InboxEnded, WhatIsReceivedIsNotLostInSequence) {
  for (const auto mode : {DeliveryMode::kOrdered, DeliveryMode::kSequenceOnly}) {
    Inbox inbox(mode, head_at(5));
    EXPECT_TRUE(inbox.judge(batch({}, {expired(4, 5)})).nothing_new());
    const auto half = inbox.judge(batch({}, {expired(4, 7)}));
    EXPECT_THAT(half.lost, ElementsAre(expired(6, 7)));
    EXPECT_EQ(inbox.head_after(half).last_received, Sequence(7));
  }
}

TEST(InboxEnded, WhatIsReceivedOutOfOrderIsNotLostAndIsAckedAgain) {
  Inbox inbox(DeliveryMode::kUnordered, head_at(1, {Sequence(4), Sequence(6)}));
  const auto judgement = inbox.judge(batch({}, {expired(4, 4)}));
  EXPECT_TRUE(judgement.nothing_new());
  EXPECT_THAT(judgement.repeats, ElementsAre(Sequence(4)));
  const auto rest = inbox.judge(batch({2, 3}, {expired(4, 7)}));
  EXPECT_THAT(rest.lost, ElementsAre(expired(5, 5), expired(7, 7)));
  EXPECT_EQ(inbox.head_after(rest).last_received, Sequence(7));
  EXPECT_THAT(inbox.head_after(rest).received_above, IsEmpty());
}

TEST(InboxEnded, AMessageThatComesAfterItWasSaidToEndIsReceived) {
  Inbox inbox(DeliveryMode::kUnordered, head_at(1));
  inbox.adopt(inbox.head_after(inbox.judge(batch({}, {expired(3, 4)}))));
  const auto late = inbox.judge(batch({3}, {}));
  EXPECT_THAT(late.lost, IsEmpty());
  inbox.adopt(inbox.head_after(late));
  const auto rest = inbox.judge(batch({2}, {}));
  EXPECT_THAT(rest.lost, ElementsAre(expired(4, 4)));
  EXPECT_EQ(inbox.head_after(rest).last_received, Sequence(4));
}

}  // namespace
}  // namespace earshot::client
