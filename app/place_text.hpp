#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/error.hpp"
#include "geo/point.hpp"
#include "schema/places.hpp"

// Places and lengths as people write and read them. Pure.
namespace earshot::app {

// "5km", "300m", "2.5mi", "900ft", or a bare number of metres. kInvalidArgument naming `field`.
Result<double> parse_length(std::string_view text, std::string_view field);
// "3kmx2km": width and height.
Result<Box> parse_box(std::string_view text, std::string_view field);
// "812 m", "4.23 km", "1234 km".
std::string to_length_text(double length_m);

// "LON,LAT" in degrees.
Result<geo::Point> parse_point(std::string_view text, std::string_view field);
Result<geo::Point> parse_point(std::string_view longitude, std::string_view latitude, std::string_view field);
// As parse_point() reads it, with six digits: a tenth of a metre.
std::string to_text(const geo::Point& point);

// One line of a file of places.
struct PlaceLine {
  std::string member;
  geo::Point point;
};
// Either the form of Debian's zone1970.tab (country codes, a place by ISO 6709 as ±DDMM±DDDMM or ±DDMMSS±DDDMMSS, which
// has the latitude first, and the member, separated by tabs), or "member,longitude,latitude". Nothing: the line is
// empty, a comment ("#"), or the head of a table of the second form. kInvalidArgument says what is wrong.
Result<std::optional<PlaceLine>> read_place_line(std::string_view line);

}  // namespace earshot::app
