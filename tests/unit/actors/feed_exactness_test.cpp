#include <gtest/gtest.h>

#include "actors/feed_desk.hpp"
#include "base/limits.hpp"

namespace earshot::actors {
namespace {

class FeedExactnessTest : public testing::Test {
 protected:
  FeedExactnessTest() {
    clock.advance(10'000);
    exactness.set_wake([this] { ++wakes; });
  }

  ManualClock clock;
  int wakes = 0;
  FeedExactness exactness{clock, {NodeId(1)}, 2};
};

TEST_F(FeedExactnessTest, IsExactUntilTheTimeHasComeAndNotThen) {
  EXPECT_FALSE(exactness.is_exact_now());
  exactness.set_exact_until(clock.monotonic_ms() + 5);
  EXPECT_TRUE(exactness.is_exact_now());
  clock.advance(4);
  EXPECT_TRUE(exactness.is_exact_now());
  clock.advance(1);
  EXPECT_FALSE(exactness.is_exact_now());
}

TEST_F(FeedExactnessTest, EachShardIsExactByItself) {
  exactness.set_exact_until(ShardId(1), clock.monotonic_ms() + 5);
  EXPECT_TRUE(exactness.is_exact_now(ShardId(1)));
  EXPECT_FALSE(exactness.is_exact_now(ShardId(0)));
  EXPECT_FALSE(exactness.is_exact_now());
  EXPECT_EQ(wakes, 1) << "asking for one wants the leases of all";
  clock.advance(5);
  EXPECT_FALSE(exactness.is_exact_now(ShardId(1)));
  exactness.set_exact_until(ShardId(1), clock.monotonic_ms() + 5);
  exactness.set_view({NodeId(2)});
  EXPECT_FALSE(exactness.is_exact_now(ShardId(1)));
}

TEST_F(FeedExactnessTest, AskingWakesTheDeskOnceAndAgainWhenNobodyHadAskedForLong) {
  EXPECT_FALSE(exactness.is_wanted());
  (void)exactness.is_exact_now();
  (void)exactness.is_exact_now();
  EXPECT_EQ(wakes, 1);
  clock.advance(limits::kFeedLeaseIdleMs - 1);
  EXPECT_TRUE(exactness.is_wanted());
  clock.advance(1);
  EXPECT_FALSE(exactness.is_wanted());
  (void)exactness.is_exact_now();
  EXPECT_EQ(wakes, 2);
  EXPECT_TRUE(exactness.is_wanted());
}

TEST_F(FeedExactnessTest, WhoeverAsksBeforeTheDeskIsThereIsNotForgotten) {
  FeedExactness early(clock, {NodeId(1)}, 2);
  (void)early.is_exact_now();
  early.set_wake([this] { ++wakes; });
  EXPECT_EQ(wakes, 1);
}

TEST_F(FeedExactnessTest, WhoeverWaitsIsCalledWhenItIsExactAndOnlyThen) {
  int calls = 0;
  const auto waiting = exactness.when_exact([&] { ++calls; });
  ASSERT_NE(waiting, nullptr);
  exactness.set_exact_until(clock.monotonic_ms());  // over already
  EXPECT_EQ(calls, 0);
  exactness.set_exact_until(clock.monotonic_ms() + 1);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(exactness.when_exact([&] { ++calls; }), nullptr);
  EXPECT_EQ(calls, 2);
  clock.advance(1);
  const auto next = exactness.when_exact([&] { ++calls; });
  EXPECT_NE(next, nullptr);
  EXPECT_EQ(calls, 2);
}

TEST_F(FeedExactnessTest, WithAnotherViewNothingIsExactAndAfterTheEndNobodyIsCalled) {
  exactness.set_exact_until(clock.monotonic_ms() + 100);
  exactness.set_view({NodeId(1), NodeId(2)});
  EXPECT_FALSE(exactness.is_exact_now());
  EXPECT_EQ(exactness.cells()->view().size(), 2u);
  int calls = 0;
  const auto waiting = exactness.when_exact([&] { ++calls; });
  exactness.end();
  exactness.set_exact_until(clock.monotonic_ms() + 100);
  EXPECT_EQ(calls, 0);
}

TEST_F(FeedExactnessTest, SaysOfEachShardWhetherItIsExactAndOfNoneByAnotherView) {
  exactness.set_exact_until(ShardId(1), clock.monotonic_ms() + 5);
  EXPECT_EQ(exactness.exact_shards(), (std::vector<bool>{false, true}));
  exactness.set_view({NodeId(1), NodeId(2)});
  EXPECT_EQ(exactness.exact_shards(), (std::vector<bool>{false, false}));
}

TEST_F(FeedExactnessTest, WhoWasForgottenLastCounts) {
  EXPECT_EQ(exactness.followed_since_ms(), 0u);
  exactness.forgot(7);
  exactness.forgot(5);
  EXPECT_EQ(exactness.followed_since_ms(), 7u);
}

}  // namespace
}  // namespace earshot::actors
