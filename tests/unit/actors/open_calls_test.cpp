#include "actors/open_calls.hpp"

#include <memory>
#include <optional>
#include <utility>

#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "tests/support/shard_ports.hpp"

namespace earshot::actors {
namespace {

constexpr NodeId kOther{2}, kThird{3};

class OpenCallsTest : public testing::Test {
 protected:
  std::uint64_t open(Asker asker, NodeId to = kOther, ShardId shard = ShardId(1), std::uint64_t now_ms = 0) {
    return calls_.open(to, shard, asker, now_ms);
  }
  std::uint64_t open_fetch(RequestId request, NodeId to = kOther, ShardId shard = ShardId(1), std::uint64_t at = 0) {
    return open(ReadAsker{session_, request}, to, shard, at);
  }

  std::shared_ptr<tests::RecordingSession> session_ = std::make_shared<tests::RecordingSession>();
  OpenCalls calls_;
};

TEST_F(OpenCallsTest, AnAnswerGoesToWhoAskedOnce) {
  const std::uint64_t call = open(Waiter(AckWaiter{session_, 7}));
  calls_.answered(call, AckAnswered{7, Sequence(3)});
  calls_.answered(call, AckAnswered{7, Sequence(4)});
  ASSERT_EQ(session_->acks.size(), 1u);
  EXPECT_EQ(*session_->acks[0].cursor, Sequence(3));
  EXPECT_EQ(calls_.size(), 0u);
}

TEST_F(OpenCallsTest, AnAnswerOfAnotherKindOrRequestIsDropped) {
  const std::uint64_t call = open(Waiter(SendWaiter{session_, 7, 2}));
  calls_.answered(call, AckAnswered{7, Sequence(3)});
  calls_.answered(call, SendsAnswered{8, {SendAnswer{}, SendAnswer{}}});
  calls_.answered(call, SendsAnswered{7, {SendAnswer{}}});
  EXPECT_TRUE(session_->acks.empty());
  EXPECT_TRUE(session_->sends.empty());
  EXPECT_EQ(calls_.size(), 1u) << "the right one may still come";
  calls_.answered(call, SendsAnswered{7, {SendAnswer{}, SendAnswer{}}});
  EXPECT_EQ(session_->sends.size(), 1u);
}

TEST_F(OpenCallsTest, CallsOfANodeThatIsGoneAreLostAndOthersAreNot) {
  open_fetch(1, kOther);
  open_fetch(2, kThird);
  calls_.lose_node(kOther);
  ASSERT_EQ(session_->fetches.size(), 1u);
  EXPECT_EQ(session_->fetches[0].request, 1u);
  EXPECT_EQ(session_->fetches[0].batch.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(calls_.size(), 1u);
}

TEST_F(OpenCallsTest, MessagesOfALostCallAreHeldBack) {
  open(Waiter(SendWaiter{session_, 7, 2}));
  calls_.lose_shard(ShardId(1), calls_.last(), kThird);
  ASSERT_EQ(session_->sends.size(), 1u);
  EXPECT_EQ(session_->sends[0].answers.size(), 2u);
  EXPECT_EQ(session_->held(), ErrorCode::kUnavailable);
}

// It may have been made by another thread as soon as the new leader was known.
TEST_F(OpenCallsTest, ACallToTheNewLeaderIsNotLostWithThoseBefore) {
  open_fetch(1, kOther);
  const std::uint64_t before = calls_.last();
  open_fetch(2, kThird);
  open_fetch(3, kOther);
  calls_.lose_shard(ShardId(1), before, kThird);
  ASSERT_EQ(session_->fetches.size(), 2u);
  EXPECT_EQ(calls_.size(), 1u);
}

TEST_F(OpenCallsTest, CallsThatNobodyWaitsForAnyMoreAreDropped) {
  open_fetch(1, kOther, ShardId(1), 1'000);
  open_fetch(2, kOther, ShardId(1), 2'000);
  calls_.lose_older_than(1'500);
  ASSERT_EQ(session_->fetches.size(), 1u);
  EXPECT_EQ(session_->fetches[0].request, 1u);
}

TEST_F(OpenCallsTest, WhoAskedIsLetGoOfWhenTheNodeHasEnded) {
  const std::weak_ptr asker(session_);
  open_fetch(1);
  session_.reset();
  ASSERT_FALSE(asker.expired());
  calls_.forget();
  EXPECT_TRUE(asker.expired());
  EXPECT_EQ(calls_.size(), 0u);
}

TEST_F(OpenCallsTest, APositionsCallHasItsAnswerOnce) {
  int answers = 0;
  const std::uint64_t call = open(Waiter(PositionsWaiter{[&](Result<PositionsAnswer> answer) {
    ++answers;
    EXPECT_EQ(answer->members, 5u);
  }}));
  calls_.answered(call, PositionsAnswered{PositionsAnswer{{}, 5}});
  calls_.lose_node(kOther);
  EXPECT_EQ(answers, 1);
}

TEST_F(OpenCallsTest, ACallThatDidNotGoIsTakenBackWhole) {
  const std::uint64_t call = open_fetch(1);
  const Asker asker = calls_.take_back(call);
  EXPECT_EQ(std::get<ReadAsker>(asker).request, 1u);
  EXPECT_EQ(calls_.size(), 0u);
}

TEST_F(OpenCallsTest, OneMoreThanMayBeOpenIsNotOpened) {
  for (std::size_t i = 0; i < limits::kOpenCallsMax; ++i) ASSERT_NE(open_fetch(i), 0u);
  Asker asker = ReadAsker{session_, 9};
  EXPECT_EQ(calls_.open(kOther, ShardId(1), asker, 0), 0u);
  EXPECT_EQ(std::get<ReadAsker>(asker).from, session_) << "and stays with who asks";
}

TEST_F(OpenCallsTest, WhereMembersAreIsToldOfAsManyAsWereAskedAbout) {
  std::optional<Result<WhereAnswer>> told;
  const std::uint64_t call = open(WhereAsker{[&](Result<WhereAnswer> answer) { told = std::move(answer); }, 2});
  calls_.answered(call, WhereAnswered{WhereAnswer(3)});
  calls_.answered(call, PositionsAnswered{PositionsAnswer{{}, 5}});
  EXPECT_FALSE(told.has_value());
  calls_.answered(call, WhereAnswered{WhereAnswer(2)});
  ASSERT_TRUE(told.has_value() && told->has_value());
  const std::uint64_t lost = open(WhereAsker{[&](Result<WhereAnswer> answer) { told = std::move(answer); }, 2});
  calls_.lose_shard(ShardId(1), calls_.last(), kThird);
  EXPECT_FALSE(told->has_value());
  calls_.answered(lost, WhereAnswered{WhereAnswer(2)});
  EXPECT_FALSE(told->has_value());
}

}  // namespace
}  // namespace earshot::actors
