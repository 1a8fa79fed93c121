#pragma once

#include <compare>
#include <cstdint>
#include <vector>

#include "base/ids.hpp"
#include "geo/geohash.hpp"

// Which node keeps whom in its cells. Every layer is cut into regions of the Earth, and each region belongs to one of
// the nodes that are taken for live.
namespace earshot::cluster {

inline constexpr int kRegionBits = 15;  // of a geohash: 8 of longitude and 7 of latitude, about 156 x 148 km
inline constexpr std::uint32_t kRegions = 1u << kRegionBits;

using Region = Number<struct RegionTag, std::uint16_t>;  // below kRegions; also those of scores that are no place: 0

// The region that holds the place.
Region region_of(geo::Geohash place);

// Who owns the regions, by rendezvous hashing (Thaler and Ravishankar, 1998): the node whose hash of (layer, region,
// node) is the highest. So each has about as many as any other, two nodes that go by the same view say the same, and of
// a node that is lost only its own regions move. Pure; may be read on any thread.
class CellMap {
 public:
  // The nodes that are taken for live, in any order. None: no region has an owner.
  explicit CellMap(std::vector<NodeId> view);

  // Node 0 if the view is empty.
  [[nodiscard]] NodeId owner(const LayerId& layer, Region region) const;
  // Ascending, each once.
  [[nodiscard]] const std::vector<NodeId>& view() const { return view_; }

  bool operator==(const CellMap&) const = default;

 private:
  std::vector<NodeId> view_;
};

}  // namespace earshot::cluster
