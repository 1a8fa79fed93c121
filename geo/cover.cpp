#include "geo/cover.hpp"

#include <algorithm>

namespace earshot::geo {
namespace {

// The finest level at which a cell, or as many degrees of `all` as it takes, is no smaller than `half`.
int level_for(double half_degrees, double all_degrees, int level_max) {
  int level = 0;
  while (level < level_max && half_degrees * static_cast<double>(std::uint64_t{2} << level) <= all_degrees) ++level;
  return level;
}

}  // namespace

std::vector<Cell> cover(const Area& area, int level_max) {
  const DegreeBounds& bounds = area.bounds();
  const int by_width = level_for((bounds.east - bounds.west) / 2, 2 * kLongitudeMax, level_max);
  const int by_height = level_for((bounds.north - bounds.south) / 2, 2 * kLatitudeMax, level_max);
  const Cell middle = cell_of(encode(area.centre()), std::min(by_width, by_height));
  std::vector<Cell> cells;
  for (const int rows : {0, 1, -1}) {
    for (const int columns : {0, 1, -1}) {
      const auto cell = middle.neighbour(columns, rows);
      if (cell && bounds.touch(*cell) && std::ranges::find(cells, *cell) == cells.end()) cells.push_back(*cell);
    }
  }
  return cells;
}

}  // namespace earshot::geo
