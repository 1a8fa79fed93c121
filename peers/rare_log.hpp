#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.hpp"

namespace earshot::peers {

// Whether a thing that others can cause again and again shall be logged: when it is another one than the last, at most
// once a second, and the same one again after a while.
class RareLog {
 public:
  static constexpr std::uint64_t kOtherMs = 1'000;
  static constexpr std::uint64_t kSameMs = 10'000;

  explicit RareLog(const Clock& clock) : clock_(clock) {}

  bool due(const std::string& text) {
    const std::uint64_t now_ms = clock_.monotonic_ms();
    if (last_ms_ && now_ms - *last_ms_ < (text == last_ ? kSameMs : kOtherMs)) return false;
    last_ms_ = now_ms;
    last_ = text;
    return true;
  }

 private:
  const Clock& clock_;
  std::optional<std::uint64_t> last_ms_;
  std::string last_;
};

}  // namespace earshot::peers
