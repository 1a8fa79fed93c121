#pragma once

#include <algorithm>
#include <cstdint>

#include "base/random.hpp"

namespace earshot {

struct BackoffPolicy {
  std::uint32_t first_ms = 100;
  std::uint32_t max_ms = 10'000;
};

// Delay before attempt `attempt` (the first retry is attempt 1): doubles up to max_ms, then "equal jitter": half of it
// fixed, half drawn at random, so that peers which failed together do not come back together.
inline std::uint64_t backoff_ms(const BackoffPolicy& policy, std::uint32_t attempt, Random& random) {
  const std::uint32_t doublings = std::min(attempt > 0 ? attempt - 1 : 0, 31u);
  const std::uint64_t full = std::min<std::uint64_t>(std::uint64_t{policy.first_ms} << doublings, policy.max_ms);
  return full / 2 + random.below(full - full / 2 + 1);
}

}  // namespace earshot
