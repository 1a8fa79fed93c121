#include "geo/geohash.hpp"

#include <algorithm>
#include <bit>
#include <string_view>

namespace earshot::geo {
namespace {

constexpr double kCellsMax = 1 << kLevelMax;

// The bits of `value` at the even places (Sean Eron Anderson, "Bit Twiddling Hacks", interleaving by binary magic
// numbers).
std::uint64_t spread(std::uint64_t value) {
  value = (value | value << 16) & 0x0000FFFF0000FFFF;
  value = (value | value << 8) & 0x00FF00FF00FF00FF;
  value = (value | value << 4) & 0x0F0F0F0F0F0F0F0F;
  value = (value | value << 2) & 0x3333333333333333;
  return (value | value << 1) & 0x5555555555555555;
}

// The other way.
std::uint32_t gather_even(std::uint64_t value) {
  value &= 0x5555555555555555;
  value = (value | value >> 1) & 0x3333333333333333;
  value = (value | value >> 2) & 0x0F0F0F0F0F0F0F0F;
  value = (value | value >> 4) & 0x00FF00FF00FF00FF;
  value = (value | value >> 8) & 0x0000FFFF0000FFFF;
  return static_cast<std::uint32_t>(value | value >> 16);
}

std::uint64_t interleave(std::uint32_t column, std::uint32_t row) { return spread(column) << 1 | spread(row); }

// Which of 2^26 parts of -max..max; the upper edge belongs to the last.
std::uint32_t part_of(double degrees, double max) {
  const double parts = (degrees + max) / (max + max) * kCellsMax;
  return static_cast<std::uint32_t>(std::min(parts, kCellsMax - 1));
}

// Where a part begins, of 2^level. Redis's arithmetic.
double begin_of(std::uint32_t part, int level, double max) {
  return -max + part * 1.0 / static_cast<double>(std::uint64_t{1} << level) * (max + max);
}

double middle_of(std::uint32_t part, double max) {
  return (begin_of(part, kLevelMax, max) + begin_of(part + 1, kLevelMax, max)) / 2;
}

int bits_below(int level) { return 2 * (kLevelMax - level); }

}  // namespace

Geohash encode(const Point& point) {
  return Geohash(interleave(part_of(point.longitude, kLongitudeMax), part_of(point.latitude, kLatitudeMax)));
}

Point decode(Geohash place) {
  return {middle_of(gather_even(place.value >> 1), kLongitudeMax), middle_of(gather_even(place.value), kLatitudeMax)};
}

std::string text_of(Geohash place) {
  constexpr std::string_view kAlphabet = "0123456789bcdefghjkmnpqrstuvwxyz";
  constexpr int kCharacters = 10;  // that there are bits for
  const Point point = decode(place);
  const std::uint64_t bits = interleave(part_of(point.longitude, kLongitudeMax), part_of(point.latitude, 90));
  std::string text;
  for (int i = 1; i <= kCharacters; ++i) text += kAlphabet[bits >> (2 * kLevelMax - 5 * i) & 31];
  return text + '0';
}

// ---- cells

GeohashRange Cell::range() const {
  const std::uint64_t low = interleave(column, row) << bits_below(level);
  return {Geohash(low), Geohash(low + (std::uint64_t{1} << bits_below(level)) - 1)};
}

CellBounds Cell::bounds() const {
  return {{begin_of(column, level, kLongitudeMax), begin_of(row, level, kLatitudeMax)},
          {begin_of(column + 1, level, kLongitudeMax), begin_of(row + 1, level, kLatitudeMax)}};
}

bool Cell::holds(Geohash place) const { return cell_of(place, level) == *this; }

Cell Cell::parent() const { return {static_cast<std::uint8_t>(level - 1), column >> 1, row >> 1}; }

Cell Cell::child(unsigned which) const {
  return {static_cast<std::uint8_t>(level + 1), column << 1 | which >> 1, row << 1 | (which & 1)};
}

std::optional<Cell> Cell::neighbour(int columns, int rows) const {
  const std::int64_t cells = std::int64_t{1} << level;
  const std::int64_t to_row = row + std::int64_t{rows};
  if (to_row < 0 || to_row >= cells) return std::nullopt;
  const std::int64_t to_column = ((column + std::int64_t{columns}) % cells + cells) % cells;
  return Cell{level, static_cast<std::uint32_t>(to_column), static_cast<std::uint32_t>(to_row)};
}

Cell cell_of(Geohash place, int level) {
  const std::uint64_t bits = place.value >> bits_below(level);
  return {static_cast<std::uint8_t>(level), gather_even(bits >> 1), gather_even(bits)};
}

Cell cell_of(const GeohashRange& range) {
  const int bits_unlike = static_cast<int>(std::bit_width(range.low.value ^ range.high.value));
  return cell_of(range.low, kLevelMax - (bits_unlike + 1) / 2);
}

}  // namespace earshot::geo
