#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/ids.hpp"
#include "cluster/cell_map.hpp"
#include "geo/lens.hpp"
#include "places/member.hpp"
#include "places/sight.hpp"

namespace earshot::actors {

// Which regions of a layer a node answers for: those that it is asked for, as far as they are its own by the view of
// the node that asks and by its own. It counts those who are there; it tells of everybody whom it knows, also of those
// whom it follows into regions of others: they may not be known there yet. Any thread.
class AnsweredRegions {
 public:
  using Cells = std::shared_ptr<const cluster::CellMap>;

  // `regions` empty: all. `theirs` as the node that asks sees it, `own` as this one does.
  AnsweredRegions(LayerId layer, NodeId self, const std::vector<cluster::Region>& regions, Cells theirs, Cells own)
      : layer_(std::move(layer)),
        self_(self),
        theirs_(std::move(theirs)),
        own_(*own == *theirs_ ? nullptr : std::move(own)),
        known_(regions.empty() ? std::make_unique<std::atomic<std::uint8_t>[]>(cluster::kRegions) : nullptr),
        lacks_some_(own_ != nullptr && regions.empty()) {
    std::ranges::copy_if(regions, std::back_inserter(regions_), [this](cluster::Region one) { return is_own(one); });
    lacks_some_ |= regions_.size() < regions.size();
  }

  [[nodiscard]] bool hold(cluster::Region region) const {
    if (known_ == nullptr) return std::ranges::binary_search(regions_, region);
    std::atomic<std::uint8_t>& known = known_[region.value];
    std::uint8_t seen = known.load(std::memory_order_relaxed);
    if (seen == kUnknown) known.store(seen = is_own(region) ? kOwn : kOthers, std::memory_order_relaxed);
    return seen == kOwn;
  }
  // Some that it is asked for are not its own, as it sees it.
  [[nodiscard]] bool lacks_some() const { return lacks_some_; }

 private:
  static constexpr std::uint8_t kUnknown = 0;
  static constexpr std::uint8_t kOwn = 1;
  static constexpr std::uint8_t kOthers = 2;

  [[nodiscard]] bool is_own(cluster::Region region) const {
    return theirs_->owner(layer_, region) == self_ && (own_ == nullptr || own_->owner(layer_, region) == self_);
  }

  const LayerId layer_;
  const NodeId self_;
  const Cells theirs_;
  const Cells own_;                                           // null: it is the same
  const std::unique_ptr<std::atomic<std::uint8_t>[]> known_;  // by region, as far as it was asked; null: few are
  std::vector<cluster::Region> regions_;                      // those few, ascending
  bool lacks_some_;
};

// Shows members where a user sees them. Of two that are equally far off the one whose name comes first comes first, so
// that nodes agree.
class NodeLens final : public geo::Lens {
 public:
  // `sight` null: everybody where it is.
  explicit NodeLens(std::shared_ptr<const places::Sight> sight) : sight_(std::move(sight)) {}

  [[nodiscard]] std::optional<geo::Geohash> shown(geo::MemberHandle member, geo::Geohash real) const override {
    return sight_ ? sight_->shown(member, real) : std::optional(real);
  }
  [[nodiscard]] bool comes_before(geo::MemberHandle one, geo::MemberHandle other) const override {
    return places::Member::of(one).name() < places::Member::of(other).name();
  }
  [[nodiscard]] double shift_m_max() const override { return sight_ ? sight_->shift_m_max() : 0; }

 private:
  const std::shared_ptr<const places::Sight> sight_;
};

}  // namespace earshot::actors
