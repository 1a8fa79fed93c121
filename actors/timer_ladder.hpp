#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace earshot::actors {

// Which timers an actor arms with a clock that cannot take one back, so that it wakes when it wants to and yet few are
// armed at any time, however often and however much earlier it wants to wake.
//
// An armed timer that fires before the wanted time serves: the actor looks again then. Otherwise a new one is armed,
// and while others are, only for the largest power of two of milliseconds that is not later. So each timer that is
// armed runs for less than half of what the next later one may still run, and there are never more than
// kTimersMax. The price is a few wake-ups on the way to a time that came closer.
class TimerLadder {
 public:
  static constexpr std::uint64_t kDelayMsMax = 10'000;  // a timer keeps its actor in memory until it fires
  static constexpr std::size_t kTimersMax = 16;         // of 10 s, 8 192 ms, 4 096 ms, … 1 ms and 0

  // The actor wants to wake at this time. The time for which a timer is to be armed, if one is.
  std::optional<std::uint64_t> want(std::uint64_t wanted_ms, std::uint64_t now_ms) {
    wanted_ms = std::max(wanted_ms, now_ms);
    if (!armed_.empty() && armed_.back() <= wanted_ms) return std::nullopt;
    std::uint64_t delay_ms = std::min(wanted_ms - now_ms, kDelayMsMax);
    if (!armed_.empty()) delay_ms = std::bit_floor(delay_ms);
    armed_.push_back(now_ms + delay_ms);
    return armed_.back();
  }
  // The timer that was armed for this time has fired.
  void fired(std::uint64_t at_ms) {
    std::erase(armed_, at_ms);
    if (armed_.empty()) armed_ = std::vector<std::uint64_t>();  // an idle actor keeps no memory for it
  }

  [[nodiscard]] std::size_t armed() const { return armed_.size(); }

 private:
  std::vector<std::uint64_t> armed_;  // descending, all different
};

}  // namespace earshot::actors
