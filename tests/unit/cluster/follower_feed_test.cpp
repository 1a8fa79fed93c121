#include "cluster/follower_feed.hpp"

#include <gtest/gtest.h>

namespace earshot::cluster {
namespace {

constexpr std::uint64_t kNow = 10'000;

TEST(FollowerFeedTest, SendsWhatIsWantedInOrder) {
  FollowerFeed feed;
  EXPECT_FALSE(feed.has_room(kNow));
  feed.wanted(LogIndex(7), 3);
  EXPECT_TRUE(feed.has_room(kNow));
  EXPECT_EQ(feed.sent(), LogIndex(7));
  feed.sent(LogIndex(9), 100, kNow);
  feed.sent(LogIndex(10), 100, kNow);
  EXPECT_FALSE(feed.has_room(kNow));
  feed.wanted(LogIndex(10), 2);
  EXPECT_EQ(feed.sent(), LogIndex(10));
  EXPECT_TRUE(feed.has_room(kNow));
}

TEST(FollowerFeedTest, WhatDidNotGoIsNotLeftOut) {
  FollowerFeed feed;
  feed.wanted(LogIndex(7), 10);
  feed.sent(LogIndex(9), 100, kNow);
  // libraft takes all ten for sent.
  feed.wanted(LogIndex(17), 5);
  EXPECT_EQ(feed.sent(), LogIndex(9));
  EXPECT_EQ(feed.wanted(), LogIndex(22));
  EXPECT_EQ(feed.anchor(LogIndex(22)), LogIndex(9)) << "the follower knows of no entry 22";
  EXPECT_EQ(feed.anchor(LogIndex(7)), LogIndex(7));
}

TEST(FollowerFeedTest, BytesInFlightAreBoundedUntilTheyAreAcknowledged) {
  FollowerFeed feed;
  feed.wanted(LogIndex(0), 3);
  feed.sent(LogIndex(1), limits::kRaftBytesInFlightMax - 1, kNow);
  EXPECT_TRUE(feed.has_room(kNow));
  feed.sent(LogIndex(2), 1, kNow);
  EXPECT_FALSE(feed.has_room(kNow));
  feed.acknowledged(LogIndex(1));
  EXPECT_TRUE(feed.has_room(kNow));
  EXPECT_EQ(feed.in_flight_bytes(), 1u);
}

TEST(FollowerFeedTest, NothingIsRepeatedToAFollowerThatIsSilent) {
  FollowerFeed feed;
  feed.wanted(LogIndex(5), 4);
  feed.sent(LogIndex(9), 100, kNow);
  feed.wanted(LogIndex(5), 4);
  EXPECT_FALSE(feed.has_room(kNow + 150));
  EXPECT_FALSE(feed.has_room(kNow + 1'000'000));
  feed.heard();
  EXPECT_TRUE(feed.has_room(kNow + 300));
}

TEST(FollowerFeedTest, RepetitionsToASlowFollowerBecomeRare) {
  FollowerFeed feed;
  std::uint64_t repeated = 0;
  for (std::uint64_t now_ms = kNow; now_ms < kNow + 60'000; now_ms += limits::kHeartbeatMs) {
    feed.wanted(LogIndex(5), 4);
    feed.heard();
    if (!feed.has_room(now_ms)) continue;
    feed.sent(LogIndex(9), 100, now_ms);
    ++repeated;
  }
  EXPECT_GE(repeated, 40u);
  EXPECT_LE(repeated, 60u);
}

TEST(FollowerFeedTest, WhatAFollowerMissesIsRepeatedAtOnce) {
  FollowerFeed feed;
  feed.wanted(LogIndex(5), 4);
  feed.sent(LogIndex(9), 100, kNow);
  feed.rejected();
  feed.wanted(LogIndex(5), 4);
  EXPECT_TRUE(feed.has_room(kNow + 1));
  EXPECT_EQ(feed.in_flight_bytes(), 0u);
}

TEST(FollowerFeedTest, WhatIsStoredAlreadyIsNotSent) {
  FollowerFeed feed;
  feed.wanted(LogIndex(5), 4);
  feed.acknowledged(LogIndex(8));
  EXPECT_EQ(feed.sent(), LogIndex(8));
  feed.acknowledged(LogIndex(20));
  EXPECT_FALSE(feed.has_room(kNow));
}

}  // namespace
}  // namespace earshot::cluster
