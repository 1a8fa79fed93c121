#include "actors/clock_watch.hpp"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "base/limits.hpp"

namespace earshot::actors {
namespace {

// A clock of the year 9999 at most: what is told may be anything, and is reckoned with.
constexpr std::uint64_t kWallMsMax = 253'402'300'799'999;

std::int64_t ahead_ms_of(std::uint64_t wall_ms, std::uint64_t monotonic_ms) {
  return static_cast<std::int64_t>(wall_ms) - static_cast<std::int64_t>(monotonic_ms);
}

bool are_within(std::uint64_t limit_ms, std::int64_t one_ms, std::int64_t other_ms) {
  return static_cast<std::uint64_t>(std::llabs(one_ms - other_ms)) <= limit_ms;
}

}  // namespace

ClockWatch::ClockWatch(const Clock& clock) : steady_ahead_ms_(ahead_ms_of(clock.wall_ms(), clock.monotonic_ms())) {}

bool ClockWatch::told(NodeId node, std::uint64_t their_wall_ms, std::uint64_t monotonic_ms) {
  const std::int64_t ahead_ms = ahead_ms_of(std::min(their_wall_ms, kWallMsMax), monotonic_ms);
  const std::lock_guard lock(mutex_);
  std::deque<Told>& of_node = told_[node];
  const bool is_first = of_node.empty();
  while (!of_node.empty() && of_node.back().ahead_ms <= ahead_ms) of_node.pop_back();
  if (of_node.size() == kTellingsMax) of_node.pop_front();
  of_node.push_back({ahead_ms, monotonic_ms});
  return is_first;
}

bool ClockWatch::look(std::uint64_t wall_ms, std::uint64_t monotonic_ms) {
  const std::int64_t own_ahead_ms = ahead_ms_of(wall_ms, monotonic_ms);
  std::vector<std::int64_t> all;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [node, tellings] : told_) {
      // What was told since this look began is later than it.
      while (!tellings.empty() && tellings.front().at_ms + limits::kClockToldMsMax < monotonic_ms) tellings.pop_front();
      if (!tellings.empty()) all.push_back(tellings.front().ahead_ms);
    }
  }
  const auto near = static_cast<std::size_t>(std::ranges::count_if(
      all, [&](std::int64_t ahead_ms) { return are_within(limits::kClocksApartMsMax, ahead_ms, own_ahead_ms); }));
  const bool is_in_doubt = 2 * near < all.size();
  const bool is_confirmed = 2 * near > all.size();
  std::int64_t middle_ms = kNone;
  if (!all.empty()) {
    const auto middle = all.begin() + static_cast<std::ptrdiff_t>((all.size() - 1) / 2);
    std::ranges::nth_element(all, middle);
    middle_ms = *middle;
  }
  if (is_confirmed) steady_ahead_ms_.store(own_ahead_ms, std::memory_order_relaxed);
  confirmed_ahead_ms_.store(is_confirmed ? middle_ms : kNone, std::memory_order_relaxed);
  const std::int64_t before = others_ahead_ms_.exchange(is_in_doubt ? middle_ms : kNone, std::memory_order_relaxed);
  return (before == kNone) == is_in_doubt;
}

// The clock may have been set since the last look.
bool ClockWatch::is_confirmed(std::uint64_t wall_ms, std::uint64_t monotonic_ms) const {
  const std::int64_t confirmed_ms = confirmed_ahead_ms_.load(std::memory_order_relaxed);
  return confirmed_ms != kNone &&
         are_within(limits::kClocksApartMsMax, confirmed_ms, ahead_ms_of(wall_ms, monotonic_ms));
}

bool ClockWatch::is_steady(std::uint64_t wall_ms, std::uint64_t monotonic_ms) const {
  return are_within(limits::kClockDisagreementMsMax, steady_ahead_ms_.load(std::memory_order_relaxed),
                    ahead_ms_of(wall_ms, monotonic_ms));
}

}  // namespace earshot::actors
