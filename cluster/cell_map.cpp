#include "cluster/cell_map.hpp"

#include <algorithm>
#include <utility>

#include "base/checksum.hpp"

namespace earshot::cluster {
namespace {

constexpr int kGeohashBits = 2 * geo::kLevelMax;

// Spreads what two numbers differ in over all bits: the end of SplitMix64 (Steele, Lea and Flood, 2014), which is much
// cheaper than hashing the layer's name again for every node.
std::uint64_t mix(std::uint64_t bits) {
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
  return bits ^ (bits >> 31);
}

constexpr std::uint64_t kGoldenGamma = 0x9e3779b97f4a7c15;

}  // namespace

Region region_of(geo::Geohash place) {
  return Region(static_cast<std::uint16_t>((place.value >> (kGeohashBits - kRegionBits)) % kRegions));
}

CellMap::CellMap(std::vector<NodeId> view) : view_(std::move(view)) {
  std::ranges::sort(view_);
  view_.erase(std::unique(view_.begin(), view_.end()), view_.end());
}

NodeId CellMap::owner(const LayerId& layer, Region region) const {
  if (view_.size() == 1) return view_.front();
  const std::uint64_t of_region = checksum_of(layer.text(), region.value);
  std::pair<std::uint64_t, NodeId> highest;  // of two that are equal the higher node's
  for (const NodeId node : view_) highest = std::max(highest, {mix(of_region + node.value * kGoldenGamma), node});
  return highest.second;
}

}  // namespace earshot::cluster
