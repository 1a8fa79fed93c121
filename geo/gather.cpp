#include "geo/gather.hpp"

#include <algorithm>
#include <cmath>

namespace earshot::geo {
namespace {

double doubt_at(double chord) { return 1.25e-7 + 2.5e-7 * chord; }

// Whatever is no nearer has a computed square of at least this; negative: so has everything.
float lower_limit(double distance_m) {
  const double chord = std::sqrt(chord2_of(distance_m));
  const double limit = chord - doubt_at(chord);
  return limit <= 0 ? -1 : std::nextafter(static_cast<float>(limit * limit), 0.0f);
}

// Whatever is no farther has a computed square of at most this.
float upper_limit(double distance_m) {
  const double chord = std::sqrt(chord2_of(distance_m));
  const double limit = chord + doubt_at(chord);
  return std::nextafter(static_cast<float>(limit * limit), std::numeric_limits<float>::infinity());
}

struct IsBetter {
  bool farthest;

  bool operator()(const Found& one, const Found& other) const {
    return farthest ? one.distance_m > other.distance_m : one.distance_m < other.distance_m;
  }
};

struct IsShownBetter {
  IsBetter by_distance;
  const Lens& lens;

  bool operator()(const Found& one, const Found& other) const {
    return by_distance(one, other) ||
           (one.distance_m == other.distance_m && lens.comes_before(one.handle, other.handle));
  }
};

}  // namespace

Gather::Gather(const Search& search)
    : search_(search),
      shift_m_(search.lens == nullptr ? 0 : search.lens->shift_m_max()),
      around_(search.around()),
      near_enough_(upper_limit(around_.reach_m())) {
  std::ranges::transform(unit_vector(search.area.centre()), centre_.begin(),
                         [](double part) { return static_cast<float>(part); });
  if (search.count_max == 0) near_enough_ = -1;
  const bool measures = search.with_distance || search.in_order || chooses() || search.lens != nullptr;
  if (!search.area.is_box() && !measures) surely_within_ = lower_limit(search.area.reach_m());
}

std::optional<double> Gather::worst_m() const {
  if (!chooses() || found_.size() < search_.count_max || found_.empty()) return std::nullopt;
  return found_.front().distance_m;
}

void Gather::offer(float chord2, Geohash place, MemberHandle handle) {
  if (!may_take(chord2, chord2) || is_full()) return;
  if (search_.lens != nullptr) return offer_shown(place, handle);
  if (takes_unseen(chord2)) return take_unseen(place, handle);
  if (place != last_place_) {
    last_place_ = place;
    last_distance_m_ = search_.area.distance_within_m(decode(place));
  }
  if (!last_distance_m_) return;
  const Found found{*last_distance_m_, place, handle};
  chooses() ? keep_best(found, IsBetter{is_farthest()}) : found_.push_back(found);
}

void Gather::offer_shown(Geohash place, MemberHandle handle) {
  const auto shown = search_.lens->shown(handle, place);
  const auto distance_m = shown ? search_.area.distance_within_m(decode(*shown)) : std::nullopt;
  if (!distance_m) return;
  const Found found{*distance_m, *shown, handle};
  chooses() ? keep_best(found, IsShownBetter{{is_farthest()}, *search_.lens}) : found_.push_back(found);
}

template <class Better>
void Gather::keep_best(const Found& found, Better is_better) {
  if (found_.size() == search_.count_max) {
    if (!is_better(found, found_.front())) return;
    std::ranges::pop_heap(found_, is_better);
    found_.back() = found;
  } else {
    found_.push_back(found);
  }
  std::ranges::push_heap(found_, is_better);
  if (found_.size() == search_.count_max) set_limit(found_.front().distance_m);
}

// From here on only who is better than the worst of those who are kept.
void Gather::set_limit(double distance_m) {
  if (search_.pick == Pick::kNearest) {
    near_enough_ = std::min(near_enough_, upper_limit(distance_m + shift_m_));
  } else {
    far_enough_ = std::max(far_enough_, lower_limit(distance_m - shift_m_));
  }
}

std::vector<Found> Gather::finish() && {
  if (search_.in_order && search_.lens != nullptr) {
    std::ranges::sort(found_, IsShownBetter{{is_farthest()}, *search_.lens});
  } else if (search_.in_order) {
    std::ranges::sort(found_, IsBetter{is_farthest()});
  }
  return std::move(found_);
}

}  // namespace earshot::geo
