#include <algorithm>
#include <array>
#include <cstdint>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "base/backoff.hpp"
#include "base/checksum.hpp"
#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/random.hpp"
#include "tests/support/seed.hpp"

namespace earshot::tests {
namespace {

TEST(Checksum, IsXxh3AsEveryOtherImplementationComputesIt) {
  EXPECT_EQ(checksum_of(""), 0x2d06800538d394c2ull);
  EXPECT_EQ(checksum_of("a"), 0xe6c632b61e964e1full);
  EXPECT_EQ(checksum_of("abc"), 0x78af5f94892f3950ull);
  EXPECT_EQ(checksum_of("", 0), checksum_of(""));
  EXPECT_NE(checksum_of("abc", 1), checksum_of("abc"));
}

TEST(Checksum, ChangesWithEveryBit) {
  const std::string body(100, 'x');
  std::set<std::uint64_t> sums{checksum_of(body)};
  for (std::size_t bit = 0; bit < body.size() * 8; ++bit) {
    std::string flipped = body;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    sums.insert(checksum_of(flipped));
  }
  EXPECT_EQ(sums.size(), body.size() * 8 + 1);
}

TEST(Errors, SayCodeFieldReasonAndWhatToDo) {
  EXPECT_EQ((Error{ErrorCode::kTooLarge, "body", "has 2 bytes, the limit is 1"}).to_string(),
            "tooLarge(body): has 2 bytes, the limit is 1");
  EXPECT_EQ((Error{ErrorCode::kOverloaded, "", "", 100}).to_string(), "overloaded (retry after 100 ms)");
  EXPECT_EQ((Error{ErrorCode::kOutOfOrder, "number", "send again", 0, 7}).to_string(),
            "outOfOrder(number): send again (expected 7)");
  EXPECT_EQ(name_of(static_cast<ErrorCode>(999)), "unknown");
}

TEST(Errors, AreTemporaryOnlyWhereTheSameRequestMaySucceedLater) {
  for (const auto code : {ErrorCode::kOverloaded, ErrorCode::kUnavailable, ErrorCode::kDeadlineExceeded,
                          ErrorCode::kOutOfOrder, ErrorCode::kChecksumMismatch, ErrorCode::kStorageFull})
    EXPECT_TRUE((Error{code, "", ""}).is_temporary()) << name_of(code);
  for (const auto code :
       {ErrorCode::kInternal, ErrorCode::kInvalidArgument, ErrorCode::kPermissionDenied, ErrorCode::kTooLarge,
        ErrorCode::kProducerReset, ErrorCode::kMailboxFull, ErrorCode::kConflict})
    EXPECT_FALSE((Error{code, "", ""}).is_temporary()) << name_of(code);
}

TEST(ErrorsDeathTest, ABrokenInvariantStopsTheProcessAndSaysWhy) {
  EXPECT_DEATH(EARSHOT_INVARIANT(1 + 1 == 3, "arithmetic holds"), "arithmetic holds.*1 \\+ 1 == 3");
}

TEST(Backoff, DoublesUpToItsMaximumAndKeepsHalfOfItFixed) {
  Random random(seed_of_test());
  const BackoffPolicy policy{100, 10'000};
  const std::array<std::uint64_t, 9> full{100, 100, 200, 400, 800, 1'600, 3'200, 6'400, 10'000};
  for (std::uint32_t attempt = 0; attempt < full.size(); ++attempt) {
    std::uint64_t low = UINT64_MAX, high = 0;
    for (int i = 0; i < 400; ++i) {
      const std::uint64_t delay = backoff_ms(policy, attempt, random);
      low = std::min(low, delay), high = std::max(high, delay);
    }
    EXPECT_GE(low, full[attempt] / 2) << attempt;
    EXPECT_LE(high, full[attempt]) << attempt;
    EXPECT_GT(high - low, full[attempt] / 4) << "jitter spreads attempt " << attempt;
  }
  EXPECT_LE(backoff_ms(policy, UINT32_MAX, random), 10'000u) << "no overflow after very many attempts";
  EXPECT_EQ(backoff_ms({0, 0}, 5, random), 0u);
}

TEST(Randomness, IsUniformAndNeverReachesItsBound) {
  Random random(seed_of_test());
  std::array<int, 7> hits{};
  for (int i = 0; i < 70'000; ++i) ++hits[random.below(hits.size())];
  for (const int count : hits) EXPECT_NEAR(count, 10'000, 500);
  EXPECT_EQ(random.below(0), 0u);
  EXPECT_EQ(random.below(1), 0u);
  int heads = 0;
  for (int i = 0; i < 20'000; ++i) heads += random.chance(0.25) ? 1 : 0;
  EXPECT_NEAR(heads, 5'000, 350);
  EXPECT_FALSE(random.chance(0));
  EXPECT_TRUE(random.chance(1));
}

TEST(Randomness, CoversItsWholeRangeEvenTheWidest) {
  Random random(seed_of_test());
  std::set<std::uint64_t> met;
  for (int i = 0; i < 200; ++i) met.insert(random.between(3, 5));
  EXPECT_EQ(met, (std::set<std::uint64_t>{3, 4, 5}));
  EXPECT_EQ(random.between(9, 9), 9u);
  EXPECT_NE(random.between(0, UINT64_MAX), random.between(0, UINT64_MAX));
}

TEST(Randomness, OfOneSeedIsTheSameEverywhere) {
  Random a(42), b(42);
  EXPECT_EQ(a.next(), 1546998764402558742ull) << "xoshiro256**, seeded by SplitMix64";
  b.next();
  EXPECT_EQ(a.message_id(), b.message_id());
  EXPECT_NE(Random::from_system().next(), Random::from_system().next());
}

TEST(Clocks, MonotonicTimeIgnoresJumpsOfTheWallClock) {
  ManualClock clock;
  const std::uint64_t monotonic = clock.monotonic_ms(), wall = clock.wall_ms();
  clock.advance(250);
  clock.jump_wall(-3'600'000);
  EXPECT_EQ(clock.monotonic_ms(), monotonic + 250);
  EXPECT_EQ(clock.wall_ms(), wall + 250 - 3'600'000);
}

TEST(Clocks, TheSystemsClocksRun) {
  const SystemClock clock;
  const std::uint64_t before = clock.monotonic_ms();
  EXPECT_GE(clock.monotonic_ms(), before);
  EXPECT_GT(clock.wall_ms(), 1'700'000'000'000u);
}

}  // namespace
}  // namespace earshot::tests
