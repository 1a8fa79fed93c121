#include "places/nearby.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace earshot::places {

void Nearby::add(std::vector<FoundMember> part) {
  {
    const std::lock_guard lock(mutex_);
    if (found_.empty()) {
      found_ = std::move(part);
    } else {
      found_.insert(found_.end(), std::make_move_iterator(part.begin()), std::make_move_iterator(part.end()));
    }
    if (--parts_left_ > 0) return;
  }
  finish();  // nobody else comes any more
}

void Nearby::found_enough_within(double distance_m) {
  double known = enough_within_m();
  while (distance_m < known && !enough_within_m_.compare_exchange_weak(known, distance_m, std::memory_order_relaxed)) {
  }
}

void Nearby::finish() {
  const auto is_better = [this](const FoundMember& one, const FoundMember& other) {
    if (one.distance_m != other.distance_m)
      return search_.pick == geo::Pick::kFarthest ? one.distance_m > other.distance_m
                                                  : one.distance_m < other.distance_m;
    return search_.lens != nullptr && search_.lens->comes_before(one.member->handle(), other.member->handle());
  };
  const std::size_t count = std::min(search_.count_max, found_.size());
  const auto end = found_.begin() + static_cast<std::ptrdiff_t>(count);
  const bool chooses = search_.pick == geo::Pick::kNearest || search_.pick == geo::Pick::kFarthest;
  if (chooses && count < found_.size()) std::ranges::nth_element(found_, end, is_better);
  found_.erase(end, found_.end());
  if (search_.in_order) std::ranges::sort(found_, is_better);
  done_(std::move(found_));
}

}  // namespace earshot::places
