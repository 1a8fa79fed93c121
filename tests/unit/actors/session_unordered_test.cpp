#include "base/limits.hpp"
#include "tests/support/session_fakes.hpp"

namespace earshot::tests {
namespace {

class SessionUnordered : public SessionTest {
 protected:
  void subscribe_at(std::uint64_t cursor, std::uint32_t window = 0) {
    deliver_from(cursor, DeliveryMode::kUnordered, window);
  }
};

TEST_F(SessionUnordered, OnlyTheUnackedAreRepeated) {
  subscribe_at(0);
  push(1, 6);
  take_in();
  ack(1, {3, 5});
  advance(kFirstMs);
  EXPECT_EQ(last_delivered(), (Numbers{2, 4, 6})) << "together: one delay for what was delivered together";
  EXPECT_EQ(client_->deliveries.back().items[0].attempt, 2u);
  EXPECT_EQ(counters_->retransmits_of(RetransmitCause::kTimer), 3u);
}

TEST_F(SessionUnordered, EachMessageHasItsOwnBackoff) {
  subscribe_at(0);
  push(1, 1);
  take_in();
  advance(kFirstMs);
  take_in();
  advance(2 * kFirstMs);
  take_in();
  EXPECT_EQ(deliveries(), 3u);
  EXPECT_GE(host_.wake_ms - now_, 2 * kFirstMs);
  EXPECT_LE(host_.wake_ms - now_, 4 * kFirstMs);
  push(2, 2);
  take_in();
  EXPECT_LE(host_.wake_ms - now_, kFirstMs) << "the new one starts from the first delay";
}

TEST_F(SessionUnordered, NackedMessageComesBackAfterItsDelayWhileOthersFlow) {
  subscribe_at(0);
  push(1, 3);
  take_in();
  ack(0, {1, 3});
  EXPECT_TRUE(status_of(nack({2}, 5'000)));
  for (std::uint64_t n = 4; n <= 10; ++n) {
    push(n, n);
    EXPECT_EQ(last_delivered(), numbers(n, n));
    take_in();
    ack(0, {n});
    advance(500);
  }
  const auto before = deliveries();
  advance(1'499);
  EXPECT_EQ(deliveries(), before) << "not before its delay, not even along with new messages";
  advance(1);
  EXPECT_EQ(last_delivered(), numbers(2, 2));
  EXPECT_EQ(counters_->retransmits_of(RetransmitCause::kNack), 1u);
}

TEST_F(SessionUnordered, UnackedGoesOutBeforeNewMessages) {
  subscribe_at(0);
  push(1, 2);
  take_in();
  ack(1);
  advance(kFirstMs / 2 - 1);
  push(3, 3);
  EXPECT_EQ(last_delivered(), numbers(2, 3));
  EXPECT_EQ(counters_->retransmits_of(RetransmitCause::kWithNew), 1u);
}

TEST_F(SessionUnordered, NewMessagesWaitBehindARepeatThatIsDue) {
  subscribe_at(0);
  push(1, 1);
  take_in();
  push(2, 2);  // in flight
  advance(kFirstMs);
  push(3, 3);
  EXPECT_EQ(deliveries(), 2u);
  take_in();
  EXPECT_EQ(last_delivered(), (Numbers{1, 3}));
}

TEST_F(SessionUnordered, NewMessagesDoNotSlipInBeforeTheRestOfARepeat) {
  subscribe_at(0);
  push(1, 5, std::string(1 << 20, 'x'));
  take_in();
  advance(kFirstMs);
  EXPECT_EQ(last_delivered(), numbers(1, 3)) << "a batch holds three of them";
  push(6, 6, "small");
  EXPECT_EQ(last_delivered(), numbers(1, 3));
  take_in_one();
  EXPECT_EQ(last_delivered(), numbers(4, 6));
}

TEST_F(SessionUnordered, SmallNewMessageDoesNotFillUpARepeat) {
  subscribe_at(0);
  push(1, 4, std::string(1 << 20, 'x'));
  take_in();
  push(5, 5, "small");  // in flight until the repeat is due
  advance(kFirstMs);
  push(6, 6, "small");
  take_in();
  EXPECT_EQ(delivered(3), numbers(1, 3));
  EXPECT_EQ(delivered(4), (Numbers{4, 6}));
}

TEST_F(SessionUnordered, SlowReaderIsNotFlooded) {
  subscribe_at(0);
  for (std::uint64_t n = 1; n <= 9; ++n) push(n, n);
  advance(10 * kMaxMs);
  EXPECT_EQ(deliveries(), 4u);
  take_in_one();
  EXPECT_EQ(delivered(4), numbers(5, 9));
}

TEST_F(SessionUnordered, AckedOutOfTurnFreesTheWindow) {
  subscribe_at(0, 4);
  push(1, 12);
  take_in();
  ack(0, {2, 3, 4});
  EXPECT_EQ(home().fetches.back().limit, 3u);
  answer_read(batch_of(5, 7, 12));
  EXPECT_EQ(last_delivered(), numbers(5, 7));
}

TEST_F(SessionUnordered, WhatAnEarlierSessionAckedDoesNotGoOutAgain) {
  for (const Epoch database : {Epoch(1), Epoch{}}) {
    connect(database);
    session_->start(now_);
    LoginOutcome login = outcome(2, 8);
    login.acked_above = {seq(4), seq(5), seq(8)};
    session_->handle(LoginAnswered{home().logins.back().request, login}, now_);
    subscribe(DeliveryMode::kUnordered);
    answer_read(batch_of(3, 8, 8));
    EXPECT_EQ(last_delivered(), database == Epoch(1) ? (Numbers{3, 6, 7}) : numbers(3, 8)) << "no database: everything";
  }
}

TEST_F(SessionUnordered, LostRangeIsToldThoughItsLastMessageWasAckedBeforeItEnded) {
  connect(Epoch(1));
  session_->start(now_);
  LoginOutcome login = outcome(2, 8);
  login.acked_above = {seq(5), seq(7), seq(8)};
  session_->handle(LoginAnswered{home().logins.back().request, login}, now_);
  subscribe(DeliveryMode::kUnordered);
  Batch read = batch_of(6, 6, 8);
  const LostRange untold{seq(3), seq(5), LostReason::kExpired};
  read.lost = {untold, {seq(7), seq(8), LostReason::kExpired}};
  answer_read(read);
  EXPECT_EQ(client_->deliveries.back().lost, std::vector{untold}) << "3 and 4 are news; 7 and 8 are not";

  take_in();
  ack(2, {5});
  ack(6);
  now_ += limits::kRetransmitMaxMs;
  const std::size_t before = deliveries();
  session_->wake(now_);
  EXPECT_EQ(deliveries(), before) << "told and acked";
}

TEST_F(SessionUnordered, NackedMessagesDoNotStopReadingOfTheRest) {
  subscribe_at(0, 8);
  push(1, 20);
  take_in();
  nack({1, 2, 3, 4, 5, 6, 7}, limits::kNackDelayMsMax);
  ack(0, {8});
  EXPECT_EQ(home().fetches.back().limit, 1u) << "one place is all that is usable";
  answer_read(batch_of(9, 9, 20));
  EXPECT_EQ(last_delivered(), numbers(9, 9));
}

TEST_F(SessionUnordered, AckedAboveTheFirstUnackedIsBounded) {
  subscribe_at(0, 64);
  push(1, 64);
  take_in();
  ack(0, numbers(2, 64));
  std::uint64_t taken = 64;
  for (int rounds = 0; rounds < 1'000; ++rounds) {
    const auto reads = home().fetches.size();
    push(taken + 1, taken + 63);
    if (last_delivered().back() == taken) break;
    taken = last_delivered().back();
    take_in();
    ack(0, numbers(taken - 40 > 64 ? taken - 40 : 65, taken));
    ack(0, last_delivered());
    ASSERT_EQ(home().fetches.size(), reads);
  }
  EXPECT_LE(taken, limits::kSelectiveAcksMax);
}

TEST_F(SessionUnordered, RepeatedNacksKeepTheAlarmsBounded) {
  subscribe_at(0);
  push(1, 1);
  take_in();
  for (std::uint32_t i = 0; i < 5'000; ++i) nack({1}, 10'000 + i % 7);
  advance(kFirstMs);
  EXPECT_EQ(deliveries(), 1u);
  ack(1);
  answer_ack(seq(1));
  EXPECT_EQ(host_.wake_ms, 0u) << "no alarm is left for what is acked";
}

TEST_F(SessionUnordered, MessageNackedTwiceComesBackOnce) {
  subscribe_at(0);
  push(1, 2);
  take_in();
  push(3, 3);  // a delivery that is not taken in: repeats wait for it
  for (int i = 0; i < 3; ++i) nack({1}, 0);
  take_in();
  ASSERT_EQ(deliveries(), 3u);
  EXPECT_EQ(last_delivered(), numbers(1, 1));
  EXPECT_EQ(client_->deliveries.back().items[0].attempt, 2u);
  EXPECT_EQ(counters_->retransmits_of(RetransmitCause::kNack), 1u);
}

TEST_F(SessionUnordered, NackOfWhatIsDueAlreadyTakesItsPlace) {
  subscribe_at(0);
  push(1, 1);
  take_in();
  push(2, 2);
  nack({1}, 0);
  nack({1}, 5'000);
  take_in();
  EXPECT_EQ(deliveries(), 2u) << "the later word counts";
  ack(0, {2});
  advance(5'000);
  EXPECT_EQ(last_delivered(), numbers(1, 1));
}

TEST_F(SessionUnordered, BadNacksAreRefusedWhole) {
  subscribe_at(0);
  push(1, 3);
  take_in();
  EXPECT_EQ(status_of(nack({2, 4}, 0)).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(deliveries(), 1u);
  ack(0, {2});
  EXPECT_TRUE(status_of(nack({2}, 0)));
  EXPECT_EQ(deliveries(), 1u);
}

}  // namespace
}  // namespace earshot::tests
