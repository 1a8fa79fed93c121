#include "actors/ack_merger.hpp"
#include "base/limits.hpp"
#include "tests/support/session_fakes.hpp"

namespace earshot::tests {
namespace {

class SessionAck : public SessionTest {};

TEST_F(SessionAck, AckIsAnsweredOnlyWhenCommitted) {
  deliver_from(0, DeliveryMode::kOrdered);
  push(1, 3);
  const CallId call = ack(2);
  EXPECT_EQ(home().acks.back().command.up_to, seq(2));
  EXPECT_EQ(cursor_of(call), nullptr);
  answer_ack(seq(2));
  EXPECT_EQ(**cursor_of(call), seq(2));
}

TEST_F(SessionAck, AckStopsRetransmissionBeforeItIsCommitted) {
  deliver_from(0, DeliveryMode::kOrdered);
  push(1, 3);
  take_in();
  ack(3);
  advance(kTimeoutMs - 1);
  EXPECT_EQ(deliveries(), 1u);
}

TEST_F(SessionAck, MergedAcksAreAllAnswered) {
  deliver_from(0, DeliveryMode::kUnordered);
  push(1, 9);
  const CallId first = ack(1);
  const CallId second = ack(1, {4, 6});
  const CallId third = ack(2, {5});
  EXPECT_EQ(home().acks.size(), 1u);
  answer_ack(seq(1));
  EXPECT_NE(cursor_of(first), nullptr);
  EXPECT_EQ(cursor_of(second), nullptr);
  ASSERT_EQ(home().acks.size(), 2u);
  EXPECT_EQ(home().acks[1].command.up_to, seq(2));
  EXPECT_EQ(home().acks[1].command.above, (std::vector<Sequence>{seq(4), seq(5), seq(6)}));
  answer_ack(seq(2));
  EXPECT_EQ(**cursor_of(second), seq(2));
  EXPECT_EQ(**cursor_of(third), seq(2));
}

TEST_F(SessionAck, FailedCommitIsToldAndCarriedByTheNext) {
  deliver_from(0, DeliveryMode::kUnordered);
  push(1, 9);
  const CallId failed = ack(2, {5});
  answer_ack(fail(ErrorCode::kOverloaded, "", ""));
  EXPECT_EQ(cursor_of(failed)->error().code, ErrorCode::kOverloaded);
  EXPECT_EQ(home().acks.size(), 1u) << "the client decides when to try again";
  ack(0, {7});
  EXPECT_EQ(home().acks.at(1).command.up_to, seq(2));
  EXPECT_EQ(home().acks[1].command.above, (std::vector<Sequence>{seq(5), seq(7)}));
}

TEST_F(SessionAck, UnansweredCommitFailsAtItsDeadlineAndItsLateAnswerIsIgnored) {
  deliver_from(0, DeliveryMode::kOrdered);
  push(1, 3);
  const CallId call = ack(3);
  const RequestId request = home().acks.back().request;
  advance(kTimeoutMs);
  EXPECT_EQ(cursor_of(call)->error().code, ErrorCode::kDeadlineExceeded);
  const CallId again = ack(3);
  session_->handle(AckAnswered{request, seq(3)}, now_);
  EXPECT_EQ(cursor_of(again), nullptr) << "that was the answer to the other request";
  answer_ack(seq(3));
  EXPECT_EQ(**cursor_of(again), seq(3));
}

TEST_F(SessionAck, RefusedAckDoesNotSpoilTheNext) {
  open(0, 9);
  const CallId bad = ack(9);
  answer_ack(fail(ErrorCode::kInvalidArgument, "upTo", ""));
  EXPECT_FALSE(*cursor_of(bad));
  ack(4);
  EXPECT_EQ(home().acks.back().command.up_to, seq(4));
}

TEST_F(SessionAck, OneBadAckOfSeveralMergedSpoilsOnlyItself) {
  deliver_from(0, DeliveryMode::kUnordered);
  push(1, 9);
  ack(1);
  const CallId good = ack(2);
  const CallId bad = ack(2, {9});
  const CallId better = ack(2, {4});
  answer_ack(seq(1));
  answer_ack(fail(ErrorCode::kTooLarge, "above", ""));  // of the three together
  EXPECT_EQ(cursor_of(good), nullptr);
  EXPECT_EQ(home().acks.back().command.up_to, seq(2));
  EXPECT_TRUE(home().acks.back().command.above.empty());
  answer_ack(seq(2));
  EXPECT_EQ(**cursor_of(good), seq(2));
  EXPECT_EQ(home().acks.back().command.above, std::vector<Sequence>{seq(9)});
  answer_ack(fail(ErrorCode::kTooLarge, "above", ""));
  EXPECT_EQ(cursor_of(bad)->error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(home().acks.back().command.above, std::vector<Sequence>{seq(4)});
  answer_ack(seq(2));
  EXPECT_EQ(**cursor_of(better), seq(2));
}

TEST_F(SessionAck, SelectiveAcksThatAreCommittedAreNotCommittedAgain) {
  deliver_from(0, DeliveryMode::kUnordered);
  push(1, 99);
  ack(0, numbers(3, 80));
  answer_ack(seq(0));
  ack(0, numbers(3, 81));
  EXPECT_EQ(home().acks.back().command.above, std::vector<Sequence>{seq(81)});
  answer_ack(seq(0));
  const std::size_t before = home().acks.size();
  const CallId repeat = ack(0, numbers(3, 81));
  EXPECT_EQ(home().acks.size(), before);
  EXPECT_EQ(**cursor_of(repeat), seq(0));
}

TEST_F(SessionAck, AnAckThatAnotherOneCoversNeedsNoCommitOfItsOwn) {
  deliver_from(0, DeliveryMode::kUnordered);
  push(1, 9);
  ack(0, {4, 5});
  const CallId same = ack(0, {4});
  answer_ack(seq(0));
  EXPECT_EQ(**cursor_of(same), seq(0));
  EXPECT_EQ(home().acks.size(), 1u);
}

TEST_F(SessionAck, AckOfWhatIsCommittedIsAnsweredAtOnce) {
  open(5, 9);
  const CallId call = ack(3);
  EXPECT_EQ(**cursor_of(call), seq(5));
  EXPECT_TRUE(home().acks.empty());
}

TEST_F(SessionAck, AckBeforeSubscribeReachesTheShard) {
  open(3, 9);
  ack(7);
  EXPECT_EQ(home().acks.at(0).command.up_to, seq(7));
  const CallId beyond = ack(10);
  EXPECT_EQ(cursor_of(beyond)->error().field, "upTo");
}

TEST_F(SessionAck, AckBeyondWhatWasDeliveredNamesTheLast) {
  deliver_from(4, DeliveryMode::kOrdered);
  push(5, 6);
  const CallId call = ack(7);
  ASSERT_FALSE(*cursor_of(call));
  EXPECT_EQ(cursor_of(call)->error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(cursor_of(call)->error().field, "upTo");
  EXPECT_NE(cursor_of(call)->error().detail.find("6"), std::string::npos);
  EXPECT_TRUE(home().acks.empty());
}

TEST_F(SessionAck, WhatAnEarlierSessionStoredMayBeAckedBeforeItIsDeliveredAgain) {
  open(2, 9);
  subscribe(DeliveryMode::kUnordered);
  const CallId call = ack(2, {5, 9});
  EXPECT_EQ(cursor_of(call), nullptr) << "it goes to the shard";
  ASSERT_EQ(home().acks.size(), 1u);
  EXPECT_EQ(home().acks[0].command.above, (std::vector<Sequence>{seq(5), seq(9)}));
  const CallId beyond = ack(2, {10});
  ASSERT_NE(cursor_of(beyond), nullptr);
  EXPECT_EQ((*cursor_of(beyond)).error().field, "above");
}

TEST_F(SessionAck, WhatTheClientFetchedItselfMayBeAckedAndIsNotDelivered) {
  deliver_from(0, DeliveryMode::kOrdered, 4);
  push(1, 20);
  session_->handle(ClientFetch{99, seq(4), 0, FetchCause::kGap}, now_);
  answer_read(batch_of(5, 12, 20));
  take_in();
  const CallId call = ack(12);
  EXPECT_EQ(cursor_of(call), nullptr);
  EXPECT_EQ(home().fetches.back().after, seq(12));
  answer_read(batch_of(13, 16, 20));
  EXPECT_EQ(last_delivered(), numbers(13, 16));
}

TEST_F(SessionAck, HistoryDoesNotMakeAckable) {
  deliver_from(0, DeliveryMode::kOrdered, 4);
  push(1, 20);
  session_->handle(ClientHistory{99, seq(0), 2}, now_);
  session_->handle(FetchAnswered{home().histories.back().request, batch_of(19, 20, 20)}, now_);
  EXPECT_FALSE(*cursor_of(ack(20)));
}

TEST_F(SessionAck, SelectiveAcksAreForUnorderedOnly) {
  deliver_from(0, DeliveryMode::kOrdered);
  push(1, 5);
  EXPECT_EQ(cursor_of(ack(1, {3}))->error().field, "above");
}

TEST_F(SessionAck, SelectiveAcksMustAscendAndBeDelivered) {
  deliver_from(0, DeliveryMode::kUnordered);
  push(1, 5);
  EXPECT_EQ(cursor_of(ack(1, {4, 3}))->error().field, "above");
  EXPECT_EQ(cursor_of(ack(1, {3, 3}))->error().field, "above");
  EXPECT_EQ(cursor_of(ack(1, {6}))->error().field, "above");
  EXPECT_EQ(cursor_of(ack(1, numbers(2, limits::kSelectiveAcksMax + 2)))->error().field, "above");
  EXPECT_TRUE(home().acks.empty());
  EXPECT_EQ(cursor_of(ack(0, {2, 4})), nullptr);
}

TEST_F(SessionAck, SequenceOnlyReportsMoveTheCursor) {
  deliver_from(0, DeliveryMode::kSequenceOnly);
  push(1, 5);
  take_in();
  ack(5);
  EXPECT_EQ(home().acks.at(0).command.up_to, seq(5));
  EXPECT_EQ(cursor_of(ack(5, {5}))->error().field, "above");
}

TEST(AckMerger, AsManyCallsWaitAsAClientMayHaveUnderWay) {
  AckMerger acks(seq(0));
  for (CallId call = 1; call <= limits::kCallsInFlightMax; ++call) {
    ASSERT_TRUE(acks.add(call, AckRequest{seq(call), {}}));
    if (call == 1) {
      ASSERT_TRUE(acks.next());
    }
  }
  const Status one_more = acks.add(999, AckRequest{seq(999), {}});
  ASSERT_FALSE(one_more);
  EXPECT_EQ(one_more.error().code, ErrorCode::kOverloaded);
  EXPECT_EQ(acks.answered(seq(1)).calls.size(), 1u);
  EXPECT_TRUE(acks.add(999, AckRequest{seq(999), {}})) << "one was answered";
}

TEST(AckMerger, SelectiveAcksThatWaitAreBounded) {
  AckMerger acks(seq(0));
  const auto above = [](std::uint64_t first, std::size_t count) {
    std::vector<Sequence> sequences;
    for (std::uint64_t s = first; s < first + count; ++s) sequences.push_back(seq(s));
    return AckRequest{seq(0), std::move(sequences)};
  };
  ASSERT_TRUE(acks.add(1, above(2, limits::kSelectiveAcksMax)));
  ASSERT_TRUE(acks.next());
  EXPECT_TRUE(acks.add(2, above(10'000, limits::kSelectiveAcksMax)));
  const Status one_more = acks.add(3, above(20'000, 1));
  ASSERT_FALSE(one_more);
  EXPECT_EQ(one_more.error().code, ErrorCode::kOverloaded);
  EXPECT_EQ(one_more.error().field, "above");
  EXPECT_TRUE(acks.add(4, AckRequest{seq(1), {}})) << "others go on";
}

}  // namespace
}  // namespace earshot::tests
