#include "actors/timer_ladder.hpp"

#include <random>
#include <set>

#include <gtest/gtest.h>

#include "tests/support/seed.hpp"

namespace earshot::actors {
namespace {

TEST(TimerLadder, ALaterTimeNeedsNoSecondTimer) {
  TimerLadder timers;
  EXPECT_EQ(timers.want(2'000, 0), 2'000u);
  EXPECT_EQ(timers.want(60'000, 5), std::nullopt) << "the first one fires before";
  timers.fired(2'000);
  EXPECT_EQ(timers.want(10'000, 2'000), 10'000u);
}

TEST(TimerLadder, NoneIsArmedForLongerThanTheLimit) {
  TimerLadder timers;
  EXPECT_EQ(timers.want(10'000'000, 5), 5 + TimerLadder::kDelayMsMax);
}

// A client may nack with a shorter delay than before, thousands of times a second, each of which wants an earlier time.
TEST(TimerLadder, TimesThatComeCloserAgainAndAgainDoNotPileTimersUp) {
  TimerLadder timers;
  std::size_t armed = 0;
  for (std::uint64_t wanted = 60'000; wanted > 0; --wanted) {
    if (timers.want(wanted, 0)) ++armed;
  }
  EXPECT_LE(armed, TimerLadder::kTimersMax);
  EXPECT_LE(timers.armed(), TimerLadder::kTimersMax);
}

// Whatever is wanted, and wanted anew: at the wanted time at the latest the actor looks, and few timers are armed.
TEST(TimerLadder, TheWantedTimeIsNeverMissedAndFewTimersAreArmed) {
  std::mt19937_64 random(tests::seed_of_test());
  TimerLadder timers;
  std::set<std::uint64_t> clock;  // when armed timers fire
  std::uint64_t now = 1;
  std::uint64_t wanted = 0;
  std::size_t wakes = 0;
  const auto arm = [&] {
    if (const auto at = timers.want(wanted, now)) clock.insert(*at);
    ASSERT_FALSE(clock.empty());
    ASSERT_LE(*clock.begin(), std::max(wanted, now));
    ASSERT_LE(clock.size(), TimerLadder::kTimersMax);
  };
  for (int step = 0; step < 200'000; ++step) {
    if (wanted == 0 || random() % 2 == 0) {
      const std::uint64_t shift = random() % 17;
      wanted = now + random() % (std::uint64_t{1} << shift);
      arm();
    } else {
      const std::uint64_t until = now + random() % 50;
      while (!clock.empty() && *clock.begin() <= until) {
        now = std::max(now, *clock.begin());
        timers.fired(*clock.begin());
        clock.erase(clock.begin());
        if (wanted == 0) continue;
        if (now >= wanted) {
          wanted = 0, ++wakes;
        } else {
          arm();
        }
      }
      now = until;
      ASSERT_TRUE(wanted == 0 || wanted > now) << "a wanted time has passed";
    }
  }
  EXPECT_GT(wakes, 1'000u);
}

}  // namespace
}  // namespace earshot::actors
