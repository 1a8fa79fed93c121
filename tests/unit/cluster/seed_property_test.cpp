#include <cstdlib>
#include <iostream>

#include <gtest/gtest.h>

#include "seed_world.hpp"
#include "tests/support/seed.hpp"

namespace earshot::cluster {
namespace {

using storage::Backend;

// Worlds to try: EARSHOT_SEEDS, or so many.
std::uint64_t worlds(std::uint64_t usual) {
  const char* given = std::getenv("EARSHOT_SEEDS");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : usual;
}

class SeedProperty : public testing::TestWithParam<Backend> {};

INSTANTIATE_TEST_SUITE_P(Backends, SeedProperty, testing::Values(Backend::kLmdb, Backend::kModel),
                         storage::name_of_backend);

TEST_P(SeedProperty, FetchedStateIsTheSourcesWhateverGetsLostOrCrashes) {
  const std::uint64_t first = tests::seed_of_test();
  std::uint64_t crashes = 0;
  std::uint64_t overlays = 0;
  std::uint64_t beginnings = 0;
  const std::uint64_t count = worlds(GetParam() == Backend::kModel ? 300 : 15);
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    SeedWorld world(GetParam(), seed);
    ASSERT_EQ(world.run(), "") << "EARSHOT_SEED=" << seed;
    crashes += world.crashes;
    overlays += world.overlays;
    beginnings += world.beginnings;
  }
  std::cout << count << " fetches, " << overlays << " overlays, " << crashes << " crashes, " << beginnings
            << " beginnings\n";
}

// Whether one of many worlds shows that a rule is broken.
bool is_seen(const storage::SeedFaults& faults) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const std::string wrong = SeedWorld(Backend::kModel, seed, faults).run();
    if (wrong.empty()) continue;
    std::cout << "seed " << seed << ": " << wrong << "\n";
    return true;
  }
  return false;
}

TEST(SeedMutation, ForgettingWhatWasFlushedIsSeen) { EXPECT_TRUE(is_seen({.forgets_flushed = true})); }

TEST(SeedMutation, EndingWhileAFlushIsUnderWayIsSeen) { EXPECT_TRUE(is_seen({.ends_while_flushing = true})); }

TEST(SeedMutation, TakingTheMarkAwayEarlyIsSeen) { EXPECT_TRUE(is_seen({.unmarks_early = true})); }

}  // namespace
}  // namespace earshot::cluster
