#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace earshot {

// How often values came, by fixed upper bounds: `kBounds` ascend, and what is greater than all of them is in a last
// bucket of its own. Counted by any number of threads without a lock; each number is exact, together they are no
// snapshot.
template <const auto& kBounds>
class Histogram {
 public:
  static constexpr std::size_t kBuckets = kBounds.size() + 1;

  struct Reading {
    std::array<std::uint64_t, kBuckets> counts{};  // of each bucket alone
    std::uint64_t sum = 0;                         // of all values

    [[nodiscard]] std::uint64_t count() const {
      std::uint64_t all = 0;
      for (const std::uint64_t one : counts) all += one;
      return all;
    }
    Reading& operator+=(const Reading& other) {
      for (std::size_t i = 0; i < kBuckets; ++i) counts[i] += other.counts[i];
      sum += other.sum;
      return *this;
    }
  };

  // A value that equals a bound belongs to that bound.
  void record(std::uint64_t value) {
    const auto bound = std::lower_bound(kBounds.begin(), kBounds.end(), value);
    counts_[static_cast<std::size_t>(bound - kBounds.begin())].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(value, std::memory_order_relaxed);
  }

  [[nodiscard]] Reading read() const {
    Reading reading;
    for (std::size_t i = 0; i < kBuckets; ++i) reading.counts[i] = counts_[i].load(std::memory_order_relaxed);
    reading.sum = sum_.load(std::memory_order_relaxed);
    return reading;
  }

 private:
  std::array<std::atomic<std::uint64_t>, kBuckets> counts_{};
  std::atomic<std::uint64_t> sum_{0};
};

// Times, in µs: from what an answer out of memory takes to what a client waits for at most.
inline constexpr std::array<std::uint64_t, 16> kDurationBoundsUs{
    100,    250,     500,     1'000,   2'500,     5'000,     10'000,    25'000,
    50'000, 100'000, 250'000, 500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000};
using DurationHistogram = Histogram<kDurationBoundsUs>;

template <class Duration>
void record(DurationHistogram& histogram, Duration took) {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(took).count();
  histogram.record(us > 0 ? static_cast<std::uint64_t>(us) : 0);
}

// How many things go together: in a call, in a commit.
inline constexpr std::array<std::uint64_t, 13> kBatchBounds{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1'024, 2'048, 4'096};
using BatchHistogram = Histogram<kBatchBounds>;

}  // namespace earshot
