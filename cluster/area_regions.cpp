#include "cluster/area_regions.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace earshot::cluster {
namespace {

constexpr int kColumnBits = (kRegionBits + 1) / 2;  // longitude's bit comes first
constexpr int kRowBits = kRegionBits / 2;
constexpr std::int64_t kColumns = 1 << kColumnBits;
constexpr std::int64_t kRows = 1 << kRowBits;

Region region_at(std::int64_t column, std::int64_t row) {
  unsigned bits = 0;
  for (int i = 0; i < kColumnBits; ++i) bits |= static_cast<unsigned>(column >> i & 1) << (2 * i);
  for (int i = 0; i < kRowBits; ++i) bits |= static_cast<unsigned>(row >> i & 1) << (2 * i + 1);
  return Region(static_cast<std::uint16_t>(bits));
}

std::int64_t column_at(double longitude) {
  return static_cast<std::int64_t>(
      std::floor((longitude + geo::kLongitudeMax) / (2 * geo::kLongitudeMax) * static_cast<double>(kColumns)));
}

std::int64_t row_at(double latitude) {
  const double part = (latitude + geo::kLatitudeMax) / (2 * geo::kLatitudeMax);
  return static_cast<std::int64_t>(std::floor(std::clamp(part, 0.0, 1.0) * static_cast<double>(kRows)));
}

}  // namespace

std::optional<std::vector<Region>> regions_within(const geo::Area& area, std::size_t count_max) {
  const geo::DegreeBounds& bounds = area.bounds();
  const std::int64_t west = column_at(bounds.west);
  const std::int64_t columns = std::min(column_at(bounds.east) - west + 1, kColumns);
  const std::int64_t south = std::min(row_at(bounds.south), kRows - 1);
  const std::int64_t rows = std::min(row_at(bounds.north), kRows - 1) - south + 1;
  if (static_cast<std::size_t>(columns * rows) > count_max) return std::nullopt;
  std::vector<Region> regions;
  regions.reserve(static_cast<std::size_t>(columns * rows));
  for (std::int64_t row = south; row < south + rows; ++row)
    for (std::int64_t column = west; column < west + columns; ++column)
      regions.push_back(region_at((column % kColumns + kColumns) % kColumns, row));
  std::ranges::sort(regions);
  return regions;
}

}  // namespace earshot::cluster
