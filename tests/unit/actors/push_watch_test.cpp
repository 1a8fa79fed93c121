#include "actors/push_watch.hpp"

#include <gtest/gtest.h>

namespace earshot::actors {
namespace {

const Term kFirst(3), kSecond(4);

TEST(PushWatch, FramesInTheirOrderMissNothing) {
  PushWatch watch;
  EXPECT_FALSE(watch.last_is(kFirst, 0)) << "nothing was pushed yet";
  for (std::uint64_t number = 1; number <= 5; ++number) EXPECT_FALSE(watch.arrived(kFirst, number));
  EXPECT_FALSE(watch.last_is(kFirst, 5));
}

TEST(PushWatch, TheLastFrameWhenItGetsLostIsMissedByTheLeadersWord) {
  PushWatch watch;
  watch.arrived(kFirst, 1);
  EXPECT_TRUE(watch.last_is(kFirst, 2));
  EXPECT_FALSE(watch.last_is(kFirst, 2)) << "it was told once";
  EXPECT_FALSE(watch.arrived(kFirst, 3));
}

TEST(PushWatch, TheVeryFirstFrameCanBeTheLost) {
  PushWatch by_next, by_word;
  EXPECT_TRUE(by_next.arrived(kFirst, 2));
  EXPECT_TRUE(by_word.last_is(kFirst, 1));
}

TEST(PushWatch, ALostFrameInTheMiddleIsMissedOnce) {
  PushWatch watch;
  watch.arrived(kFirst, 1);
  EXPECT_TRUE(watch.arrived(kFirst, 3));
  EXPECT_FALSE(watch.arrived(kFirst, 4));
  EXPECT_FALSE(watch.last_is(kFirst, 4));
}

TEST(PushWatch, RepeatsAndStragglersMissNothing) {
  PushWatch watch;
  watch.arrived(kFirst, 1);
  watch.arrived(kFirst, 2);
  EXPECT_FALSE(watch.arrived(kFirst, 2));
  EXPECT_FALSE(watch.arrived(kFirst, 1));
  EXPECT_FALSE(watch.last_is(kFirst, 1)) << "a late word";
}

TEST(PushWatch, EveryTermCountsAnewAndAnEarlierOneIsOfNoInterest) {
  PushWatch watch;
  watch.arrived(kFirst, 1);
  EXPECT_FALSE(watch.arrived(kSecond, 1));
  EXPECT_FALSE(watch.arrived(kFirst, 9));
  EXPECT_FALSE(watch.last_is(kFirst, 9));
  EXPECT_TRUE(watch.arrived(kSecond, 3)) << "the old leader's frames have not counted";
}

}  // namespace
}  // namespace earshot::actors
