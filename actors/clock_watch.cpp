#include "actors/clock_watch.hpp"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "base/limits.hpp"

namespace earshot::actors {
namespace {

// A clock of the year 9999 at most: what is told may be anything, and is reckoned with.
constexpr std::uint64_t kWallMsMax = 253'402'300'799'999;

}  // namespace

bool ClockWatch::told(NodeId node, std::uint64_t their_wall_ms, std::uint64_t monotonic_ms) {
  const auto ahead_ms =
      static_cast<std::int64_t>(std::min(their_wall_ms, kWallMsMax)) - static_cast<std::int64_t>(monotonic_ms);
  const std::lock_guard lock(mutex_);
  std::deque<Told>& of_node = told_[node];
  const bool is_first = of_node.empty();
  while (!of_node.empty() && of_node.back().ahead_ms <= ahead_ms) of_node.pop_back();
  if (of_node.size() == kTellingsMax) of_node.pop_front();
  of_node.push_back({ahead_ms, monotonic_ms});
  return is_first;
}

bool ClockWatch::look(std::uint64_t wall_ms, std::uint64_t monotonic_ms) {
  const auto own_ahead_ms = static_cast<std::int64_t>(wall_ms) - static_cast<std::int64_t>(monotonic_ms);
  std::vector<std::int64_t> all;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [node, tellings] : told_) {
      // What was told since this look began is later than it.
      while (!tellings.empty() && tellings.front().at_ms + limits::kClockToldMsMax < monotonic_ms) tellings.pop_front();
      if (!tellings.empty()) all.push_back(tellings.front().ahead_ms);
    }
  }
  const auto apart = static_cast<std::size_t>(std::ranges::count_if(all, [&](std::int64_t ahead_ms) {
    return static_cast<std::uint64_t>(std::llabs(ahead_ms - own_ahead_ms)) > limits::kClocksApartMsMax;
  }));
  std::int64_t others_ahead_ms = kBelieved;
  if (2 * apart > all.size()) {
    const auto middle = all.begin() + static_cast<std::ptrdiff_t>((all.size() - 1) / 2);
    std::ranges::nth_element(all, middle);
    others_ahead_ms = *middle;
  }
  const std::int64_t before = others_ahead_ms_.exchange(others_ahead_ms, std::memory_order_relaxed);
  return (before == kBelieved) != (others_ahead_ms == kBelieved);
}

}  // namespace earshot::actors
