#pragma once

#include <array>

#include "geo/point.hpp"

// Distances over a sphere, by the haversine formula, with Redis's radius and its arithmetic: they are compared with
// its.
namespace earshot::geo {

inline constexpr double kEarthRadiusM = 6372797.560856;

// Along the great circle, in metres.
double distance_m(const Point& from, const Point& to);
// The same, to the last bit, from one point to many.
class DistanceFrom {
 public:
  explicit DistanceFrom(const Point& from);
  [[nodiscard]] double to_m(const Point& to) const;

 private:
  double longitude_;  // radians, as the next
  double latitude_;
  double cos_latitude_;
};

// The same for two latitudes of one meridian, in degrees.
double latitude_distance_m(double from, double to);

// Where the point is on a sphere of radius 1 around the Earth's middle.
using UnitVector = std::array<double, 3>;
UnitVector unit_vector(const Point& point);

// The square of the straight line, through that sphere, between points so far apart: grows with the distance up to half
// way round the Earth, and is 4 from there on.
double chord2_of(double distance_m);

}  // namespace earshot::geo
