#include "actors/exact_waits.hpp"

#include <memory>
#include <set>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace earshot::actors {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Feeds final : FeedView {
  [[nodiscard]] bool is_exact_now() override { return false; }
  [[nodiscard]] bool is_exact_now(ShardId shard) override { return exact.contains(shard); }
  [[nodiscard]] Waiting when_exact(std::function<void()> /*then*/) override { return nullptr; }
  [[nodiscard]] std::vector<bool> exact_shards() const override { return {}; }
  [[nodiscard]] std::uint64_t followed_since_ms() const override { return 0; }
  [[nodiscard]] std::shared_ptr<const cluster::CellMap> cells() const override { return nullptr; }
  std::set<ShardId> exact;
};

class ExactWaitsTest : public testing::Test {
 protected:
  void wait(std::uint16_t shard, std::uint64_t ms) {
    waits.wait(
        ShardId(shard), now_ms + ms, [this](bool is_exact) { said.push_back(is_exact); }, now_ms);
  }
  void pass(std::uint64_t ms) { waits.wake(now_ms += ms); }

  const std::shared_ptr<Feeds> feeds = std::make_shared<Feeds>();
  std::uint64_t now_ms = 1'000;
  std::vector<bool> said;
  ExactWaits waits{feeds, 2};
};

TEST_F(ExactWaitsTest, WhatIsKnownIsSaidAtOnce) {
  feeds->exact = {ShardId(3)};
  wait(3, 100);
  EXPECT_THAT(said, ElementsAre(true));
  EXPECT_EQ(waits.wake_at(), 0u);
}

TEST_F(ExactWaitsTest, WhoeverWaitsIsToldOfItsOwnShardSoonAfterThatIsKnown) {
  wait(3, 1'000);
  wait(4, 1'000);
  ASSERT_EQ(waits.wake_at(), now_ms + ExactWaits::kLookMs);
  pass(ExactWaits::kLookMs);
  EXPECT_THAT(said, IsEmpty());
  feeds->exact = {ShardId(4)};
  pass(ExactWaits::kLookMs);
  EXPECT_THAT(said, ElementsAre(true));
  EXPECT_NE(waits.wake_at(), 0u) << "the other one waits";
  feeds->exact = {ShardId(3)};
  pass(ExactWaits::kLookMs);
  EXPECT_THAT(said, ElementsAre(true, true));
  EXPECT_EQ(waits.wake_at(), 0u);
}

TEST_F(ExactWaitsTest, ADeadlineEndsIt) {
  wait(3, 25);
  pass(20);
  EXPECT_THAT(said, IsEmpty());
  pass(10);
  EXPECT_THAT(said, ElementsAre(false));
  wait(3, 0);
  EXPECT_THAT(said, ElementsAre(false, false));
}

TEST_F(ExactWaitsTest, NoMoreWaitThanMay) {
  for (int i = 0; i < 3; ++i) wait(3, 100);
  EXPECT_THAT(said, ElementsAre(false));
}

}  // namespace
}  // namespace earshot::actors
