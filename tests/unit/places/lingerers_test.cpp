#include "places/lingerers.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace earshot::places {
namespace {

constexpr ShardId kShard{2};

std::vector<std::string> take_all(Lingerers& lingerers, std::uint64_t now_ms) {
  std::vector<std::string> all;
  while (const auto over = lingerers.take_over(now_ms)) {
    EXPECT_EQ(over->shard, kShard);
    all.push_back(over->member);
  }
  return all;
}

TEST(Lingerers, EachLingersForItsTimeFromWhenItLeft) {
  Lingerers lingerers({100, 10});
  EXPECT_EQ(lingerers.due_ms(), 0u);
  lingerers.left(kShard, "ada", 1'000);
  lingerers.left(kShard, "bob", 1'050);
  lingerers.left(kShard, "ada", 1'090);  // moves on among others' regions
  EXPECT_EQ(lingerers.due_ms(), 1'100u);
  EXPECT_TRUE(take_all(lingerers, 1'099).empty());
  EXPECT_EQ(take_all(lingerers, 1'100), std::vector<std::string>{"ada"});
  EXPECT_EQ(take_all(lingerers, 2'000), std::vector<std::string>{"bob"});
  EXPECT_TRUE(lingerers.empty());
  EXPECT_EQ(lingerers.forgot_ms(), 0u);
}

TEST(Lingerers, WhoIsBackDoesNotLingerAndItsNextTimeCounts) {
  Lingerers lingerers({100, 10});
  lingerers.left(kShard, "ada", 1'000);
  lingerers.is_back("ada");
  EXPECT_TRUE(lingerers.empty());
  lingerers.left(kShard, "ada", 1'060);
  EXPECT_TRUE(take_all(lingerers, 1'150).empty());
  EXPECT_EQ(take_all(lingerers, 1'160), std::vector<std::string>{"ada"});
}

TEST(Lingerers, OneTooManyMakesTheFirstOneGoAndThatIsSaid) {
  Lingerers lingerers({100, 2});
  for (const char* name : {"ada", "bob", "eve"}) lingerers.left(kShard, name, 1'000);
  lingerers.left(kShard, "dan", 1'010);
  EXPECT_EQ(take_all(lingerers, 1'020), (std::vector<std::string>{"ada", "bob"}));
  EXPECT_EQ(lingerers.forgot_ms(), 1'000u);
  EXPECT_EQ(lingerers.size(), 2u);
}

}  // namespace
}  // namespace earshot::places
