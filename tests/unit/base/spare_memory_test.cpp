#include "base/spare_memory.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/sanitizers.hpp"

namespace earshot::tests {
namespace {

TEST(SpareMemory, IsGivenBackAtTheLimitAndNotBelow) {
  SpareMemory spare(1'000);
  EXPECT_FALSE(spare.worth_giving_back({5'999, 5'000}));
  EXPECT_TRUE(spare.worth_giving_back({6'000, 5'000}));
  EXPECT_FALSE(spare.worth_giving_back({5'000, 9'000})) << "what is allocated need not be resident";
}

TEST(SpareMemory, WhatCannotBeGivenBackIsNotTriedAgainAndAgain) {
  SpareMemory spare(1'000);
  ASSERT_TRUE(spare.worth_giving_back({10'000, 5'000}));
  spare.given_back({9'000, 5'000});
  EXPECT_FALSE(spare.worth_giving_back({9'000, 5'000}));
  EXPECT_FALSE(spare.worth_giving_back({9'999, 5'000}));
  EXPECT_TRUE(spare.worth_giving_back({10'000, 5'000}));
}

TEST(SpareMemory, WhatWasKeptAndIsUsedAgainCountsAgainWhenItIsSpare) {
  SpareMemory spare(1'000);
  spare.given_back({9'000, 5'000});
  EXPECT_FALSE(spare.worth_giving_back({9'000, 8'500}));
  EXPECT_TRUE(spare.worth_giving_back({9'000, 7'500}));
}

// Small things, every hundredth of which stays: nothing lies free at the end, and yet nearly everything comes back.
TEST(SpareMemory, ComesBackFromBetweenThingsThatStay) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer brings an allocator of its own";
  constexpr std::size_t kEachBytes = 1'000;
  constexpr std::size_t kThings = 64'000;
  std::vector<std::unique_ptr<char[]>> things(kThings);
  const MemoryUse before = memory_use();
  for (auto& thing : things) thing = std::make_unique<char[]>(kEachBytes);
  const MemoryUse full = memory_use();
  EXPECT_GE(full.used_bytes, before.used_bytes + kThings * kEachBytes);
  EXPECT_GE(full.resident_bytes, before.resident_bytes + kThings * kEachBytes / 2);
  for (std::size_t i = 0; i < kThings; ++i) {
    if (i % 100 != 0) things[i].reset();
  }
  SpareMemory spare;
  ASSERT_TRUE(spare.worth_giving_back(memory_use()));
  give_back_spare_memory();
  spare.given_back(memory_use());
  EXPECT_LE(memory_use().resident_bytes, before.resident_bytes + kThings * kEachBytes / 4);
  EXPECT_FALSE(spare.worth_giving_back(memory_use()));
}

}  // namespace
}  // namespace earshot::tests
