#include "base/limits.hpp"
#include "tests/support/session_fakes.hpp"

namespace earshot::tests {
namespace {

class SessionOrdered : public SessionTest {
 protected:
  void subscribe_at(std::uint64_t cursor, std::uint32_t window = 0) {
    deliver_from(cursor, DeliveryMode::kOrdered, window);
  }
};

TEST_F(SessionOrdered, DeliversPushesAtOnceWithTheirAttempt) {
  subscribe_at(4);
  push(5, 7);
  ASSERT_EQ(deliveries(), 1u);
  EXPECT_EQ(delivered(0), numbers(5, 7));
  EXPECT_EQ(client_->deliveries[0].items[0].attempt, 1u);
  EXPECT_EQ(client_->deliveries[0].last_sequence, seq(7));
  EXPECT_EQ(counters_->messages_delivered, 3u);
}

TEST_F(SessionOrdered, RetransmitsAfterTimerWhenAckIsLost) {
  subscribe_at(0);
  push(1, 3);
  take_in();
  ack(1);
  advance(kFirstMs / 2 - 1);
  EXPECT_EQ(deliveries(), 1u);
  advance(kFirstMs / 2 + 1);
  ASSERT_EQ(deliveries(), 2u);
  EXPECT_EQ(delivered(1), numbers(2, 3));
  EXPECT_EQ(client_->deliveries[1].items[0].attempt, 2u);
  EXPECT_EQ(counters_->retransmits_of(RetransmitCause::kTimer), 2u);
}

TEST_F(SessionOrdered, BackoffDoublesAndResetsOnProgress) {
  subscribe_at(0);
  push(1, 2);
  take_in();
  std::uint64_t full = kFirstMs;
  for (int round = 0; round < 5; ++round) {
    EXPECT_GE(host_.wake_ms - now_, full / 2) << round;
    EXPECT_LE(host_.wake_ms - now_, full) << round;
    const auto before = deliveries();
    advance(full);
    EXPECT_EQ(deliveries(), before + 1);
    take_in();
    full = std::min<std::uint64_t>(2 * full, kMaxMs);
  }
  ack(1);
  answer_ack(seq(1));
  EXPECT_GE(host_.wake_ms - now_, kFirstMs / 2);
  EXPECT_LE(host_.wake_ms - now_, kFirstMs);
  advance(kFirstMs);
  EXPECT_EQ(last_delivered(), numbers(2, 2));
  EXPECT_EQ(client_->deliveries.back().items[0].attempt, 7u);
}

TEST_F(SessionOrdered, UnackedGoesOutBeforeNewMessages) {
  subscribe_at(0);
  push(1, 2);
  take_in();
  advance(kFirstMs / 4 - 1);
  push(3, 3);
  EXPECT_EQ(last_delivered(), numbers(3, 3)) << "too early to repeat";
  take_in();
  advance(kFirstMs / 4 + 1);  // more than half of any delay that can have been drawn since
  push(4, 4);
  EXPECT_EQ(last_delivered(), numbers(1, 4));
  EXPECT_EQ(client_->deliveries.back().items[0].attempt, 2u);
  EXPECT_EQ(client_->deliveries.back().items[3].attempt, 1u);
  EXPECT_EQ(counters_->retransmits_of(RetransmitCause::kWithNew), 3u);
}

TEST_F(SessionOrdered, SteadyNewMessagesDoNotPutOffTheTimer) {
  subscribe_at(0, 4096);
  push(1, 1);
  take_in();
  std::uint64_t next = 2;
  for (std::uint64_t waited = 0; waited < kFirstMs; waited += 10, ++next) {
    advance(10);
    push(next, next);
    take_in();
  }
  const auto repeats =
      std::ranges::count_if(client_->deliveries, [](const Delivery& one) { return sequences_of(one).front() == 1; });
  EXPECT_GE(repeats, 2);
}

TEST_F(SessionOrdered, SlowReaderIsNotFlooded) {
  subscribe_at(0, 256);
  for (std::uint64_t n = 1; n <= 20; ++n) push(n, n);
  EXPECT_EQ(deliveries(), 4u) << "no more than four that are not taken in";
  advance(10 * kMaxMs);
  EXPECT_EQ(deliveries(), 4u) << "no repeat of what is still on its way";
  take_in_one();
  ASSERT_EQ(deliveries(), 5u);
  EXPECT_EQ(delivered(4), numbers(5, 20));
  for (int i = 0; i < 3; ++i) take_in_one();
  advance(10 * kMaxMs);
  EXPECT_EQ(deliveries(), 5u) << "the repeat waits until the last one is taken in";
  take_in_one();
  EXPECT_EQ(deliveries(), 6u);
  EXPECT_EQ(last_delivered(), numbers(1, 20));
}

TEST_F(SessionOrdered, ProgressWhileARepeatWaitsForTheReaderCallsItOff) {
  subscribe_at(0);
  push(1, 2);
  take_in();
  push(3, 3);  // in flight until the repeat is due
  advance(kFirstMs);
  ack(1);
  take_in();
  EXPECT_EQ(deliveries(), 2u);
  advance(kFirstMs);
  EXPECT_EQ(last_delivered(), numbers(2, 3)) << "2 had its full time again";
}

TEST_F(SessionOrdered, RepeatOfMoreThanABatchGoesOnAsTheClientTakesItIn) {
  subscribe_at(0, 4096);
  push(1, 2500);
  take_in();
  advance(kFirstMs);
  const auto first_repeat = deliveries() - 1;
  EXPECT_EQ(last_delivered(), numbers(1, limits::kBatchMessagesMax));
  advance(10 * kMaxMs);
  EXPECT_EQ(deliveries(), first_repeat + 1);
  take_in_one();
  EXPECT_EQ(last_delivered(), numbers(limits::kBatchMessagesMax + 1, 2 * limits::kBatchMessagesMax));
  ack(2200);
  take_in_one();
  EXPECT_EQ(last_delivered(), numbers(2201, 2500)) << "what was acked meanwhile is left out";
}

TEST_F(SessionOrdered, WindowIsNeverExceeded) {
  subscribe_at(0, 8);
  push(1, 100);
  take_in();
  EXPECT_EQ(delivered(0), numbers(1, 8));
  EXPECT_EQ(deliveries(), 1u);
  ack(8);
  answer_read(batch_of(9, 40, 100));
  EXPECT_EQ(last_delivered(), numbers(9, 16)) << "more than was asked for";
}

TEST_F(SessionOrdered, NothingPassesANackedMessageInOrderedMode) {
  subscribe_at(0);
  push(1, 5);
  take_in();
  EXPECT_TRUE(status_of(nack({3, 4}, 500)));
  push(6, 8);
  EXPECT_EQ(deliveries(), 1u);
  ack(2);
  advance(499);
  EXPECT_EQ(deliveries(), 1u);
  advance(1);
  EXPECT_EQ(last_delivered(), numbers(3, 8));
  EXPECT_EQ(counters_->retransmits_of(RetransmitCause::kNack), 3u);
}

TEST_F(SessionOrdered, UnackedBeforeANackedMessageStillTimesOut) {
  subscribe_at(0);
  push(1, 5);
  take_in();
  nack({3}, 60'000);
  advance(kFirstMs);
  EXPECT_EQ(last_delivered(), numbers(1, 2));
  take_in();
  ack(5);  // it had them after all
  push(6, 6);
  EXPECT_EQ(last_delivered(), numbers(6, 6)) << "an ack past the nacked message lets the rest go on";
}

TEST_F(SessionOrdered, AckBeyondANackRepeatsNothingThatWasNotRefused) {
  subscribe_at(0);
  push(1, 10);
  take_in();
  nack({3}, 1'000);
  ack(5);  // it has fetched them meanwhile
  EXPECT_EQ(deliveries(), 1u) << "6 to 10 are with the client";
  push(11, 11);
  EXPECT_EQ(last_delivered(), numbers(11, 11));
  EXPECT_EQ(counters_->retransmits_of(RetransmitCause::kNack), 0u);
}

TEST_F(SessionOrdered, NackWithinTheDeliveryWaitsForItToBeTakenIn) {
  subscribe_at(0);
  push(1, 3);
  nack({2}, 0);
  EXPECT_EQ(deliveries(), 1u);
  take_in();
  EXPECT_EQ(last_delivered(), numbers(2, 3));
}

TEST_F(SessionOrdered, SecondNackTakesTheEarlierPlace) {
  subscribe_at(0);
  push(1, 9);
  take_in();
  nack({5}, 200);
  nack({7}, 9'000);
  nack({3}, 300);
  advance(299);
  EXPECT_EQ(deliveries(), 1u);
  advance(1);
  EXPECT_EQ(last_delivered(), numbers(3, 9));
}

TEST_F(SessionOrdered, BadNacksAreRefused) {
  open();
  EXPECT_EQ(status_of(nack({1}, 0)).error().field, "sequences");
  subscribe(DeliveryMode::kOrdered);
  answer_read(batch_of(1, 0, 0));
  push(1, 3);
  EXPECT_EQ(status_of(nack({4}, 0)).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(status_of(nack({}, 0)).error().field, "sequences");
  EXPECT_EQ(status_of(nack({1}, limits::kNackDelayMsMax + 1)).error().field, "delayMs");
  take_in();
  ack(3);
  EXPECT_TRUE(status_of(nack({2}, 0))) << "acked already: nothing to do";
  EXPECT_EQ(deliveries(), 1u);
}

TEST_F(SessionOrdered, UnknownDeliveryNumbersAreIgnored) {
  subscribe_at(0);
  for (std::uint64_t n = 1; n <= 6; ++n) push(n, n);
  session_->handle(ClientDelivered{77}, now_);
  session_->handle(ClientDelivered{0}, now_);
  EXPECT_EQ(deliveries(), 4u);
}

// ---- sequenceOnly

TEST_F(SessionOrdered, SequenceOnlySendsNothingTwice) {
  deliver_from(0, DeliveryMode::kSequenceOnly, 8);
  push(1, 5);
  take_in();
  EXPECT_EQ(host_.wake_ms, 0u);
  advance(100 * kMaxMs);
  EXPECT_EQ(deliveries(), 1u);
  EXPECT_EQ(status_of(nack({3}, 0)).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(SessionOrdered, SequenceOnlyReaderIsNotFlooded) {
  deliver_from(0, DeliveryMode::kSequenceOnly, 8);
  push(1, 3);
  push(4, 20);
  EXPECT_EQ(delivered(1), numbers(4, 8));
  EXPECT_EQ(home().fetches.size(), 1u);
  take_in_one();
  ASSERT_EQ(home().fetches.size(), 2u);
  EXPECT_EQ(home().fetches.back().limit, 3u);
  answer_read(batch_of(9, 11, 20));
  EXPECT_EQ(delivered(2), numbers(9, 11));
}

}  // namespace
}  // namespace earshot::tests
