// One timer for the shards of a node: who is woken when.
#include "actors/beat.hpp"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace earshot::actors {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class BeatTest : public testing::Test {
 protected:
  std::vector<std::uint16_t> woken_at(std::uint64_t now_ms) {
    std::vector<std::uint16_t> woken;
    beat_.beat(now_ms, [&](ShardId shard) { woken.push_back(shard.value); });
    return woken;
  }
  static constexpr std::uint64_t kPauseMs = 150;
  Beat beat_{4, kPauseMs, 1'050};
};

TEST_F(BeatTest, WhoIsDueIsWokenOnceAtTheNextMultiple) {
  EXPECT_THAT(woken_at(1'000), IsEmpty());
  EXPECT_TRUE(beat_.want(ShardId(2), 1'155));
  EXPECT_TRUE(beat_.want(ShardId(0), 1'151));
  EXPECT_THAT(woken_at(1'150), IsEmpty());
  EXPECT_EQ(beat_.next_ms(), 1'200u);
  EXPECT_THAT(woken_at(1'200), ElementsAre(0, 2));
  EXPECT_THAT(woken_at(1'350), IsEmpty());
}

TEST_F(BeatTest, WhoWantsToWakeBeforeTheNextBeatHasToSeeToIt) {
  woken_at(1'050);
  EXPECT_EQ(beat_.next_ms(), 1'050 + kPauseMs);
  EXPECT_FALSE(beat_.want(ShardId(1), beat_.next_ms() - 1));
  EXPECT_TRUE(beat_.want(ShardId(1), beat_.next_ms()));
}

// All leaders of a node want to wake at multiples of their heartbeat.
TEST_F(BeatTest, OneThatIsLateMakesNoLaterOneLate) {
  woken_at(1'050);
  woken_at(1'203);
  EXPECT_EQ(beat_.next_ms(), 1'350u);
  EXPECT_TRUE(beat_.want(ShardId(1), 1'350));
  EXPECT_THAT(woken_at(1'350), ElementsAre(1));
}

TEST_F(BeatTest, WhoNoLongerWantsToWakeIsLeftAlone) {
  woken_at(1'000);
  beat_.want(ShardId(3), 1'200);
  EXPECT_TRUE(beat_.want(ShardId(3), 0));
  EXPECT_THAT(woken_at(1'300), IsEmpty());
}

TEST_F(BeatTest, ThePulseIsDueAtEveryHeartbeatButThoseOfTheReplicas) {
  EXPECT_FALSE(beat_.is_pulse_due(1'350)) << "the ninth: a third one is theirs";
  EXPECT_TRUE(beat_.is_pulse_due(1'503)) << "late";
  EXPECT_FALSE(beat_.is_pulse_due(1'550)) << "once";
  EXPECT_TRUE(beat_.is_pulse_due(1'650));
  EXPECT_FALSE(beat_.is_pulse_due(1'800));
}

TEST_F(BeatTest, OneThatIsLateWakesWhoWasDueMeanwhile) {
  woken_at(1'000);
  beat_.want(ShardId(0), 1'200);
  EXPECT_THAT(woken_at(9'000), ElementsAre(0));
  EXPECT_GT(beat_.next_ms(), 9'000u);
}

}  // namespace
}  // namespace earshot::actors
