#include "actors/client_reads.hpp"

#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "tests/support/session_fakes.hpp"

namespace earshot::tests {
namespace {

class ClientReadsTest : public testing::Test {
 protected:
  std::optional<ClientReads::Answer> start(CallId call, ClientReads::Kind kind, std::uint32_t limit = 0) {
    return reads_.start({call, kind, seq(3), limit}, [this](const ClientReads::Read& read) {
      forwarded_.push_back(read);
      return RequestId(100 + forwarded_.size());
    });
  }

  ClientReads reads_;
  std::vector<ClientReads::Read> forwarded_;
};

TEST_F(ClientReadsTest, AReadWithoutALimitAsksForAFullBatch) {
  EXPECT_FALSE(start(1, ClientReads::Kind::kFetch));
  ASSERT_EQ(forwarded_.size(), 1u);
  EXPECT_EQ(forwarded_[0].limit, limits::kFetchMessagesMax);
  EXPECT_EQ(forwarded_[0].from, seq(3));
}

TEST_F(ClientReadsTest, AnswersInAnyOrderGoToTheirCalls) {
  for (CallId call = 1; call <= 3; ++call) start(call, ClientReads::Kind::kHistory);
  EXPECT_EQ(reads_.answered(102, batch_of(1, 1, 1))->call, 2u);
  EXPECT_EQ(reads_.answered(103, batch_of(1, 1, 1))->call, 3u);
  EXPECT_EQ(reads_.answered(101, batch_of(1, 1, 1))->call, 1u);
  EXPECT_FALSE(reads_.answered(101, batch_of(1, 1, 1))) << "twice";
}

TEST_F(ClientReadsTest, WhatAFetchBroughtMayBeAckedAndHistoryMayNot) {
  start(1, ClientReads::Kind::kFetch);
  start(2, ClientReads::Kind::kHistory);
  reads_.answered(102, batch_of(8, 9, 9));
  EXPECT_EQ(reads_.fetched(), Sequence());
  Batch batch = batch_of(4, 5, 9);
  batch.lost.push_back(LostRange{seq(6), seq(7), LostReason::kTrimmed});
  reads_.answered(101, std::move(batch));
  EXPECT_EQ(reads_.fetched(), seq(7));
}

TEST_F(ClientReadsTest, AReadThatIsAskedAgainIsAnsweredUnderItsNewId) {
  start(1, ClientReads::Kind::kFetch, 5);
  start(2, ClientReads::Kind::kHistory, 6);
  const ClientReads::Read& again = reads_.again(102, 200);
  EXPECT_EQ(again.kind, ClientReads::Kind::kHistory);
  EXPECT_EQ(again.limit, 6u);
  EXPECT_FALSE(reads_.answered(102, batch_of(1, 1, 1)));
  EXPECT_EQ(reads_.answered(200, batch_of(1, 1, 1))->call, 2u);
}

TEST_F(ClientReadsTest, OneReadMoreThanCallsMayBeUnderWayIsRefused) {
  for (CallId call = 1; call <= limits::kCallsInFlightMax; ++call) {
    EXPECT_FALSE(start(call, ClientReads::Kind::kFetch));
  }
  const auto refused = start(999, ClientReads::Kind::kFetch);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->call, 999u);
  EXPECT_EQ(refused->batch.error().code, ErrorCode::kOverloaded);
  reads_.answered(101, fail(ErrorCode::kOverloaded, "", ""));
  EXPECT_FALSE(start(999, ClientReads::Kind::kFetch)) << "one was answered";
}

}  // namespace
}  // namespace earshot::tests
