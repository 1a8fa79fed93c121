#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/limits.hpp"

namespace earshot::gateway {

// Tells a client that cannot be served now from one that does not care: counts the calls that were refused with
// kOverloaded, and forgets calls_in_flight_max of them for each retry_after_ms that passes.
//
// A client that waits as it is asked to has at most calls_in_flight_max calls on their way when the first refusal
// reaches it, and as many again after each pause: its level stays at about that. One that calls on without the pause
// rises above refused_calls_max within moments.
class RefusalMeter {
 public:
  // One more call is refused. False once there were too many.
  bool refuse(std::uint64_t now_ms) {
    const std::uint64_t pauses = (now_ms - since_ms_) / limits::kRetryAfterMs;
    since_ms_ += pauses * limits::kRetryAfterMs;
    level_ -= static_cast<std::size_t>(std::min<std::uint64_t>(level_, pauses * limits::kCallsInFlightMax));
    return ++level_ <= limits::kRefusedCallsMax;
  }

 private:
  std::uint64_t since_ms_ = 0;
  std::size_t level_ = 0;
};

}  // namespace earshot::gateway
