#include "base/histogram.hpp"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace earshot {
namespace {

TEST(Histogram, PutsAValueThatEqualsABoundBelowIt) {
  DurationHistogram histogram;
  for (const std::uint64_t us : {0ull, 100ull, 101ull, 250ull, 10'000'000ull, 10'000'001ull}) histogram.record(us);
  const auto reading = histogram.read();
  EXPECT_EQ(reading.counts[0], 2u);
  EXPECT_EQ(reading.counts[1], 2u);
  EXPECT_EQ(reading.counts[15], 1u);
  EXPECT_EQ(reading.counts[16], 1u) << "what is greater than every bound is counted too";
  EXPECT_EQ(reading.count(), 6u);
  EXPECT_EQ(reading.sum, 20'000'452u);
}

TEST(Histogram, TakesATimeThatWentBackForNone) {
  DurationHistogram histogram;
  record(histogram, std::chrono::milliseconds(-5));
  record(histogram, std::chrono::nanoseconds(1'999));
  EXPECT_EQ(histogram.read().sum, 1u);
  EXPECT_EQ(histogram.read().counts[0], 2u);
}

TEST(Histogram, LosesNothingThatManyThreadsCountAtOnce) {
  BatchHistogram histogram;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (std::uint64_t n = 0; n < 10'000; ++n) histogram.record(n % 5'000);
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(histogram.read().count(), 40'000u);
  EXPECT_EQ(histogram.read().sum, 4u * 2u * (5'000u * 4'999u / 2u));
}

TEST(Histogram, AddsUpReadings) {
  BatchHistogram one;
  BatchHistogram other;
  one.record(3);
  other.record(3);
  other.record(5'000);
  auto sum = one.read();
  sum += other.read();
  EXPECT_EQ(sum.counts[2], 2u);
  EXPECT_EQ(sum.counts.back(), 1u);
  EXPECT_EQ(sum.sum, 5'006u);
}

}  // namespace
}  // namespace earshot
