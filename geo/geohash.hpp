#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/ids.hpp"
#include "geo/point.hpp"

// Geohash with 52 bits, as in Redis: longitude and latitude are bisected 26 times each and the bits interleaved,
// longitude's first. A prefix of the bits is a cell of a quadtree; what it holds is one range of numbers.
namespace earshot::geo {

inline constexpr int kLevelMax = 26;  // bisections of each axis

// Where a member is: a cell of the finest level, about 0.6 m wide at the equator.
using Geohash = Number<struct GeohashTag>;

// From below 2^52. The edges at the east and the north belong to the last cells (Redis gives them a cell of their own
// outside the square).
Geohash encode(const Point& point);
// The middle of its cell, by the arithmetic that Redis does.
Point decode(Geohash place);
// The standard base32 string of 11 characters, made as Redis does: latitude over -90..90, and the last one is "0",
// since there are no bits for it.
std::string text_of(Geohash place);

// From `low` to `high`, both within.
struct GeohashRange {
  Geohash low;
  Geohash high;

  auto operator<=>(const GeohashRange&) const = default;
};

// A rectangle of degrees.
struct CellBounds {
  Point low;   // the south-west corner
  Point high;  // the north-east corner
};

// A cell of the quadtree. Level 0 is the whole square; each level has four times as many cells.
struct Cell {
  std::uint8_t level = 0;
  std::uint32_t column = 0;  // from the west, below 2^level
  std::uint32_t row = 0;     // from the south, below 2^level

  auto operator<=>(const Cell&) const = default;

  [[nodiscard]] GeohashRange range() const;
  [[nodiscard]] CellBounds bounds() const;
  [[nodiscard]] bool holds(Geohash place) const;
  // Precondition: level > 0.
  [[nodiscard]] Cell parent() const;
  // 0 to 3, in the order of their ranges. Precondition: level < kLevelMax.
  [[nodiscard]] Cell child(unsigned which) const;
  // The one so many columns to the east, over 180 degrees too, and rows to the north: none beyond the square's edge.
  [[nodiscard]] std::optional<Cell> neighbour(int columns, int rows) const;
};

// The cell of this level that holds the place.
Cell cell_of(Geohash place, int level);
// The finest cell that holds both.
Cell cell_of(const GeohashRange& range);

}  // namespace earshot::geo
