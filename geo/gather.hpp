#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "geo/area.hpp"
#include "geo/distance.hpp"
#include "geo/geohash.hpp"
#include "geo/lens.hpp"

namespace earshot::geo {

// Which of those within the area.
enum class Pick : std::uint8_t {
  kAll,
  kAny,       // any `count_max`
  kNearest,   // the `count_max` nearest
  kFarthest,  // the `count_max` farthest
};

struct Search {
  Area area;
  Pick pick = Pick::kAll;
  std::size_t count_max = std::numeric_limits<std::size_t>::max();
  bool with_distance = true;  // else distances may be 0, where they are not needed to choose
  bool in_order = true;       // the nearest first, or with kFarthest the farthest; needs distances
  // What is found goes by where this shows members, and so do places and distances; null: by where they are.
  std::shared_ptr<const Lens> lens = nullptr;

  // Where somebody who is found may be.
  [[nodiscard]] Area around() const { return lens == nullptr ? area : area.widened(lens->shift_m_max()); }
};

struct Found {
  double distance_m = 0;
  Geohash place;
  MemberHandle handle = 0;
};

// What a search has found so far, and hence what it need not look at. Whoever has members offers them with the square
// of the straight line from the centre in single precision (place_leaf.hpp): that is a filter. Where it leaves a doubt,
// and for every distance, the haversine of the decoded place decides, as in Redis.
//
// The guard band. With u = 2^-24, rounding to single precision moves each coordinate of a unit vector by at most u / 2,
// so each difference of two by at most u, before it is rounded by a factor of at most 1 + u itself; squares and sums
// are rounded by less than (1 + u)^4. The computed line is therefore within sqrt(3) u + 4 u c of the true one, c.
// Doubts end 1.25e-7 + 2.5e-7 c from it, which is more than that, by far more than what the haversine itself loses to
// rounding: 0.8 m for near points.
//
// With a lens, whose members may be so much nearer or farther than they are shown, limits are wider by that much.
class Gather {
 public:
  explicit Gather(const Search& search);

  [[nodiscard]] const Search& search() const { return search_; }
  [[nodiscard]] const Area& around() const { return around_; }
  // With kNearest or kFarthest: as many as are wanted are known elsewhere, none of them worse than this.
  void known_elsewhere(double distance_m) { set_limit(distance_m); }
  // As many as are wanted were found here; the distance of the worst of them. Nothing: fewer, or not chosen by
  // distance.
  [[nodiscard]] std::optional<double> worst_m() const;
  // The centre, in single precision.
  [[nodiscard]] const std::array<float, 3>& centre() const { return centre_; }
  // Enough: nothing that is offered any more will be taken.
  [[nodiscard]] bool is_full() const { return search_.pick == Pick::kAny && found_.size() >= search_.count_max; }
  // Whether one may be taken of whom the squares of the lines are from `low` to `high`.
  [[nodiscard]] bool may_take(float low, float high) const { return low <= near_enough_ && high >= far_enough_; }
  // Whether all of them will be, and without a look at their distance.
  [[nodiscard]] bool takes_unseen(float high) const { return high < surely_within_; }

  void offer(float chord2, Geohash place, MemberHandle handle);
  void take_unseen(Geohash place, MemberHandle handle) { found_.push_back({0, place, handle}); }

  // In the order asked for.
  std::vector<Found> finish() &&;

 private:
  [[nodiscard]] bool is_farthest() const { return search_.pick == Pick::kFarthest; }
  [[nodiscard]] bool chooses() const { return search_.pick == Pick::kNearest || is_farthest(); }
  void offer_shown(Geohash place, MemberHandle handle);
  template <class Better>
  void keep_best(const Found& found, Better is_better);
  void set_limit(double distance_m);

  const Search search_;
  const double shift_m_;  // what the lens may shift somebody by
  const Area around_;
  std::array<float, 3> centre_{};
  float near_enough_;         // beyond this square nothing is taken
  float far_enough_ = 0;      // nor short of this
  float surely_within_ = -1;  // short of this all are taken unseen
  Geohash last_place_{~std::uint64_t{0}};
  std::optional<double> last_distance_m_;
  std::vector<Found> found_;  // with kNearest and kFarthest a heap, the worst in front
};

}  // namespace earshot::geo
