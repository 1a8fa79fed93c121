#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
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
//
// Of those that have come at most twice as many as are wanted are kept, and no part but those of Pick::kAll has more.
class Nearby {
 public:
  // `done` is called once, on the thread that adds the last part.
  Nearby(const geo::Search& search, std::size_t parts, NearbyDone done)
      : search_(search), parts_left_(parts), done_(std::move(done)), worst_m_(worst_of_all_m()) {}

  [[nodiscard]] const geo::Search& search() const { return search_; }
  void add(std::vector<FoundMember> part);

  // Whoever is any is as good as any other, and enough have been found.
  [[nodiscard]] bool is_full() const { return search_.pick == geo::Pick::kAny && kept() >= search_.count_max; }
  // With Pick::kNearest and kFarthest: as many as are wanted have been found, none worse than this. Nothing: fewer.
  [[nodiscard]] std::optional<double> worst_m() const;
  void found_enough(double worst_m);
  // How many of those that have come are kept.
  [[nodiscard]] std::size_t kept() const { return kept_.load(std::memory_order_relaxed); }

 private:
  [[nodiscard]] bool is_farthest() const { return search_.pick == geo::Pick::kFarthest; }
  [[nodiscard]] bool chooses() const { return is_farthest() || search_.pick == geo::Pick::kNearest; }
  [[nodiscard]] double worst_of_all_m() const;
  [[nodiscard]] bool is_better(const FoundMember& one, const FoundMember& other) const;
  void cut();
  void finish();

  const geo::Search search_;
  std::mutex mutex_;
  std::vector<FoundMember> found_;
  std::size_t parts_left_;
  const NearbyDone done_;
  std::atomic<std::size_t> kept_{0};
  std::atomic<double> worst_m_;  // beyond any distance: fewer have been found than are wanted
};

}  // namespace earshot::places
