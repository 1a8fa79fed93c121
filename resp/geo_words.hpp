#pragma once

#include <string_view>

#include "geo/point.hpp"
#include "resp/reader.hpp"

// Parts of geo commands that stand in several of them.
namespace earshot::resp {

// Longitude and latitude, both within the square that can be encoded.
Reading<geo::Point> read_point(std::string_view longitude, std::string_view latitude);
// The unit in metres: m, km, ft or mi.
Reading<double> read_unit(std::string_view word);

}  // namespace earshot::resp
