#include "places/private_search.hpp"

#include <algorithm>
#include <utility>

#include "base/limits.hpp"

namespace earshot::places {
namespace {

constexpr std::size_t kCandidatesPerWanted = 4;
constexpr std::size_t kCandidatesMore = 64;
constexpr std::size_t kCandidatesGrow = 4;

}  // namespace

PrivateSearch::PrivateSearch(Sight sight, const geo::Area& area, geo::Pick pick, std::size_t count_max)
    : sight_(std::move(sight)),
      area_(area),
      around_(geo::Area::circle(area.centre(), area.reach_m() + sight_.max_shift_m(), "").value()),
      pick_(pick == geo::Pick::kFarthest ? pick : geo::Pick::kNearest),
      wanted_(std::min(count_max, limits::kNearbyAnswerMax + 1)),
      candidates_max_(std::min(kCandidatesPerWanted * wanted_ + kCandidatesMore, limits::kNearbyAnswerMax)) {}

geo::Search PrivateSearch::next() const { return {around_, pick_, candidates_max_, true, false}; }

double PrivateSearch::edge_m(const std::vector<FoundMember>& candidates) const {
  const auto [nearest, farthest] = std::ranges::minmax_element(candidates, {}, &FoundMember::distance_m);
  return is_farthest() ? nearest->distance_m : farthest->distance_m;
}

// How many of those found come before everybody who is no candidate. They are in order.
std::size_t PrivateSearch::certain(double edge_m) const {
  const double shift_m = sight_.max_shift_m();
  const auto is_certain = [&](const FoundMember& one) {
    return is_farthest() ? one.distance_m >= edge_m + shift_m : one.distance_m <= edge_m - shift_m;
  };
  return static_cast<std::size_t>(std::ranges::partition_point(found_, is_certain) - found_.begin());
}

bool PrivateSearch::take(const std::vector<FoundMember>& candidates) {
  found_.clear();
  for (const FoundMember& one : candidates) {
    if (!sight_.sees(*one.member)) continue;
    const geo::Geohash shown = sight_.shown(one.member->name(), one.place);
    if (const auto distance = area_.distance_within_m(geo::decode(shown)))
      found_.push_back({one.member, shown, *distance});
  }
  std::ranges::sort(found_, [this](const FoundMember& one, const FoundMember& other) {
    if (one.distance_m != other.distance_m)
      return is_farthest() ? one.distance_m > other.distance_m : one.distance_m < other.distance_m;
    return one.member->name() < other.member->name();
  });
  const bool are_all = candidates.size() < candidates_max_;
  const std::size_t sure = are_all ? found_.size() : certain(edge_m(candidates));
  if (sure < wanted_ && !are_all && candidates_max_ < limits::kNearbyAnswerMax) {
    candidates_max_ = std::min(candidates_max_ * kCandidatesGrow, limits::kNearbyAnswerMax);
    return false;
  }
  is_cut_ = sure < wanted_ && !are_all;
  found_.resize(std::min(sure, wanted_));
  for (FoundMember& one : found_) one.distance_m = sight_.told_m(one.distance_m);
  return true;
}

}  // namespace earshot::places
