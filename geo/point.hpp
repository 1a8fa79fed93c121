#pragma once

#include <string_view>

#include "base/error.hpp"

namespace earshot::geo {

// A place on Earth, in degrees. Longitude first.
struct Point {
  double longitude = 0;
  double latitude = 0;

  bool operator==(const Point&) const = default;
};

// What can be encoded, as in Redis: the square of the web's Mercator projection (EPSG:3857).
inline constexpr double kLongitudeMax = 180;
inline constexpr double kLatitudeMax = 85.05112878;

// kInvalidArgument naming `field` for what is no number or lies outside -kLongitudeMax..kLongitudeMax,
// -kLatitudeMax..kLatitudeMax.
Result<Point> check_point(double longitude, double latitude, std::string_view field);

}  // namespace earshot::geo
