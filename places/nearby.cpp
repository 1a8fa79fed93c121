#include "places/nearby.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
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
    if (found_.size() / 2 >= search_.count_max) cut();
    kept_.store(found_.size(), std::memory_order_relaxed);
    if (--parts_left_ > 0) return;
  }
  finish();  // nobody else comes any more
}

double Nearby::worst_of_all_m() const {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  return is_farthest() ? -kInfinity : kInfinity;
}

std::optional<double> Nearby::worst_m() const {
  const double worst_m = worst_m_.load(std::memory_order_relaxed);
  return std::isfinite(worst_m) ? std::optional(worst_m) : std::nullopt;
}

void Nearby::found_enough(double worst_m) {
  double known = worst_m_.load(std::memory_order_relaxed);
  while ((is_farthest() ? worst_m > known : worst_m < known) &&
         !worst_m_.compare_exchange_weak(known, worst_m, std::memory_order_relaxed)) {
  }
}

bool Nearby::is_better(const FoundMember& one, const FoundMember& other) const {
  if (one.distance_m != other.distance_m)
    return is_farthest() ? one.distance_m > other.distance_m : one.distance_m < other.distance_m;
  return search_.lens != nullptr && search_.lens->comes_before(one.member->handle(), other.member->handle());
}

// Keeps those who are wanted of more than are.
void Nearby::cut() {
  const auto end = found_.begin() + static_cast<std::ptrdiff_t>(search_.count_max);
  if (chooses() && search_.count_max > 0) {
    const auto better = [this](const FoundMember& one, const FoundMember& other) { return is_better(one, other); };
    std::ranges::nth_element(found_, end - 1, better);
    found_enough((end - 1)->distance_m);
  }
  found_.erase(end, found_.end());
}

void Nearby::finish() {
  if (found_.size() > search_.count_max) cut();
  if (search_.in_order)
    std::ranges::sort(found_,
                      [this](const FoundMember& one, const FoundMember& other) { return is_better(one, other); });
  // Whoever is told may keep them for a while.
  if (found_.capacity() / 2 > found_.size()) found_.shrink_to_fit();
  done_(std::move(found_));
}

}  // namespace earshot::places
