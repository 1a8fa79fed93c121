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

bool ClockWatch::look(std::size_t others, std::uint64_t wall_ms, std::uint64_t monotonic_ms) {
  const std::int64_t own_ahead_ms = ahead_ms_of(wall_ms, monotonic_ms);
  std::vector<std::int64_t> heard;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [node, tellings] : told_) {
      // What was told since this look began is later than it.
      while (!tellings.empty() && tellings.front().at_ms + limits::kClockToldMsMax < monotonic_ms) tellings.pop_front();
      if (!tellings.empty()) heard.push_back(tellings.front().ahead_ms);
    }
  }
  const auto near = static_cast<std::size_t>(std::ranges::count_if(
      heard, [&](std::int64_t ahead_ms) { return are_within(limits::kClocksApartMsMax, ahead_ms, own_ahead_ms); }));
  const std::size_t away = heard.size() - near;
  // Where more are heard than there are, it is not known (yet) who the others are.
  const auto are_most_of_all = [&](std::size_t nodes) { return heard.size() <= others && 2 * nodes > others; };
  std::int64_t middle_ms = kNone;
  if (!heard.empty()) {
    const auto middle = heard.begin() + static_cast<std::ptrdiff_t>((heard.size() - 1) / 2);
    std::ranges::nth_element(heard, middle);
    middle_ms = *middle;
  }
  const bool is_confirmed = are_most_of_all(near);
  if (is_confirmed) steady_ahead_ms_.store(own_ahead_ms, std::memory_order_relaxed);
  confirmed_ahead_ms_.store(is_confirmed ? middle_ms : kNone, std::memory_order_relaxed);
  // Doubt ends nothing: most of those that are heard may raise it, however few they are.
  std::int64_t others_ahead_ms = kNone;
  if (away > near) others_ahead_ms = are_most_of_all(away) ? middle_ms : kTooFew;
  const std::int64_t before = others_ahead_ms_.exchange(others_ahead_ms, std::memory_order_relaxed);
  // That others' time goes on is no news.
  return before != others_ahead_ms && std::min(before, others_ahead_ms) <= kTooFew;
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
