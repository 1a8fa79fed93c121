#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <mutex>
#include <optional>

#include "base/clock.hpp"
#include "base/ids.hpp"

namespace earshot::actors {

// Holds this node's wall clock against those of the others, which they tell every second. Where most of them disagree,
// this one is in doubt: nothing may end by it. Of two nodes nobody knows which one is wrong, so both doubt.
// Thread-safe.
class ClockWatch {
 public:
  explicit ClockWatch(const Clock& clock);
  // A node's wall clock showed `their_wall_ms`, just now or a little before. Whether nothing was known of it: then one
  // should look at once, before anything is done by a clock that may be wrong.
  bool told(NodeId node, std::uint64_t their_wall_ms, std::uint64_t monotonic_ms);
  // Compares; once a second or so. Whether that has changed what is thought of this node's clock.
  bool look(std::uint64_t wall_ms, std::uint64_t monotonic_ms);
  // Nothing: the clock may be believed. Otherwise what those of most others show.
  [[nodiscard]] std::optional<std::uint64_t> others_ms(std::uint64_t monotonic_ms) const {
    const std::int64_t ahead_ms = others_ahead_ms_.load(std::memory_order_relaxed);
    if (ahead_ms == kNone) return std::nullopt;
    return static_cast<std::uint64_t>(ahead_ms + static_cast<std::int64_t>(monotonic_ms));
  }
  // Whether it shows what those of most others do, which have been heard lately.
  [[nodiscard]] bool is_confirmed(std::uint64_t wall_ms, std::uint64_t monotonic_ms) const;
  // Whether it goes along with the monotonic one, since start or since it was confirmed. Others are not told of one
  // that does not: clocks that are set together, by the same mistake, must not confirm each other.
  [[nodiscard]] bool is_steady(std::uint64_t wall_ms, std::uint64_t monotonic_ms) const;

 private:
  static constexpr std::size_t kTellingsMax = 16;  // kept of one node
  static constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::min();
  struct Told {
    std::int64_t ahead_ms = 0;  // of this node's monotonic clock
    std::uint64_t at_ms = 0;
  };

  std::mutex mutex_;
  // What was late shows a clock that is behind, so of what a node told lately the most counts. In the order in which it
  // came; what is less than something newer is dropped.
  std::map<NodeId, std::deque<Told>> told_;
  // Of the monotonic clock; the first two by the last look.
  std::atomic<std::int64_t> others_ahead_ms_{kNone};     // those of most others, when this one is in doubt
  std::atomic<std::int64_t> confirmed_ahead_ms_{kNone};  // …, when this one shows the same
  std::atomic<std::int64_t> steady_ahead_ms_;            // this one, at start or when it was confirmed last
};

}  // namespace earshot::actors
