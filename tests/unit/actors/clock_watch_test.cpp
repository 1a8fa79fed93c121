#include "actors/clock_watch.hpp"

#include <cstddef>
#include <optional>

#include <gtest/gtest.h>

#include "base/limits.hpp"

namespace earshot::actors {
namespace {

constexpr std::uint64_t kWallMs = 1'699'999'999'000;
constexpr std::uint64_t kHourMs = 3'600'000;

class ClockWatchTest : public testing::Test {
 protected:
  void told(std::uint64_t node, std::int64_t ahead_ms) {
    watch_.told(NodeId(node), static_cast<std::uint64_t>(static_cast<std::int64_t>(kWallMs + now_ms_) + ahead_ms),
                now_ms_);
  }
  // As a node of a cluster that has so many others.
  bool look(std::size_t others, std::uint64_t set_by_ms = 0) {
    return watch_.look(others, kWallMs + now_ms_ + set_by_ms, now_ms_);
  }
  [[nodiscard]] bool is_in_doubt() const { return watch_.is_in_doubt(); }
  [[nodiscard]] bool is_confirmed(std::uint64_t set_by_ms = 0) const {
    return watch_.is_confirmed(kWallMs + now_ms_ + set_by_ms, now_ms_);
  }
  [[nodiscard]] bool is_steady(std::uint64_t set_by_ms) const {
    return watch_.is_steady(kWallMs + now_ms_ + set_by_ms, now_ms_);
  }

  std::uint64_t now_ms_ = 1'000;
  ManualClock clock_;  // shows the same
  ClockWatch watch_{clock_};
};

TEST_F(ClockWatchTest, ANodeAloneBelievesItsClock) {
  EXPECT_FALSE(look(0));
  EXPECT_FALSE(is_in_doubt());
  EXPECT_FALSE(is_confirmed());
}

TEST_F(ClockWatchTest, ANodeThatHearsNobodyBelievesItsClock) {
  EXPECT_FALSE(look(2));
  EXPECT_FALSE(is_in_doubt());
  EXPECT_FALSE(is_confirmed());
}

TEST_F(ClockWatchTest, AClockThatMostOthersDisagreeWithIsInDoubt) {
  told(2, kHourMs);
  told(3, kHourMs + 200);
  EXPECT_TRUE(look(2));
  now_ms_ += 50;
  EXPECT_EQ(watch_.others_ms(now_ms_), kWallMs + now_ms_ + kHourMs);
  told(2, kHourMs + 100);
  EXPECT_FALSE(look(2)) << "no news";
  now_ms_ += limits::kClockToldMsMax + 1;
  told(2, 0);
  told(3, 0);
  EXPECT_TRUE(look(2));
  EXPECT_FALSE(is_in_doubt());
}

// It may be the only one that was not set right, and comes back with a clock that is wrong.
TEST_F(ClockWatchTest, ALoneVoiceRaisesDoubtButItsTimeIsNotTaken) {
  told(2, kHourMs);
  EXPECT_TRUE(look(2));
  EXPECT_TRUE(is_in_doubt());
  EXPECT_EQ(watch_.others_ms(now_ms_), std::nullopt);
  EXPECT_FALSE(look(2)) << "no news";
  told(3, kHourMs);
  EXPECT_TRUE(look(2));
  EXPECT_EQ(watch_.others_ms(now_ms_), kWallMs + now_ms_ + kHourMs) << "two of two are most";
  now_ms_ += limits::kClockToldMsMax + 1;
  told(3, kHourMs);
  EXPECT_TRUE(look(2));
  EXPECT_TRUE(is_in_doubt());
  EXPECT_EQ(watch_.others_ms(now_ms_), std::nullopt) << "the other one has not been heard for long";
}

TEST_F(ClockWatchTest, HalfOfAllOthersAreNotMost) {
  told(2, kHourMs);
  told(3, kHourMs);
  look(4);
  EXPECT_TRUE(is_in_doubt());
  EXPECT_EQ(watch_.others_ms(now_ms_), std::nullopt);
}

TEST_F(ClockWatchTest, OfTwoNodesTheOtherOneIsAllOthers) {
  told(2, kHourMs);
  look(1);
  EXPECT_TRUE(is_in_doubt());
  EXPECT_EQ(watch_.others_ms(now_ms_), kWallMs + now_ms_ + kHourMs);
  look(1, kHourMs);
  EXPECT_TRUE(is_confirmed(kHourMs));
}

TEST_F(ClockWatchTest, AClockAtTheLimitIsBelievedAndNotBeyond) {
  told(2, -static_cast<std::int64_t>(limits::kClocksApartMsMax));
  look(1);
  EXPECT_FALSE(is_in_doubt());
  now_ms_ += limits::kClockToldMsMax + 1;
  told(2, -static_cast<std::int64_t>(limits::kClocksApartMsMax) - 1);
  look(1);
  EXPECT_TRUE(is_in_doubt()) << "of two nobody knows which one is wrong";
}

TEST_F(ClockWatchTest, OneThatIsWrongMakesNobodyElseDoubt) {
  told(2, 0);
  told(3, kHourMs);
  look(2);
  EXPECT_FALSE(is_in_doubt());
  EXPECT_FALSE(is_confirmed()) << "one of two does not confirm it either";
}

TEST_F(ClockWatchTest, WhatMostOthersShowConfirmsAClock) {
  told(2, 0);
  told(3, 0);
  told(4, kHourMs);
  look(3);
  EXPECT_TRUE(is_confirmed());
  EXPECT_FALSE(is_confirmed(limits::kClocksApartMsMax + 1)) << "it was set just now";
  now_ms_ += limits::kClockToldMsMax + 1;
  EXPECT_TRUE(is_confirmed());
  look(3);
  EXPECT_FALSE(is_confirmed()) << "nobody has been heard for long";
}

TEST_F(ClockWatchTest, MostOfAllOthersConfirmAndNotOfThoseWhoAreHeard) {
  told(2, 0);
  told(3, 0);
  look(4);
  EXPECT_FALSE(is_confirmed()) << "half of all";
  told(4, 0);
  look(4);
  EXPECT_TRUE(is_confirmed());
}

// All three were set by the same mistake, and are silent; one that is started again takes its clock for right.
TEST_F(ClockWatchTest, OneRestartedNodeDoesNotConfirmTwoThatWereSet) {
  told(3, kHourMs);
  look(2, kHourMs);
  EXPECT_FALSE(is_confirmed(kHourMs));
  EXPECT_FALSE(is_steady(kHourMs)) << "so it does not tell its clock either";
  EXPECT_FALSE(is_in_doubt());
  told(2, kHourMs);
  look(2, kHourMs);
  EXPECT_TRUE(is_confirmed(kHourMs)) << "most of them were started again";
}

// A node that has just started may hear others before it knows of whom its cluster consists.
TEST_F(ClockWatchTest, WhoIsHeardBeforeItIsKnownHowManyThereAreRaisesDoubtOnly) {
  told(2, 0);
  look(0);
  EXPECT_FALSE(is_confirmed());
  look(0, kHourMs);
  EXPECT_TRUE(is_in_doubt());
  EXPECT_EQ(watch_.others_ms(now_ms_), std::nullopt);
}

// Clocks that are set together, by the same mistake, must not confirm each other; but one that was set right is told.
TEST_F(ClockWatchTest, AClockThatWasSetIsNoneToTellUntilOthersShowTheSame) {
  EXPECT_TRUE(is_steady(limits::kClockDisagreementMsMax));
  EXPECT_FALSE(is_steady(limits::kClockDisagreementMsMax + 1));
  look(1, kHourMs);
  EXPECT_FALSE(is_steady(kHourMs)) << "with nobody there";
  told(2, kHourMs);
  look(1, kHourMs);
  EXPECT_TRUE(is_steady(kHourMs));
}

TEST_F(ClockWatchTest, WhatWasToldLongAgoDoesNotCount) {
  told(2, kHourMs);
  now_ms_ += limits::kClockToldMsMax;
  look(1);
  EXPECT_TRUE(is_in_doubt());
  now_ms_ += 1;
  look(1);
  EXPECT_FALSE(is_in_doubt());
}

// As of a process that was suspended, and reads what had come meanwhile.
TEST_F(ClockWatchTest, WhatWasLateOnItsWayMakesNobodyDoubt) {
  for (std::int64_t late_ms = 18'000; late_ms >= 0; late_ms -= 1'000) told(2, -late_ms);
  look(1);
  EXPECT_FALSE(is_in_doubt());
  told(2, -18'000);
  look(1);
  EXPECT_FALSE(is_in_doubt());
}

TEST_F(ClockWatchTest, WhoeverTellsManyTimesIsRememberedWithinBounds) {
  for (std::int64_t ms = 0; ms < 100; ++ms) told(2, -ms * 1'000);
  look(1);
  EXPECT_TRUE(is_in_doubt()) << "the first ones are forgotten";
}

// Links tell on threads of their own.
TEST_F(ClockWatchTest, WhatWasToldAfterALookBeganCounts) {
  told(2, kHourMs);
  now_ms_ -= 1;
  look(1);
  EXPECT_TRUE(is_in_doubt());
}

TEST_F(ClockWatchTest, AnyTimeMayBeTold) {
  watch_.told(NodeId(2), UINT64_MAX, now_ms_);
  watch_.told(NodeId(3), 0, now_ms_);
  look(2);
  EXPECT_TRUE(is_in_doubt());
  EXPECT_EQ(watch_.others_ms(now_ms_), 0u) << "the lower one in the middle";
}

}  // namespace
}  // namespace earshot::actors
