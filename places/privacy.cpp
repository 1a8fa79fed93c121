#include "places/privacy.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <string>

#include "base/checksum.hpp"
#include "geo/distance.hpp"

namespace earshot::places {
namespace {

constexpr double kDiagonalMax = 1.6;  // in cells of the precision: see shown_place()
constexpr double kRoundingM = 1;

struct GridCell {
  std::uint32_t row = 0;
  std::uint32_t column = 0;
  geo::CellBounds bounds;
};

// How many parts of at least `part_m` there are in a length, and at least one.
std::uint32_t parts_in(double length_m, double part_m) {
  return static_cast<std::uint32_t>(std::max(1.0, std::floor(length_m / part_m)));
}

// Which of `count` parts from -max to max; the upper edge belongs to the last.
std::uint32_t part_at(double degrees, double max, std::uint32_t count) {
  const double part = std::floor((degrees + max) / (2 * max) * count);
  return static_cast<std::uint32_t>(std::clamp(part, 0.0, count - 1.0));
}

double part_edge(std::uint32_t part, double max, std::uint32_t count) { return -max + 2 * max * part / count; }

GridCell grid_cell_of(const geo::Point& point, double precision_m) {
  using geo::kLatitudeMax, geo::kLongitudeMax;
  GridCell cell;
  const std::uint32_t rows = parts_in(geo::latitude_distance_m(-kLatitudeMax, kLatitudeMax), precision_m);
  cell.row = part_at(point.latitude, kLatitudeMax, rows);
  const double south = part_edge(cell.row, kLatitudeMax, rows);
  const double north = part_edge(cell.row + 1, kLatitudeMax, rows);
  const double narrowest = std::max(std::fabs(south), std::fabs(north)) * (std::numbers::pi / 180);
  const double round_m = 2 * std::numbers::pi * geo::kEarthRadiusM * std::cos(narrowest);
  const std::uint32_t columns = parts_in(round_m, precision_m);
  cell.column = part_at(point.longitude, kLongitudeMax, columns);
  cell.bounds = {{part_edge(cell.column, kLongitudeMax, columns), south},
                 {part_edge(cell.column + 1, kLongitudeMax, columns), north}};
  return cell;
}

void append(std::string& bytes, std::uint32_t number) {
  for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>(number >> shift & 0xff));
}

double between(double low, double high, std::uint32_t chance) { return low + (high - low) * (chance * 0x1p-32); }

}  // namespace

geo::Geohash shown_place(geo::Geohash real, const LayerId& layer, std::string_view member, std::uint64_t secret,
                         std::uint32_t precision_m) {
  if (precision_m == 0) return real;
  const GridCell cell = grid_cell_of(geo::decode(real), precision_m);
  std::string key = layer.text();
  key.push_back('\0');
  append(key, cell.row);
  append(key, cell.column);
  key += member;
  const std::uint64_t chance = checksum_of(key, secret);
  const auto& [low, high] = cell.bounds;
  return geo::encode({between(low.longitude, high.longitude, static_cast<std::uint32_t>(chance >> 32)),
                      between(low.latitude, high.latitude, static_cast<std::uint32_t>(chance))});
}

double max_shift_m(std::uint32_t precision_m) { return precision_m == 0 ? 0 : kDiagonalMax * precision_m + kRoundingM; }

double rounded_up_m(double distance_m, std::uint32_t step_m) {
  return step_m == 0 ? distance_m : std::ceil(distance_m / step_m) * step_m;
}

}  // namespace earshot::places
