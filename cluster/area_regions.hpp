#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "cluster/cell_map.hpp"
#include "geo/area.hpp"

namespace earshot::cluster {

// The regions that have anything within the area's bounds, ascending; none when they are more than `count_max`.
std::optional<std::vector<Region>> regions_within(const geo::Area& area, std::size_t count_max);

}  // namespace earshot::cluster
