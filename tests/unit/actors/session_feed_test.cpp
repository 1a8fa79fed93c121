#include "base/limits.hpp"
#include "tests/support/session_fakes.hpp"

namespace earshot::tests {
namespace {

class SessionFeed : public SessionTest {};

TEST_F(SessionFeed, RegistersBeforeReading) {
  open(3, 5);
  home().log.clear();
  subscribe(DeliveryMode::kOrdered);
  EXPECT_EQ(home().log, (std::vector<std::string>{"register push", "fetch"}));
  EXPECT_EQ(home().fetches.back().after, seq(3));
  EXPECT_TRUE(status_of(call_));
  answer_read(batch_of(4, 5, 5));
  EXPECT_EQ(delivered(0), numbers(4, 5));
  EXPECT_EQ(client_->deliveries[0].epoch, Epoch(1));
  EXPECT_EQ(client_->deliveries[0].last_sequence, seq(5));
  EXPECT_EQ(counters_->retransmits_of(RetransmitCause::kReconnect), 2u);
}

TEST_F(SessionFeed, ReadsEvenWhenTheMailboxLookedEmptyAtLogin) {
  open(5, 5);
  subscribe(DeliveryMode::kOrdered);
  ASSERT_EQ(home().fetches.size(), 1u) << "a message may have been committed between login and registration";
  answer_read(batch_of(6, 6, 6));
  EXPECT_EQ(delivered(0), numbers(6, 6));
}

TEST_F(SessionFeed, StartsAfterWhatWasAckedSinceLogin) {
  open(3, 9);
  ack(7);
  subscribe(DeliveryMode::kOrdered);
  EXPECT_EQ(home().fetches.back().after, seq(7));
}

TEST_F(SessionFeed, SubscribesOnceAndChecksItsArguments) {
  open();
  subscribe(DeliveryMode::kOrdered, limits::kWindowMessagesMax + 1);
  EXPECT_EQ(status_of(call_).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(status_of(call_).error().field, "windowMessages");
  EXPECT_NE(status_of(call_).error().detail.find("4096"), std::string::npos);
  subscribe(static_cast<DeliveryMode>(9));
  EXPECT_EQ(status_of(call_).error().field, "mode");
  EXPECT_EQ(home().registers.size(), 1u);
  subscribe(DeliveryMode::kOrdered, limits::kWindowMessagesMax);
  EXPECT_TRUE(status_of(call_));
  subscribe(DeliveryMode::kOrdered);
  EXPECT_EQ(status_of(call_).error().field, "subscribe");
}

TEST_F(SessionFeed, PushDuringFetchIsNeitherLostNorDoubled) {
  open(0, 2);
  subscribe(DeliveryMode::kOrdered);
  push(3, 4);  // behind what is being read
  EXPECT_EQ(deliveries(), 0u);
  answer_read(batch_of(1, 3, 3));  // read before 4 was committed
  EXPECT_EQ(delivered(0), numbers(1, 3));
  ASSERT_EQ(home().fetches.size(), 2u) << "4 was pushed and not taken";
  EXPECT_EQ(home().fetches.back().after, seq(3));
  push(4, 5);
  answer_read(batch_of(4, 5, 5));
  EXPECT_EQ(delivered(1), numbers(4, 5));
  EXPECT_EQ(deliveries(), 2u);
}

TEST_F(SessionFeed, RepeatedAndReorderedPushesMakeNoDoubleAndNoHole) {
  deliver_from(0, DeliveryMode::kOrdered);
  push(1, 2);
  push(1, 2);
  EXPECT_EQ(deliveries(), 1u);
  push(5, 5);
  EXPECT_EQ(deliveries(), 1u);
  ASSERT_EQ(home().fetches.size(), 2u);
  EXPECT_EQ(home().fetches.back().after, seq(2));
  answer_read(batch_of(3, 5, 5));
  EXPECT_EQ(delivered(1), numbers(3, 5));
}

TEST_F(SessionFeed, PushesBeyondTheWindowAreReadBackWhenThereIsRoom) {
  deliver_from(0, DeliveryMode::kOrdered, 8);
  push(1, 20);
  EXPECT_EQ(delivered(0), numbers(1, 8));
  EXPECT_EQ(home().fetches.size(), 1u);
  take_in();
  ack(1);
  EXPECT_EQ(home().fetches.size(), 1u) << "not for a single free place";
  ack(4);
  ASSERT_EQ(home().fetches.size(), 2u);
  EXPECT_EQ(home().fetches.back().after, seq(8));
  EXPECT_EQ(home().fetches.back().limit, 4u);
  push(21, 21);
  EXPECT_EQ(home().fetches.size(), 2u) << "one read at a time";
  answer_read(batch_of(9, 12, 21));
  EXPECT_EQ(last_delivered(), numbers(9, 12));
}

TEST_F(SessionFeed, AnswerThatDoesNotContinueIsNotDelivered) {
  open(0, 9);
  subscribe(DeliveryMode::kOrdered);
  Batch holed = batch_of(1, 2, 9);
  holed.messages.push_back(incoming(4));
  answer_read(holed);
  EXPECT_EQ(delivered(0), numbers(1, 2));
  ASSERT_EQ(home().fetches.size(), 2u);
  answer_read(batch_of(4, 9, 9));
  EXPECT_EQ(deliveries(), 1u) << "3 is missing and nobody said why";
  EXPECT_EQ(home().fetches.size(), 2u) << "not again at once";
  EXPECT_NE(host_.wake_ms, 0u);
  advance(200);
  ASSERT_EQ(home().fetches.size(), 3u);
  answer_read(batch_of(3, 9, 9));
  EXPECT_EQ(delivered(1), numbers(3, 9));
}

TEST_F(SessionFeed, AWideWindowIsFilledByReadsThatFitABatch) {
  open(0, 4'000);
  subscribe(DeliveryMode::kOrdered, limits::kWindowMessagesMax);
  EXPECT_EQ(home().fetches.back().limit, limits::kFetchMessagesMax);
  EXPECT_EQ(home().fetches.back().bytes_max, limits::kBatchBytesMax);
}

TEST_F(SessionFeed, FailedReadIsTriedAgainWithBackoff) {
  open(0, 1);
  subscribe(DeliveryMode::kOrdered);
  for (std::size_t failures = 1; failures <= 6; ++failures) {
    ASSERT_EQ(home().fetches.size(), failures);
    answer_read(fail(Error{ErrorCode::kUnavailable, "", "", 100}));
    EXPECT_EQ(home().fetches.size(), failures);
    const std::uint64_t full = 100ull << (failures - 1);
    EXPECT_GE(host_.wake_ms, now_ + full / 2);
    EXPECT_LE(host_.wake_ms, now_ + full);
    advance(full);
  }
  advance(kTimeoutMs + 10'000);  // no answer at all counts as a failure too
  EXPECT_GE(home().fetches.size(), 8u);
  answer_read(batch_of(1, 1, 1));
  EXPECT_EQ(delivered(0), numbers(1, 1));
  EXPECT_EQ(counters_->mailbox_reads, home().fetches.size());
}

TEST_F(SessionFeed, FailedFirstReadIsTriedAgainThoughNothingSeemsToBeMissing) {
  open(5, 5);
  subscribe(DeliveryMode::kOrdered);
  answer_read(fail(ErrorCode::kUnavailable, "", ""));
  advance(100);
  ASSERT_EQ(home().fetches.size(), 2u);
  answer_read(batch_of(6, 6, 6));
  EXPECT_EQ(delivered(0), numbers(6, 6));
}

TEST_F(SessionFeed, LostRangesAreDeliveredInTheirPlaceAndPassedOver) {
  open(0, 9);
  subscribe(DeliveryMode::kOrdered);
  Batch batch{Epoch(1), {}, {LostRange{seq(1), seq(3), LostReason::kTrimmed}}, seq(9)};
  batch.messages = {incoming(4), incoming(5)};
  batch.lost.push_back(LostRange{seq(6), seq(8), LostReason::kCorrupt});
  batch.messages.push_back(incoming(9));
  answer_read(batch);
  EXPECT_EQ(delivered(0), (Numbers{4, 5, 9}));
  EXPECT_EQ(client_->deliveries[0].lost, batch.lost);
  take_in();
  const CallId passed = ack(8);
  answer_ack(seq(8));
  EXPECT_TRUE(*cursor_of(passed));
  advance(kFirstMs);
  EXPECT_EQ(last_delivered(), numbers(9, 9));
  EXPECT_TRUE(client_->deliveries.back().lost.empty());
}

TEST_F(SessionFeed, MailboxOfNothingButLostRangesIsToldAndAcked) {
  open(0, 5);
  subscribe(DeliveryMode::kUnordered);
  answer_read(Batch{Epoch(1), {}, {LostRange{seq(1), seq(5), LostReason::kTrimmed}}, seq(5)});
  ASSERT_EQ(deliveries(), 1u);
  take_in();
  advance(kFirstMs);
  EXPECT_EQ(deliveries(), 2u) << "the client must know it for good";
  take_in();
  ack(5);
  answer_ack(seq(5));
  EXPECT_EQ(host_.wake_ms, 0u);
}

TEST_F(SessionFeed, NewLeaderIsReadFromSincePushesMayHaveGoneNowhere) {
  deliver_from(0, DeliveryMode::kOrdered);
  push(1, 2);
  home().log.clear();
  session_->handle(LeaderAnnounced{shard_of(user("alice"), kShards), Term(2)}, now_);
  EXPECT_EQ(home().log, (std::vector<std::string>{"register push", "fetch"}));
  EXPECT_EQ(home().fetches.back().after, seq(0)) << "what the window holds may have ended";
  answer_read(batch_of(1, 2, 3));
  EXPECT_EQ(home().fetches.back().after, seq(2));
  answer_read(batch_of(3, 3, 3));
  EXPECT_EQ(delivered(1), numbers(3, 3));
}

TEST_F(SessionFeed, NewLeaderDuringAReadIsReadFromAfterIt) {
  open(0, 1);
  subscribe(DeliveryMode::kOrdered);
  session_->handle(LeaderAnnounced{shard_of(user("alice"), kShards), Term(2)}, now_);
  EXPECT_EQ(home().fetches.size(), 1u);
  answer_read(batch_of(1, 1, 1));
  EXPECT_EQ(home().fetches.size(), 2u);
}

TEST_F(SessionFeed, RestoredMailboxEndsTheSession) {
  open(0, 5);
  subscribe(DeliveryMode::kOrdered);
  Batch other = batch_of(1, 5, 5);
  other.epoch = Epoch(2);
  answer_read(other);
  EXPECT_EQ(deliveries(), 0u);
  EXPECT_EQ(client_->closings.at(0).code, ErrorCode::kUnavailable);
  EXPECT_EQ(home().unregisters.size(), 1u);
  EXPECT_TRUE(host_.ended);
}

TEST_F(SessionFeed, BatchesAreBoundedInMessagesAndBytes) {
  deliver_from(0, DeliveryMode::kOrdered, 4096);
  push(1, 1500);
  EXPECT_EQ(delivered(0).size(), limits::kBatchMessagesMax);
  EXPECT_EQ(delivered(1), numbers(limits::kBatchMessagesMax + 1, 1500));
  take_in();
  ack(1500);
  push(1501, 1506, std::string(1 << 20, 'x'));
  EXPECT_EQ(delivered(2), numbers(1501, 1503)) << "four of them with their headers exceed 4 MiB";
  EXPECT_EQ(delivered(3), numbers(1504, 1506));
}

TEST_F(SessionFeed, WindowIsBoundedInBytes) {
  deliver_from(0, DeliveryMode::kUnordered, 4096);
  push(1, 20, std::string(1 << 20, 'x'));
  std::size_t total = 0;
  for (const auto& delivery : client_->deliveries) total += delivery.items.size();
  EXPECT_EQ(total, 7u);
  EXPECT_EQ(home().fetches.size(), 1u);
}

// What devices that never ack hold is bounded for the node, and nobody who acks is starved by them: small messages
// pass, large ones wait for the room.
TEST_F(SessionFeed, WindowsOfTheNodeAtTheirBoundLeaveRoomForSmallMessagesOnly) {
  const auto others = windows_->used() + limits::kWindowsBytesMax;
  deliver_from(0, DeliveryMode::kUnordered, 4096);
  windows_->take(limits::kWindowsBytesMax - 1);
  push(1, 1, std::string(1 << 20, 'x'));
  EXPECT_EQ(client_->deliveries.size(), 1u) << "one byte below the bound an empty window takes a message of any size";
  take_in();
  session_->handle(ClientAck{++call_, AckRequest{seq(1), {}}}, now_);

  windows_->take(1);
  ASSERT_EQ(windows_->used(), others);
  push(2, 2, "small");
  ASSERT_EQ(client_->deliveries.size(), 2u);
  take_in();
  session_->handle(ClientAck{++call_, AckRequest{seq(2), {}}}, now_);
  const std::string large(limits::kWindowBytesPressed, 'x');
  Batch third = batch_of(3, 3, 3);
  third.messages.front().body = large;
  push(3, 3, large);
  EXPECT_EQ(client_->deliveries.size(), 2u) << "it waits in the mailbox";
  const auto reads = home().fetches.size();
  advance(kTimeoutMs);
  EXPECT_EQ(home().fetches.size(), reads) << "it is not asked for while there is no room";
  windows_->give_back(limits::kWindowsBytesMax);
  advance(kTimeoutMs - 1);
  EXPECT_GT(home().fetches.size(), reads);
  answer_read(third);
  EXPECT_EQ(client_->deliveries.size(), 3u);
}

TEST_F(SessionFeed, FromHalfOfTheNodesMemoryOnLargeMessagesGoOneByOne) {
  deliver_from(0, DeliveryMode::kUnordered, 4096);
  windows_->take(limits::kWindowsBytesMax / 2 - 1);
  push(1, 2, std::string(limits::kWindowBytesPressed, 'x'));
  ASSERT_EQ(deliveries(), 1u);
  EXPECT_EQ(delivered(0), numbers(1, 1)) << "a window that holds something takes no large one more";
  take_in();
  ack(1);
  Batch second = batch_of(2, 2, 2);
  second.messages.front().body = std::string(1 << 20, 'x');
  answer_read(std::move(second));
  EXPECT_EQ(last_delivered(), numbers(2, 2)) << "an empty one takes any";
}

TEST_F(SessionFeed, FromHalfOfTheNodesMemoryOnAMessageThatIsNotAckedHoldsUpNoOthers) {
  deliver_from(0, DeliveryMode::kUnordered, 4096);
  windows_->take(limits::kWindowsBytesMax / 2);
  push(1, 1);
  take_in();
  nack({1}, 3'600'000);
  push(2, 200);  // more than fit now
  const auto last = last_delivered().back();
  ASSERT_LT(last, 200u);
  answer_read(batch_of(1, 1, 200));  // the one that a subscription begins with
  const auto reads = home().fetches.size();
  take_in();
  EXPECT_EQ(home().fetches.size(), reads) << "no room yet";
  ack(0, numbers(2, last));
  ASSERT_EQ(home().fetches.size(), reads + 1);
  EXPECT_LE(home().fetches.back().bytes_max, limits::kWindowBytesPressed);
  answer_read(batch_of(last + 1, last + 10, 200));
  EXPECT_EQ(last_delivered(), numbers(last + 1, last + 10));
}

TEST_F(SessionFeed, FromHalfOfTheNodesMemoryOnALargeMessageThatIsNotAckedHoldsUpNoOthers) {
  deliver_from(0, DeliveryMode::kUnordered, 4096);
  windows_->take(limits::kWindowsBytesMax / 2);
  push(1, 1, std::string(limits::kBodyBytesMax, 'x'));
  take_in();
  nack({1}, limits::kNackDelayMsMax);
  push(2, 3);
  EXPECT_EQ(last_delivered(), numbers(2, 3));
  take_in();
  push(5, 5);
  answer_read(batch_of(4, 5, 5));
  EXPECT_EQ(last_delivered(), numbers(4, 5)) << "what has to be read is read";
}

TEST_F(SessionFeed, FromHalfOfTheNodesMemoryOnALargeMessagePassesASmallOneThatIsNotAcked) {
  deliver_from(0, DeliveryMode::kUnordered, 4096);
  windows_->take(limits::kWindowsBytesMax / 2);
  push(1, 1);
  take_in();
  nack({1}, limits::kNackDelayMsMax);
  push(2, 2, std::string(limits::kBodyBytesMax, 'x'));
  EXPECT_EQ(last_delivered(), numbers(2, 2));
}

TEST_F(SessionFeed, WhatOnlyTheNodesMemoryHasHeldUpGoesOnWhenOthersHaveMadeRoom) {
  const std::string most_of_a_share(limits::kWindowBytesPressed * 3 / 4, 'x');
  deliver_from(0, DeliveryMode::kUnordered, 4096);
  windows_->take(limits::kWindowsBytesMax / 2);
  push(1, 1, most_of_a_share);
  push(2, 2, std::string(limits::kBodyBytesMax, 'x'));
  take_in();
  nack({1, 2}, limits::kNackDelayMsMax);
  push(3, 3, most_of_a_share);
  ASSERT_EQ(last_delivered(), numbers(2, 2)) << "two messages of a share together are too many";
  const auto reads = home().fetches.size();
  advance(60'000);
  EXPECT_EQ(home().fetches.size(), reads) << "what does not fit is not asked for";
  windows_->give_back(limits::kWindowsBytesMax / 2);
  advance(5'000);
  ASSERT_EQ(home().fetches.size(), reads + 1) << "nobody tells the session: it looks";
  answer_read(batch_of(3, 3, 3));
  EXPECT_EQ(last_delivered(), numbers(3, 3));
}

TEST_F(SessionFeed, ReadsOnWhenThereIsRoomForAMessageOfAnySize) {
  deliver_from(0, DeliveryMode::kUnordered, 4096);
  push(1, 6, std::string(limits::kBodyBytesMax, 'x'));
  push(7, 8);
  const auto reads = home().fetches.size();
  push(10, 10);
  EXPECT_EQ(home().fetches.size(), reads + 1) << "less than a quarter of the window is free";
}

TEST_F(SessionFeed, ReadsOnWhenNacksLeaveLessThanAMessageOfTheLargest) {
  const auto seven = numbers(1, 7);
  deliver_from(0, DeliveryMode::kUnordered, 4096);
  push(1, 7, std::string(limits::kBodyBytesMax, 'x'));
  push(9, 9);
  const auto reads = home().fetches.size();
  take_in();
  nack(Numbers(seven.begin(), seven.end() - 1), limits::kNackDelayMsMax);
  EXPECT_EQ(home().fetches.size(), reads + 1) << "half of the rest is free";
}

TEST_F(SessionFeed, WhatDoesNotFitIsNotAskedForAgainAndAgain) {
  deliver_from(0, DeliveryMode::kUnordered, 4096);
  windows_->take(limits::kWindowsBytesMax / 2);
  const std::string large(limits::kWindowBytesPressed, 'x');
  push(1, 1, large);
  take_in();
  push(3, 3);  // the one before it was not pushed
  Batch second = batch_of(2, 2, 3);
  second.messages.front().body = large;
  answer_read(second);
  const auto reads = home().fetches.size();
  advance(kFirstMs - 1);
  EXPECT_EQ(home().fetches.size(), reads) << "the window holds something, and this does not fit beside it";
  ack(1);
  EXPECT_EQ(home().fetches.size(), reads + 1);
  answer_read(second);
  EXPECT_EQ(last_delivered(), numbers(2, 2));
}

// The node's windows are full, and the one of this session holds a message that is still on its way to the client.
class FullNode : public SessionTest {
 protected:
  static constexpr std::size_t kOverheadBytes = 256;  // of an entry, beside the body

  void hold(std::size_t bytes, DeliveryMode mode) {
    deliver_from(0, mode);
    push(1, 1, std::string(bytes - kOverheadBytes, 'x'));
    ASSERT_EQ(windows_->used(), bytes);
    windows_->take(limits::kWindowsBytesMax - bytes);
    advance(limits::kWindowPressedMs);  // it looks, and sees that the node is full
    EXPECT_TRUE(client_->closings.empty());
  }
  void expect_that_it_makes_room() {
    advance(limits::kWindowPressedMs - 1);
    EXPECT_TRUE(client_->closings.empty());
    advance(1);
    ASSERT_EQ(client_->closings.size(), 1u);
    const Error& reason = client_->closings.front();
    EXPECT_EQ(reason.code, ErrorCode::kOverloaded);
    EXPECT_EQ(reason.field, "window");
    EXPECT_TRUE(reason.is_temporary()) << "the client logs in again and goes on";
    EXPECT_EQ(home().unregisters.size(), 1u);
    EXPECT_TRUE(host_.ended);
    EXPECT_EQ(counters_->windows_given_up, 1u);
  }
};

TEST_F(FullNode, DeviceThatNeverAcksMakesRoom) {
  hold(limits::kWindowBytesPressed + 1, DeliveryMode::kOrdered);
  expect_that_it_makes_room();
}

TEST_F(FullNode, DeviceThatTakesNothingInMakesRoomThoughNoRetransmitIsTimed) {
  hold(limits::kWindowBytesPressed + 1, DeliveryMode::kSequenceOnly);
  expect_that_it_makes_room();
}

TEST_F(FullNode, FromHalfOnSeveralMessagesMakeRoom) {
  deliver_from(0, DeliveryMode::kOrdered);
  push(1, 2, std::string(limits::kWindowBytesPressed, 'x'));
  windows_->take(limits::kWindowsBytesMax / 2 - windows_->used());
  advance(limits::kWindowPressedMs);  // it looks, and sees that the node is half full
  expect_that_it_makes_room();
}

TEST_F(FullNode, OneMessageIsKeptBesideTheShareUntilAllIsUsed) {
  deliver_from(0, DeliveryMode::kOrdered);
  push(1, 1, std::string(limits::kWindowBytesPressed, 'x'));
  push(2, 2, std::string(limits::kWindowBytesPressed - kOverheadBytes, 'x'));
  windows_->take(limits::kWindowsBytesMax - 1 - windows_->used());
  advance(10 * limits::kWindowPressedMs);
  EXPECT_TRUE(client_->closings.empty()) << "it would only come again";
  windows_->take(1);
  advance(limits::kWindowPressedMs);
  expect_that_it_makes_room();
}

TEST_F(FullNode, WindowThatIsNotLargerThanItsShareIsKept) {
  hold(limits::kWindowBytesPressed, DeliveryMode::kUnordered);
  advance(10 * limits::kWindowPressedMs);
  EXPECT_TRUE(client_->closings.empty());
}

TEST_F(FullNode, DeviceThatAcksInTimeIsKept) {
  hold(limits::kWindowBytesPressed + 1, DeliveryMode::kOrdered);
  advance(limits::kWindowPressedMs - 1);
  ack(1);
  advance(1);
  EXPECT_TRUE(client_->closings.empty());
  EXPECT_LT(windows_->used(), limits::kWindowsBytesMax);
}

TEST_F(FullNode, WindowIsKeptWhenOthersHaveMadeRoom) {
  hold(limits::kWindowBytesPressed + 1, DeliveryMode::kOrdered);
  windows_->give_back(1);
  advance(limits::kWindowPressedMs);
  windows_->take(1);
  advance(limits::kWindowPressedMs);
  EXPECT_TRUE(client_->closings.empty()) << "its time begins anew";
  expect_that_it_makes_room();
}

TEST_F(SessionFeed, WhatAWindowHoldsIsGivenBackWhenItsSessionEnds) {
  deliver_from(0, DeliveryMode::kOrdered, 16);
  push(1, 5, std::string(1000, 'x'));
  EXPECT_GT(windows_->used(), 5'000u);
  session_.reset();
  EXPECT_EQ(windows_->used(), 0u);
}

TEST_F(SessionFeed, OwnFetchesAndHistoriesAreForwardedCountedAndChecked) {
  open(0, 50);
  session_->handle(ClientFetch{1, seq(10), 0, FetchCause::kGap}, now_);
  EXPECT_EQ(home().fetches.back().after, seq(10));
  EXPECT_EQ(home().fetches.back().limit, limits::kFetchMessagesMax);
  session_->handle(ClientHistory{2, seq(0), 20}, now_);
  EXPECT_EQ(home().histories.back().limit, 20u);
  session_->handle(ClientFetch{3, seq(10), limits::kFetchMessagesMax + 1, FetchCause::kChecksum}, now_);
  ASSERT_EQ(client_->batches.size(), 1u);
  EXPECT_EQ(client_->batches[0].second.error().field, "limit");
  session_->handle(FetchAnswered{home().histories.back().request, batch_of(31, 50, 50)}, now_);
  EXPECT_EQ(client_->batches.at(1).first, 2u);
  EXPECT_EQ(client_->batches[1].second->messages.size(), 20u);
  advance(kTimeoutMs);
  ASSERT_EQ(client_->batches.size(), 3u);
  EXPECT_EQ(client_->batches[2].second.error().code, ErrorCode::kDeadlineExceeded);
  answer_read(batch_of(11, 12, 50));
  EXPECT_EQ(client_->batches.size(), 3u) << "too late";
  EXPECT_EQ(counters_->refetches_of(FetchCause::kGap), 1u);
  EXPECT_EQ(counters_->refetches_of(FetchCause::kChecksum), 0u);
}

TEST_F(SessionFeed, OwnReadsMayAskForAFullBatchAndNotForOneMore) {
  open();
  session_->handle(ClientFetch{1, seq(0), limits::kFetchMessagesMax, FetchCause::kGap}, now_);
  session_->handle(ClientHistory{2, seq(0), limits::kFetchMessagesMax}, now_);
  EXPECT_TRUE(client_->batches.empty());
  session_->handle(ClientFetch{3, seq(0), limits::kFetchMessagesMax + 1, FetchCause::kGap}, now_);
  session_->handle(ClientHistory{4, seq(0), limits::kFetchMessagesMax + 1}, now_);
  ASSERT_EQ(client_->batches.size(), 2u);
  for (const auto& [call, batch] : client_->batches) EXPECT_EQ(batch.error().field, "limit") << call;
}

TEST_F(SessionFeed, TooManyReadsUnderWayAreRefused) {
  open();
  for (CallId call = 1; call <= limits::kCallsInFlightMax; ++call) {
    session_->handle(ClientFetch{call, seq(0), 1, FetchCause::kCatchUp}, now_);
  }
  EXPECT_TRUE(client_->batches.empty());
  session_->handle(ClientHistory{999, seq(0), 1}, now_);
  EXPECT_EQ(client_->batches.at(0).second.error().code, ErrorCode::kOverloaded);
}

}  // namespace
}  // namespace earshot::tests
