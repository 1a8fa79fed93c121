#include "geo/point.hpp"

#include <cmath>
#include <string>

namespace earshot::geo {
namespace {

// What is no number is not between.
bool is_between(double value, double max) { return value >= -max && value <= max; }

}  // namespace

Result<Point> check_point(double longitude, double latitude, std::string_view field) {
  if (!is_between(longitude, kLongitudeMax))
    return fail(ErrorCode::kInvalidArgument, std::string(field) + ".longitude", "must be from -180 to 180 degrees");
  if (!is_between(latitude, kLatitudeMax))
    return fail(ErrorCode::kInvalidArgument, std::string(field) + ".latitude",
                "must be from -85.05112878 to 85.05112878 degrees");
  return Point{longitude, latitude};
}

}  // namespace earshot::geo
