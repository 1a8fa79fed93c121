#include "actors/version_history.hpp"

#include <gtest/gtest.h>

#include "base/random.hpp"

namespace earshot::actors {
namespace {

TEST(VersionHistory, NothingIsKnownBeforeItHasLastedForSoLong) {
  VersionHistory history(1'000);
  EXPECT_EQ(history.before(5'000), std::nullopt);
  history.note(7, 5'000);
  EXPECT_EQ(history.before(5'999), std::nullopt);
  EXPECT_EQ(history.before(6'000), 7u);
}

TEST(VersionHistory, WhateverBecameOfLateIsNewerThanWhatItSays) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Random random(seed);
    VersionHistory history(1'000);
    std::vector<std::pair<std::uint64_t, std::uint64_t>> became;  // when, and which
    std::uint64_t now_ms = 10'000, version = 0;
    history.note(version, now_ms);
    for (int step = 0; step < 400; ++step) {
      now_ms += random.chance(0.05) ? random.below(3'000) : random.below(60);
      if (random.chance(0.7)) became.emplace_back(now_ms, ++version);
      history.note(version, now_ms);
      const auto before = history.before(now_ms);
      if (!before) continue;
      std::uint64_t oldest_late = version + 1;
      for (const auto& [at_ms, one] : became)
        if (at_ms + 1'000 > now_ms) oldest_late = std::min(oldest_late, one);
      ASSERT_LT(*before, oldest_late) << "seed " << seed;
    }
    EXPECT_TRUE(history.before(now_ms + 1'000).has_value());
  }
}

}  // namespace
}  // namespace earshot::actors
