#pragma once

#include <cstddef>
#include <vector>

#include "geo/gather.hpp"
#include "places/nearby.hpp"
#include "places/sight.hpp"

namespace earshot::places {

// Finds whom a user is shown within an area, by searches for who really is about there: a shown place is never far
// from the real one. Who is in the answer, in which order and how far off depends on shown places alone, so that the
// answers of many questions together say no more than these do.
//
//   next() -> a search for candidates  -> take(what it found): again, with more of them, until it says that it is done
//
// Candidates are those who really are nearest to the centre (or farthest from it), so anybody who is not among them is
// shown at most max_shift_m() nearer than the last of them is. Whoever is shown nearer than that is certain to come
// before all of those. One thread at a time.
class PrivateSearch {
 public:
  // `count_max` is taken for at most kNearbyAnswerMax + 1. Without Pick::kFarthest: the nearest, which are any, too.
  PrivateSearch(Sight sight, const geo::Area& area, geo::Pick pick, std::size_t count_max);

  [[nodiscard]] geo::Search next() const;
  // Whether that was enough.
  [[nodiscard]] bool take(const std::vector<FoundMember>& candidates);

  // ---- once it was
  // At most count_max, the nearest or the farthest first: by shown places, with the distances that the user is told.
  [[nodiscard]] std::vector<FoundMember>& found() { return found_; }
  // There may be more, though these are fewer than were wanted: the crowd is too large to look at.
  [[nodiscard]] bool is_cut() const { return is_cut_; }

 private:
  [[nodiscard]] bool is_farthest() const { return pick_ == geo::Pick::kFarthest; }
  // The distance of the candidate behind which the others are.
  [[nodiscard]] double edge_m(const std::vector<FoundMember>& candidates) const;
  [[nodiscard]] std::size_t certain(double edge_m) const;

  const Sight sight_;
  const geo::Area area_;
  const geo::Area around_;  // where somebody who is shown within the area may be
  const geo::Pick pick_;
  const std::size_t wanted_;
  std::size_t candidates_max_;
  std::vector<FoundMember> found_;
  bool is_cut_ = false;
};

}  // namespace earshot::places
