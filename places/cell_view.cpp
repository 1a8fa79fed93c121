#include "places/cell_view.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.hpp"

namespace earshot::places {

CellView::CellView(std::size_t fills, std::function<void(const CellFilled&)> filled)
    : fills_left_(fills), filled_(std::move(filled)) {}

void CellView::handle(CellFill message) {
  if (fill_.empty()) {
    fill_ = std::move(message.members);
  } else {
    fill_.insert(fill_.end(), message.members.begin(), message.members.end());
  }
  if (--fills_left_ > 0) return;
  std::ranges::sort(fill_);
  index_ = geo::PlaceIndex(fill_);
  CellFilled filled{fill_.size()};
  if (!fill_.empty()) filled.within = {fill_.front().place, fill_.back().place};
  filled_(filled);
  filled_ = nullptr;
  fill_ = {};
  for (Waiting& message : std::exchange(waiting_, {})) std::visit([this](auto& one) { run(one); }, message);
}

void CellView::run(CellChanges& message) {
  for (const CellChange& change : message.changes) {
    const geo::MemberHandle handle = change.member->handle();
    if (change.from && change.to) {
      index_.move({*change.from, handle}, {*change.to, handle});
    } else if (change.from) {
      index_.erase({*change.from, handle});
    } else {
      index_.insert({*change.to, handle});
    }
  }
}

void CellView::run(CellSearch& message) {
  Nearby& nearby = *message.nearby;
  if (nearby.is_full()) return nearby.add({});
  geo::Search part_search = nearby.search();
  part_search.with_distance |= part_search.in_order;
  part_search.in_order = false;  // that is for all parts together
  geo::Gather gather(part_search);
  if (const auto worst_m = nearby.worst_m()) gather.known_elsewhere(*worst_m);
  index_.search(gather);
  if (const auto worst_m = gather.worst_m()) nearby.found_enough(*worst_m);
  const std::vector<geo::Found> all = std::move(gather).finish();
  std::vector<FoundMember> part;
  part.reserve(all.size());
  for (const geo::Found& found : all) part.push_back({MemberPtr::of(found.handle), found.place, found.distance_m});
  nearby.add(std::move(part));
}

void CellView::run(CellSplit& message) {
  std::array<CellFill, 4> parts;
  std::array<geo::Geohash, 4> last{};
  for (unsigned which = 0; which < last.size(); ++which) last[which] = message.parent.child(which).range().high;
  std::size_t into = 0;
  index_.for_each([&](const geo::PlaceKey& key) {
    while (key.place > last[into]) {
      EARSHOT_INVARIANT(into + 1 < last.size(), "the parent of a split holds everybody");
      ++into;
    }
    parts[into].members.push_back(key);
  });
  for (std::size_t which = 0; which < parts.size(); ++which) message.children[which]->post(std::move(parts[which]));
  index_ = {};
  is_over_ = true;
}

void CellView::run(CellMerge& message) {
  CellFill fill;
  fill.members.reserve(index_.size());
  index_.for_each([&](const geo::PlaceKey& key) { fill.members.push_back(key); });
  message.parent->post(std::move(fill));
  index_ = {};
  is_over_ = true;
}

}  // namespace earshot::places
