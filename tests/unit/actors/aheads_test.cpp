// What was told ahead of the log, until it has its place there.
#include "actors/aheads.hpp"

#include <gtest/gtest.h>

namespace earshot::actors {
namespace {

TEST(Aheads, AreSettledUpToTheFirstThatIsNot) {
  Aheads aheads;
  EXPECT_TRUE(aheads.are_all_settled());
  EXPECT_EQ(aheads.last(), 0u);
  for (const std::uint64_t number : {1, 2, 3, 4}) EXPECT_EQ(aheads.told(), number);
  aheads.settle(1);
  aheads.settle(3);
  EXPECT_EQ(aheads.settled_through(), 1u) << "the third was refused while the second is in the log";
  aheads.settle(2);
  EXPECT_EQ(aheads.settled_through(), 3u);
  EXPECT_EQ(aheads.last(), 4u);
  EXPECT_FALSE(aheads.are_all_settled());
  EXPECT_EQ(aheads.told(), 5u);
  aheads.settle(4);
  aheads.settle(5);
  EXPECT_TRUE(aheads.are_all_settled());
}

}  // namespace
}  // namespace earshot::actors
