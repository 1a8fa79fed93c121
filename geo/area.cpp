#include "geo/area.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "geo/distance.hpp"

namespace earshot::geo {
namespace {

constexpr double kDegrees = 180 / std::numbers::pi;
// About a millimetre, far more than is lost to rounding, added to bounds on every side.
constexpr double kRoundingDegrees = 1e-8;

Status check_length(double length_m, std::string_view field) {
  if (length_m >= 0 && std::isfinite(length_m)) return {};
  return fail(ErrorCode::kInvalidArgument, std::string(field), "must be a number that is not negative");
}

// How many degrees of longitude a circle of this angle, in radians, reaches to either side: to where a meridian touches
// it, unless it holds a pole, where all of them end.
double circle_reach(double angle, double latitude) {
  if (std::fabs(latitude) + angle * kDegrees + kRoundingDegrees >= 90) return 180;
  const double sine = std::sin(angle) / std::cos(latitude / kDegrees);
  return std::asin(std::min(sine, 1.0)) * kDegrees + kRoundingDegrees;
}

// The same for a box: at the latitude next to a pole where anybody can be.
double box_reach(double half_width_m, double south, double north) {
  const double latitude = std::min(std::max(std::fabs(south), std::fabs(north)), kLatitudeMax);
  const double quarter = std::min(half_width_m / 2 / kEarthRadiusM, std::numbers::pi / 2);
  const double sine = std::sin(quarter) / std::cos(latitude / kDegrees);
  return sine >= 1 ? 180 : std::min(2 * std::asin(sine) * kDegrees + kRoundingDegrees, 180.0);
}

}  // namespace

bool DegreeBounds::touch(const Cell& cell) const {
  const CellBounds bounds = cell.bounds();
  if (bounds.low.latitude > north || bounds.high.latitude < south) return false;
  for (const double turn : {-360.0, 0.0, 360.0})
    if (bounds.low.longitude + turn <= east && bounds.high.longitude + turn >= west) return true;
  return false;
}

Area::Area(const Point& centre, double reach_m) : centre_(centre), from_centre_(centre), reach_m_(reach_m) {
  const double angle = reach_m / kEarthRadiusM;
  set_bounds(angle * kDegrees + kRoundingDegrees, circle_reach(angle, centre.latitude));
}

void Area::set_bounds(double up, double across) {
  bounds_ = {centre_.longitude - across, centre_.longitude + across, centre_.latitude - up, centre_.latitude + up};
}

Result<Area> Area::circle(const Point& centre, double radius_m, std::string_view field) {
  if (auto checked = check_length(radius_m, field); !checked) return fail(std::move(checked.error()));
  return Area(centre, radius_m);
}

Result<Area> Area::box(const Point& centre, double width_m, double height_m, std::string_view field) {
  for (const double side : {width_m, height_m})
    if (auto checked = check_length(side, field); !checked) return fail(std::move(checked.error()));
  return Area(centre, width_m, height_m);
}

// From the centre along its meridian, then along a great circle to the point: no way is shorter than the straight one.
Area::Area(const Point& centre, double width_m, double height_m) : Area(centre, width_m / 2 + height_m / 2) {
  is_box_ = true;
  half_width_m_ = width_m / 2;
  half_height_m_ = height_m / 2;
  const double up = half_height_m_ / kEarthRadiusM * kDegrees + kRoundingDegrees;
  const double by_width = box_reach(half_width_m_, centre.latitude - up, centre.latitude + up);
  set_bounds(up, std::min(by_width, (bounds_.east - bounds_.west) / 2));
}

// In a box, a point that far from one within may be so much farther across: it lies on another parallel by that much,
// where the meridian of the centre is that far from where it was.
Area Area::widened(double by_m) const {
  if (!is_box_) return {centre_, reach_m_ + by_m};
  return {centre_, 2 * (half_width_m_ + 2 * by_m), 2 * (half_height_m_ + by_m)};
}

std::optional<double> Area::distance_within_m(const Point& point) const {
  if (is_box_) {
    if (latitude_distance_m(point.latitude, centre_.latitude) > half_height_m_) return std::nullopt;
    if (distance_m(point, {centre_.longitude, point.latitude}) > half_width_m_) return std::nullopt;
  }
  const double distance = from_centre_.to_m(point);
  if (!is_box_ && distance > reach_m_) return std::nullopt;
  return distance;
}

}  // namespace earshot::geo
