#include "actors/recent_calls.hpp"

#include <gtest/gtest.h>

namespace earshot::actors {
namespace {

TEST(RecentCalls, ACallThatComesTwiceIsSeenAndOneThatIsPassedOnIsNotTakenForIt) {
  RecentCalls calls;
  EXPECT_TRUE(calls.is_first(NodeId(1), 7, 1));
  EXPECT_FALSE(calls.is_first(NodeId(1), 7, 1));
  EXPECT_TRUE(calls.is_first(NodeId(1), 7, 2));
  EXPECT_TRUE(calls.is_first(NodeId(2), 7, 1));
  EXPECT_TRUE(calls.is_first(NodeId(1), 8, 1));
}

TEST(RecentCalls, AsManyOfANodeAreRememberedAsMayBe) {
  RecentCalls calls;
  for (std::uint64_t call = 1; call <= limits::kRecentCallsMax; ++call) calls.is_first(NodeId(1), call, 1);
  EXPECT_FALSE(calls.is_first(NodeId(1), 1, 1));
  EXPECT_TRUE(calls.is_first(NodeId(1), limits::kRecentCallsMax + 1, 1));
  EXPECT_TRUE(calls.is_first(NodeId(1), 1, 1));
}

}  // namespace
}  // namespace earshot::actors
