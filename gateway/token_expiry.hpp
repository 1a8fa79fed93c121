#pragma once

#include <algorithm>
#include <cstdint>

#include <kj/timer.h>

#include "base/clock.hpp"

namespace earshot::gateway {

// When a session has to end, since its token has. By the wall clock, which the token's end is told in; and by the clock
// that nobody sets, so that a wall clock that is set back does not lengthen a session.
class TokenExpiry {
 public:
  TokenExpiry() = default;  // never
  // At that time of the wall clock; 0: never.
  TokenExpiry(std::uint64_t at_ms, const Clock& clock, const kj::Timer& timer) : at_ms_(at_ms), at_(timer.now()) {
    if (const std::uint64_t now_ms = clock.wall_ms(); at_ms > now_ms)
      at_ += std::min(at_ms - now_ms, kMsMax) * kj::MILLISECONDS;
  }

  [[nodiscard]] bool is_over(const Clock& clock, const kj::Timer& timer) const {
    return at_ms_ != 0 && (clock.wall_ms() >= at_ms_ || timer.now() >= at_);
  }

 private:
  // Longer than any connection lives, and within what a time of KJ's holds, which counts nanoseconds.
  static constexpr std::uint64_t kMsMax = 36'500ull * 24 * 3'600'000;

  std::uint64_t at_ms_ = 0;
  kj::TimePoint at_ = kj::origin<kj::TimePoint>();
};

}  // namespace earshot::gateway
