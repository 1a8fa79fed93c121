#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <limits>
#include <mutex>
#include <vector>

#include "geo/gather.hpp"
#include "places/member.hpp"

namespace earshot::places {

struct FoundMember {
  MemberPtr member;
  geo::Geohash place;     // as Search::lens shows it, and so the distance
  double distance_m = 0;  // 0 where Search::with_distance is not set and nothing asked for it
};

// What a query found: in its order, and no more than it wants.
using NearbyDone = std::function<void(std::vector<FoundMember>)>;

// One query on its way through several cells at once. Each adds what it found; the last one says what that makes
// together. Any thread.
class Nearby {
 public:
  // `done` is called once, on the thread that adds the last part.
  Nearby(const geo::Search& search, std::size_t parts, NearbyDone done)
      : search_(search), parts_left_(parts), done_(std::move(done)) {}

  [[nodiscard]] const geo::Search& search() const { return search_; }
  void add(std::vector<FoundMember> part);

  // With Pick::kNearest: some cell has found as many as are wanted, none farther than this. Infinite: none has.
  [[nodiscard]] double enough_within_m() const { return enough_within_m_.load(std::memory_order_relaxed); }
  void found_enough_within(double distance_m);

 private:
  void finish();

  const geo::Search search_;
  std::mutex mutex_;
  std::vector<FoundMember> found_;
  std::size_t parts_left_;
  const NearbyDone done_;
  std::atomic<double> enough_within_m_{std::numeric_limits<double>::infinity()};
};

}  // namespace earshot::places
