// Which times a leader proposes, and what it says of a clock that it cannot use.
#include "actors/shard_ticks.hpp"

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "tests/support/log_capture.hpp"

namespace earshot::actors {
namespace {

constexpr std::uint64_t kHourMs = 3'600'000;

class TickSourceLog : public testing::Test {
 protected:
  // What was logged since the last call.
  std::string said() { return log_.take(); }

  tests::LogCapture log_;
  ManualClock clock_;
  TickSource ticks_{clock_, ShardId(3)};
};

TEST_F(TickSourceLog, ClockBehindTheCommittedTimeIsNamedOnceAndWhenItGetsThere) {
  const std::uint64_t committed_ms = clock_.wall_ms() + 365 * 24 * kHourMs;
  ticks_.compare(committed_ms);
  EXPECT_NE(said().find("shard 3: the wall clock is 31536000000 ms behind"), std::string::npos);
  ticks_.compare(committed_ms);
  EXPECT_EQ(said(), "");
  clock_.advance(365 * 24 * kHourMs - limits::kClockDisagreementMsMax - 1);
  ticks_.compare(committed_ms);
  EXPECT_EQ(said(), "");
  clock_.advance(1);
  ticks_.compare(committed_ms);
  EXPECT_NE(said().find("reached"), std::string::npos);
}

TEST_F(TickSourceLog, ClockThatIsADayAheadIsNamedBeforeItsFirstTickOnly) {
  ticks_.compare(clock_.wall_ms() - 24 * kHourMs - 1);
  EXPECT_NE(said().find("24 h ahead"), std::string::npos);
  ticks_.compare(clock_.wall_ms() - 48 * kHourMs);
  EXPECT_EQ(said(), "");
}

TEST_F(TickSourceLog, ShortRestAndAnEmptyShardAreNoNews) {
  ticks_.compare(0);
  TickSource(clock_, ShardId(4)).compare(clock_.wall_ms() - 24 * kHourMs);
  EXPECT_EQ(said(), "");
}

// Such a clock was wrong when the node started, or drifts: the monotonic one shows nothing of it.
TEST_F(TickSourceLog, AClockThatOtherNodesDisagreeWithGivesNoTicksButTheirTime) {
  const auto clocks = std::make_shared<ClockWatch>(clock_);
  TickSource ticks(clock_, ShardId(3), clocks);
  const std::uint64_t theirs_ms = clock_.wall_ms() + kHourMs;
  for (const NodeId node : {NodeId(2), NodeId(3)}) clocks->told(node, theirs_ms, clock_.monotonic_ms());
  clocks->look(2, clock_.wall_ms(), clock_.monotonic_ms());
  clock_.advance(7);
  EXPECT_EQ(ticks.now().tick_ms, 0u);
  EXPECT_EQ(ticks.now().now_ms, theirs_ms + 7);
  EXPECT_GT(ticks.wait_ms(0), 0u);
  clock_.advance(limits::kClockToldMsMax);
  clocks->told(NodeId(2), clock_.wall_ms(), clock_.monotonic_ms());
  clocks->look(2, clock_.wall_ms(), clock_.monotonic_ms());
  EXPECT_EQ(ticks.now().tick_ms, clock_.wall_ms());
}

// What is stored by a time that is ahead never goes back.
TEST_F(TickSourceLog, OneOfTwoOthersThatDisagreesStopsTicksButDoesNotLendItsTime) {
  const auto clocks = std::make_shared<ClockWatch>(clock_);
  TickSource ticks(clock_, ShardId(3), clocks);
  clocks->told(NodeId(2), clock_.wall_ms() + kHourMs, clock_.monotonic_ms());
  clocks->look(2, clock_.wall_ms(), clock_.monotonic_ms());
  clock_.advance(7);
  EXPECT_EQ(ticks.now().tick_ms, 0u);
  EXPECT_EQ(ticks.now().now_ms, clock_.wall_ms());
  const std::uint64_t counted_ms = clock_.wall_ms();
  clock_.jump_wall(kHourMs);
  EXPECT_EQ(ticks.now().now_ms, counted_ms) << "by the monotonic clock";
  clock_.jump_wall(-static_cast<std::int64_t>(kHourMs));
  ticks.now();
  said();
  ticks.compare(clock_.wall_ms() + kHourMs);
  EXPECT_EQ(said(), "") << "a clock that is not used";
}

// All its clocks stand still meanwhile, and its wall clock is set afterwards.
TEST_F(TickSourceLog, AVirtualMachineThatWasPausedGoesByTheTimeThatOtherNodesShow) {
  const auto clocks = std::make_shared<ClockWatch>(clock_);
  TickSource ticks(clock_, ShardId(3), clocks);
  const auto others_show_the_same = [&] {
    for (const NodeId node : {NodeId(2), NodeId(3)}) clocks->told(node, clock_.wall_ms(), clock_.monotonic_ms());
    clocks->look(2, clock_.wall_ms(), clock_.monotonic_ms());
  };
  others_show_the_same();
  const std::uint64_t before_ms = clock_.wall_ms();
  clock_.jump_wall(kHourMs);
  EXPECT_EQ(ticks.now().tick_ms, 0u) << "what others showed before says nothing";
  EXPECT_EQ(ticks.now().now_ms, before_ms);
  clock_.advance(limits::kClockToldMsMax + 1);
  others_show_the_same();
  EXPECT_EQ(ticks.now().tick_ms, clock_.wall_ms());
  clock_.advance(kHourMs);
  clocks->look(2, clock_.wall_ms(), clock_.monotonic_ms());
  EXPECT_EQ(ticks.now().tick_ms, clock_.wall_ms()) << "also when nobody is heard any more";
}

TEST_F(TickSourceLog, ClockThatIsNotUsedIsNotComparedEither) {
  clock_.jump_wall(-static_cast<std::int64_t>(kHourMs));
  ticks_.now();
  EXPECT_NE(said().find("no ticks"), std::string::npos);
  ticks_.compare(clock_.wall_ms() + kHourMs);
  EXPECT_EQ(said(), "");
  EXPECT_GT(ticks_.wait_ms(0), 0u) << "it is looked at again";
}

}  // namespace
}  // namespace earshot::actors
