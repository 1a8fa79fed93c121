#include "actors/clock_watch.hpp"

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
  bool look(std::uint64_t set_by_ms = 0) { return watch_.look(kWallMs + now_ms_ + set_by_ms, now_ms_); }
  [[nodiscard]] bool is_in_doubt() const { return watch_.others_ms(now_ms_).has_value(); }
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
  EXPECT_FALSE(look());
  EXPECT_FALSE(is_in_doubt());
  EXPECT_FALSE(is_confirmed());
}

TEST_F(ClockWatchTest, AClockThatMostOthersDisagreeWithIsInDoubt) {
  told(2, kHourMs);
  told(3, kHourMs + 200);
  EXPECT_TRUE(look());
  now_ms_ += 50;
  EXPECT_EQ(watch_.others_ms(now_ms_), kWallMs + now_ms_ + kHourMs);
  EXPECT_FALSE(look()) << "no news";
  now_ms_ += limits::kClockToldMsMax;
  told(2, 0);
  told(3, 0);
  EXPECT_TRUE(look());
  EXPECT_FALSE(is_in_doubt());
}

TEST_F(ClockWatchTest, AClockAtTheLimitIsBelievedAndNotBeyond) {
  told(2, -static_cast<std::int64_t>(limits::kClocksApartMsMax));
  look();
  EXPECT_FALSE(is_in_doubt());
  now_ms_ += limits::kClockToldMsMax + 1;
  told(2, -static_cast<std::int64_t>(limits::kClocksApartMsMax) - 1);
  look();
  EXPECT_TRUE(is_in_doubt()) << "of two nobody knows which one is wrong";
}

TEST_F(ClockWatchTest, OneThatIsWrongMakesNobodyElseDoubt) {
  told(2, 0);
  told(3, kHourMs);
  look();
  EXPECT_FALSE(is_in_doubt());
  EXPECT_FALSE(is_confirmed()) << "one of two does not confirm it either";
}

TEST_F(ClockWatchTest, WhatMostOthersShowConfirmsAClock) {
  told(2, 0);
  told(3, 0);
  told(4, kHourMs);
  look();
  EXPECT_TRUE(is_confirmed());
  EXPECT_FALSE(is_confirmed(limits::kClocksApartMsMax + 1)) << "it was set just now";
  now_ms_ += limits::kClockToldMsMax + 1;
  EXPECT_TRUE(is_confirmed());
  look();
  EXPECT_FALSE(is_confirmed()) << "nobody has been heard for long";
}

// Clocks that are set together, by the same mistake, must not confirm each other; but one that was set right is told.
TEST_F(ClockWatchTest, AClockThatWasSetIsNoneToTellUntilOthersShowTheSame) {
  EXPECT_TRUE(is_steady(limits::kClockDisagreementMsMax));
  EXPECT_FALSE(is_steady(limits::kClockDisagreementMsMax + 1));
  look(kHourMs);
  EXPECT_FALSE(is_steady(kHourMs)) << "with nobody there";
  told(2, kHourMs);
  look(kHourMs);
  EXPECT_TRUE(is_steady(kHourMs));
}

TEST_F(ClockWatchTest, WhatWasToldLongAgoDoesNotCount) {
  told(2, kHourMs);
  now_ms_ += limits::kClockToldMsMax;
  look();
  EXPECT_TRUE(is_in_doubt());
  now_ms_ += 1;
  look();
  EXPECT_FALSE(is_in_doubt());
}

// As of a process that was suspended, and reads what had come meanwhile.
TEST_F(ClockWatchTest, WhatWasLateOnItsWayMakesNobodyDoubt) {
  for (std::int64_t late_ms = 18'000; late_ms >= 0; late_ms -= 1'000) told(2, -late_ms);
  look();
  EXPECT_FALSE(is_in_doubt());
  told(2, -18'000);
  look();
  EXPECT_FALSE(is_in_doubt());
}

TEST_F(ClockWatchTest, WhoeverTellsManyTimesIsRememberedWithinBounds) {
  for (std::int64_t ms = 0; ms < 100; ++ms) told(2, -ms * 1'000);
  look();
  EXPECT_TRUE(is_in_doubt()) << "the first ones are forgotten";
}

// Links tell on threads of their own.
TEST_F(ClockWatchTest, WhatWasToldAfterALookBeganCounts) {
  told(2, kHourMs);
  now_ms_ -= 1;
  look();
  EXPECT_TRUE(is_in_doubt());
}

TEST_F(ClockWatchTest, AnyTimeMayBeTold) {
  watch_.told(NodeId(2), UINT64_MAX, now_ms_);
  watch_.told(NodeId(3), 0, now_ms_);
  look();
  EXPECT_TRUE(is_in_doubt());
  EXPECT_EQ(watch_.others_ms(now_ms_), 0u) << "the lower one in the middle";
}

}  // namespace
}  // namespace earshot::actors
