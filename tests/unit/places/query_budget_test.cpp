#include "places/query_budget.hpp"

#include <string>

#include <gtest/gtest.h>

#include "base/limits.hpp"

namespace earshot::places {
namespace {

const UserId kAda = UserId::trusted("ada");
const UserId kBea = UserId::trusted("bea");

// How many questions are granted at once.
int granted(QueryBudget& budget, const UserId& user, std::uint32_t per_minute, std::uint64_t now_ms) {
  int count = 0;
  while (budget.take(user, per_minute, now_ms)) ++count;
  return count;
}

TEST(QueryBudget, AMinutesWorthIsThereAtOnceThenItRefillsSteadily) {
  QueryBudget budget(10);
  EXPECT_EQ(granted(budget, kAda, 30, 1'000), 30);
  const Status refused = budget.take(kAda, 30, 1'500);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kOverloaded);
  EXPECT_EQ(refused.error().field, "queries");
  EXPECT_EQ(refused.error().retry_after_ms, 1'500u) << "one every two seconds, and half a second has passed";
  EXPECT_FALSE(budget.take(kAda, 30, 2'999));
  EXPECT_EQ(granted(budget, kAda, 30, 3'000), 1) << "what was refused has cost nothing";
  EXPECT_EQ(granted(budget, kAda, 30, 33'000), 15);
  EXPECT_EQ(granted(budget, kAda, 30, 1'000'000), 30) << "and no more than a minute's worth";
}

TEST(QueryBudget, UsersHaveTheirOwn) {
  QueryBudget budget(10);
  EXPECT_EQ(granted(budget, kAda, 5, 0), 5);
  EXPECT_EQ(granted(budget, kBea, 5, 0), 5);
}

TEST(QueryBudget, AskingInSeveralLayersGivesNoMore) {
  QueryBudget budget(10);
  EXPECT_EQ(granted(budget, kAda, 5, 0), 5);
  EXPECT_EQ(granted(budget, kAda, limits::kQueriesPerMinuteMax, 0), 0);
  EXPECT_EQ(granted(budget, kAda, limits::kQueriesPerMinuteMax, 6), 1);
}

TEST(QueryBudget, ALayerWithoutALimitRemembersNobody) {
  QueryBudget budget(10);
  for (int i = 0; i < 1'000; ++i) EXPECT_TRUE(budget.take(kAda, 0, 0));
  EXPECT_EQ(budget.users(), 0u);
}

TEST(QueryBudget, TheLongestIdleUserIsForgottenFirst) {
  QueryBudget budget(3);
  for (const char* user : {"a", "b", "c"}) EXPECT_EQ(granted(budget, UserId::trusted(user), 2, 0), 2);
  EXPECT_FALSE(budget.take(UserId::trusted("a"), 2, 1));
  EXPECT_TRUE(budget.take(UserId::trusted("d"), 2, 2));
  EXPECT_EQ(budget.users(), 3u);
  EXPECT_FALSE(budget.take(UserId::trusted("a"), 2, 3)) << "it has asked since";
  EXPECT_TRUE(budget.take(UserId::trusted("b"), 2, 4)) << "it was the longest idle";
}

TEST(QueryBudget, OneUserAtATimeIsEnough) {
  QueryBudget budget(1);
  EXPECT_EQ(granted(budget, kAda, 3, 0), 3);
  EXPECT_EQ(granted(budget, kBea, 3, 0), 3);
}

}  // namespace
}  // namespace earshot::places
