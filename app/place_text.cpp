#include "app/place_text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/limits.hpp"
#include "geo/area.hpp"

namespace earshot::app {
namespace {

tl::unexpected<Error> invalid(std::string_view field, std::string why) {
  return fail(ErrorCode::kInvalidArgument, std::string(field), std::move(why));
}

std::string_view trimmed(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// A whole text that is a number; "+7" too, which from_chars does not take.
std::optional<double> parse_number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// DDMM, DDDMM, DDMMSS or DDDMMSS behind its sign, in degrees.
std::optional<double> parse_degrees(std::string_view text) {
  if (text.empty() || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  const double sign = text[0] == '-' ? -1 : 1;
  text.remove_prefix(1);
  if (!std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
  const auto take = [&](std::size_t digits) {
    int value = 0;
    std::from_chars(text.data(), text.data() + digits, value);
    text.remove_prefix(digits);
    return value;
  };
  if (text.size() < 4 || text.size() > 7) return std::nullopt;
  const int degrees = take(text.size() % 2 == 0 ? 2 : 3);
  const int minutes = take(2);
  const int seconds = text.empty() ? 0 : take(2);
  if (minutes >= 60 || seconds >= 60) return std::nullopt;
  return sign * (degrees + minutes / 60.0 + seconds / 3600.0) + 0.0;  // never -0
}

Result<geo::Point> parse_iso6709(std::string_view text) {
  const std::size_t second = text.find_first_of("+-", 1);
  const auto latitude = parse_degrees(text.substr(0, second));
  const auto longitude = second == std::string_view::npos ? std::nullopt : parse_degrees(text.substr(second));
  // Of the two forms of one length each belongs to one of the two.
  const std::size_t digits = second - 1;
  if (!latitude || !longitude || text.size() - second - 1 != digits + 1 || (digits != 4 && digits != 6))
    return invalid("place", "is not of the form ±DDMM±DDDMM or ±DDMMSS±DDDMMSS");
  return geo::check_point(*longitude, *latitude, "place");
}

Result<PlaceLine> place_line(std::string_view member, Result<geo::Point> point) {
  if (member.empty()) return invalid("member", "must not be empty");
  if (member.size() > limits::kMemberBytesMax)
    return invalid("member", fmt::format("has {} bytes, the limit is {}", member.size(), limits::kMemberBytesMax));
  return std::move(point).map([&](const geo::Point& at) { return PlaceLine{std::string(member), at}; });
}

}  // namespace

Result<double> parse_length(std::string_view text, std::string_view field) {
  constexpr std::pair<std::string_view, double> kUnits[] = {{"km", 1000}, {"mi", 1609.34}, {"ft", 0.3048}, {"m", 1}};
  double unit_m = 1;
  std::string_view number = text;
  for (const auto& [unit, length_m] : kUnits) {
    if (!text.ends_with(unit)) continue;
    number.remove_suffix(unit.size());
    unit_m = length_m;
    break;
  }
  const auto value = parse_number(trimmed(number));
  if (!value || !std::isfinite(*value) || *value < 0)
    return invalid(field, "must be a length such as 300m, 5km, 2.5mi or 900ft");
  return *value * unit_m;
}

Result<Box> parse_box(std::string_view text, std::string_view field) {
  const std::size_t x = text.find('x');
  if (x == std::string_view::npos) return invalid(field, "must be a width and a height such as 3kmx2km");
  auto width = parse_length(text.substr(0, x), field);
  if (!width) return fail(std::move(width.error()));
  return parse_length(text.substr(x + 1), field).map([&](double height_m) { return Box{*width, height_m}; });
}

std::string to_length_text(double length_m) {
  if (length_m < 999.5) return fmt::format("{:.0f} m", length_m);
  if (length_m < 9'995) return fmt::format("{:.2f} km", length_m / 1000);
  if (length_m < 99'950) return fmt::format("{:.1f} km", length_m / 1000);
  return fmt::format("{:.0f} km", length_m / 1000);
}

Result<geo::Point> parse_point(std::string_view longitude, std::string_view latitude, std::string_view field) {
  const auto east = parse_number(trimmed(longitude));
  const auto north = parse_number(trimmed(latitude));
  if (!east || !north) return invalid(field, "must be a longitude and a latitude in degrees, such as 116.4,39.9");
  return geo::check_point(*east, *north, field);
}

Result<geo::Point> parse_point(std::string_view text, std::string_view field) {
  const std::size_t comma = text.find(',');
  if (comma == std::string_view::npos) return parse_point("", "", field);
  return parse_point(text.substr(0, comma), text.substr(comma + 1), field);
}

std::string to_text(const geo::Point& point) { return fmt::format("{:.6f},{:.6f}", point.longitude, point.latitude); }

Result<std::optional<PlaceLine>> read_place_line(std::string_view line) {
  const std::string_view text = trimmed(line);
  if (text.empty() || text.starts_with('#') || text == "member,longitude,latitude") return std::optional<PlaceLine>();
  const auto some = [](PlaceLine&& place) { return std::optional(std::move(place)); };
  if (const std::size_t tab = text.find('\t'); tab != std::string_view::npos) {
    const std::string_view rest = text.substr(tab + 1);
    const std::size_t next = rest.find('\t');
    if (next == std::string_view::npos) return invalid("line", "has two columns: codes, place and member are wanted");
    const std::string_view member = rest.substr(next + 1);
    return place_line(member.substr(0, member.find('\t')), parse_iso6709(rest.substr(0, next))).map(some);
  }
  const std::size_t last = text.rfind(',');
  const std::size_t first = last == std::string_view::npos || last == 0 ? last : text.rfind(',', last - 1);
  if (last == std::string_view::npos || first == std::string_view::npos || first == last)
    return invalid("line", "must be member,longitude,latitude, or as in zone1970.tab");
  return place_line(trimmed(text.substr(0, first)),
                    parse_point(text.substr(first + 1, last - first - 1), text.substr(last + 1), "place"))
      .map(some);
}

}  // namespace earshot::app
