// What is logged of calls that cross nodes: under which name, and how often.
#include "actors/remote_call_log.hpp"

#include <string>

#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "tests/support/log_capture.hpp"

namespace earshot::actors {
namespace {

class RemoteCallLogTest : public testing::Test {
 protected:
  RemoteCallLogTest() {
    spdlog::default_logger()->set_level(spdlog::level::debug);
    clock_.advance(60'000);
  }
  [[nodiscard]] RemoteCall call_since(std::uint64_t ms) const {
    return {{NodeId(1), RequestTag::Door::kSession, 57, 1203}, ShardId(7), clock_.monotonic_ms() - ms};
  }

  tests::LogCapture lines_;
  ManualClock clock_;
  RemoteCallLog log_{clock_, limits::kSlowCallMs};
};

TEST_F(RemoteCallLogTest, WhatWasDoneInTimeLeavesNoLine) {
  SendsAnswered answered{1, {{Stored{Sequence(1), Epoch(1)}}}};
  log_.answered(call_since(0), answered);
  log_.answered(call_since(limits::kSlowCallMs - 1), AckAnswered{1, Sequence(1)});
  EXPECT_EQ(lines_.take(), "");
}

TEST_F(RemoteCallLogTest, ARefusedCallIsNamedAsItsClientsNodeNamesIt) {
  log_.answered(call_since(0), FetchAnswered{1, fail(ErrorCode::kOverloaded, "", "too much")});
  const std::string line = lines_.take();
  EXPECT_NE(line.find("n1.s57.c1203: read is refused at shard 7"), std::string::npos) << line;
  EXPECT_NE(line.find("too much"), std::string::npos) << line;
}

TEST_F(RemoteCallLogTest, OfASendTheFirstMessageThatIsNotStoredIsTold) {
  SendsAnswered answered;
  answered.answers = {{Stored{Sequence(1), Epoch(1)}},
                      {SendAnswer::Held{Error{ErrorCode::kStorageFull, "", "first"}}},
                      {SendAnswer::Refused{Error{ErrorCode::kConflict, "", "second"}}}};
  log_.answered(call_since(0), answered);
  const std::string line = lines_.take();
  EXPECT_NE(line.find("first"), std::string::npos) << line;
  EXPECT_EQ(line.find("second"), std::string::npos) << line;
}

TEST_F(RemoteCallLogTest, RefusalsAreNotToldWhereNobodyReadsDebug) {
  spdlog::default_logger()->set_level(spdlog::level::info);
  log_.answered(call_since(0), AckAnswered{1, fail(ErrorCode::kUnavailable, "", "gone")});
  RemoteCallLog::lost(call_since(0).tag, ShardId(7), NodeId(2));
  EXPECT_EQ(lines_.take(), "");
}

TEST_F(RemoteCallLogTest, SlowCallsAreOneLineASecondWithHowManyThereWereMeanwhile) {
  const AckAnswered done{1, Sequence(1)};
  for (int i = 0; i < 3; ++i) log_.answered(call_since(limits::kSlowCallMs), done);
  std::string lines = lines_.take();
  EXPECT_NE(lines.find("n1.s57.c1203: ack took 1000 ms at shard 7 (0 more"), std::string::npos) << lines;
  EXPECT_EQ(lines.find('\n'), lines.size() - 1) << "one line";
  clock_.advance(1'000);
  log_.answered(call_since(2'500), done);
  lines = lines_.take();
  EXPECT_NE(lines.find("took 2500 ms at shard 7 (2 more"), std::string::npos) << lines;
}

TEST_F(RemoteCallLogTest, AQuestionAboutPlacesIsOfNoShard) {
  RemoteCall call = call_since(limits::kSlowCallMs);
  call.shard.reset();
  log_.answered(call, NodeAnswer{});
  const std::string line = lines_.take();
  EXPECT_NE(line.find("n1.s57.c1203: question who is there took 1000 ms here (0 more"), std::string::npos) << line;
}

TEST_F(RemoteCallLogTest, ACallThatIsLostIsNamedWhereItWasMade) {
  RemoteCallLog::lost(call_since(0).tag, ShardId(7), NodeId(2));
  const std::string line = lines_.take();
  EXPECT_NE(line.find("n1.s57.c1203: a call to node 2 for shard 7 is lost"), std::string::npos) << line;
}

}  // namespace
}  // namespace earshot::actors
