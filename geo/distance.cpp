#include "geo/distance.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace earshot::geo {
namespace {

double radians(double degrees) { return degrees * (std::numbers::pi / 180.0); }

}  // namespace

double latitude_distance_m(double from, double to) { return kEarthRadiusM * std::fabs(radians(to) - radians(from)); }

DistanceFrom::DistanceFrom(const Point& from)
    : longitude_(radians(from.longitude)), latitude_(radians(from.latitude)), cos_latitude_(std::cos(latitude_)) {}

double DistanceFrom::to_m(const Point& to) const {
  const double v = std::sin((radians(to.longitude) - longitude_) / 2);
  if (v == 0) return kEarthRadiusM * std::fabs(radians(to.latitude) - latitude_);
  const double latitude = radians(to.latitude);
  const double u = std::sin((latitude - latitude_) / 2);
  const double haversine = u * u + cos_latitude_ * std::cos(latitude) * v * v;
  return 2.0 * kEarthRadiusM * std::asin(std::sqrt(std::min(haversine, 1.0)));
}

double distance_m(const Point& from, const Point& to) { return DistanceFrom(from).to_m(to); }

UnitVector unit_vector(const Point& point) {
  const double latitude = radians(point.latitude);
  const double longitude = radians(point.longitude);
  const double across = std::cos(latitude);
  return {across * std::cos(longitude), across * std::sin(longitude), std::sin(latitude)};
}

double chord2_of(double distance_m) {
  const double half_angle = std::clamp(distance_m / (2 * kEarthRadiusM), 0.0, std::numbers::pi / 2);
  const double half_chord = std::sin(half_angle);
  return 4 * half_chord * half_chord;
}

}  // namespace earshot::geo
