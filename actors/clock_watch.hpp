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

// Holds this node's wall clock against those of the others, which they tell every second. Where most of those that are
// heard disagree, this one is in doubt: nothing may end by it. Of two nodes nobody knows which one is wrong, so both
// doubt. What cannot be taken back, which is to go by others' time or to believe a clock that was set, takes most of
// all other nodes: those whose clocks were set are silent, and the one that is still heard may be wrong.
// Thread-safe.
class ClockWatch {
 public:
  explicit ClockWatch(const Clock& clock);
  // A node's wall clock showed `their_wall_ms`, just now or a little before. Whether nothing was known of it: then one
  // should look at once, before anything is done by a clock that may be wrong.
  bool told(NodeId node, std::uint64_t their_wall_ms, std::uint64_t monotonic_ms);
  // Compares; once a second or so. `others`: how many other nodes the cluster has, heard or not. Whether that has
  // changed what is thought of this node's clock.
  bool look(std::size_t others, std::uint64_t wall_ms, std::uint64_t monotonic_ms);
  // No tick may come from it.
  [[nodiscard]] bool is_in_doubt() const { return others_ahead_ms_.load(std::memory_order_relaxed) != kNone; }
  // What those of most others show, when this one is in doubt. Nothing: it is not, or by too few to go by.
  [[nodiscard]] std::optional<std::uint64_t> others_ms(std::uint64_t monotonic_ms) const {
    const std::int64_t ahead_ms = others_ahead_ms_.load(std::memory_order_relaxed);
    if (ahead_ms <= kTooFew) return std::nullopt;
    return static_cast<std::uint64_t>(ahead_ms + static_cast<std::int64_t>(monotonic_ms));
  }
  // Whether it shows what those of most of all others do, which have been heard lately.
  [[nodiscard]] bool is_confirmed(std::uint64_t wall_ms, std::uint64_t monotonic_ms) const;
  // Whether it goes along with the monotonic one, since start or since it was confirmed. Others are not told of one
  // that does not: clocks that are set together, by the same mistake, must not confirm each other.
  [[nodiscard]] bool is_steady(std::uint64_t wall_ms, std::uint64_t monotonic_ms) const;

 private:
  static constexpr std::size_t kTellingsMax = 16;  // kept of one node
  // Instead of how far clocks are ahead, which is always more.
  static constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::min();
  static constexpr std::int64_t kTooFew = kNone + 1;
  struct Told {
    std::int64_t ahead_ms = 0;  // of this node's monotonic clock
    std::uint64_t at_ms = 0;
  };

  std::mutex mutex_;
  // What was late shows a clock that is behind, so of what a node told lately the most counts. In the order in which it
  // came; what is less than something newer is dropped.
  std::map<NodeId, std::deque<Told>> told_;
  // Of the monotonic clock; the first two by the last look.
  std::atomic<std::int64_t> others_ahead_ms_{kNone};     // those of most others, or kTooFew: this one is in doubt
  std::atomic<std::int64_t> confirmed_ahead_ms_{kNone};  // …, when this one shows the same
  std::atomic<std::int64_t> steady_ahead_ms_;            // this one, at start or when it was confirmed last
};

}  // namespace earshot::actors
