#pragma once

#include <vector>

#include "geo/area.hpp"
#include "geo/geohash.hpp"

namespace earshot::geo {

// The cells to ask for everything within an area: of the finest level, up to `level_max`, whose cells are as wide and
// as high as half of what the area takes, so that the one that holds the centre and its eight neighbours cover it.
// Those that the area's bounds do not touch are left out, and so are repeated ones, where a circle reaches around the
// Earth. From 1 to 9, in no order.
std::vector<Cell> cover(const Area& area, int level_max = kLevelMax);

}  // namespace earshot::geo
