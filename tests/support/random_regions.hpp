#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <random>
#include <vector>

#include "tests/support/search_oracle.hpp"

// Members at random places, where they are hard on an index.
namespace earshot::tests {

// Edges belong to another cell in Redis, outside the square; here nobody comes quite so near.
inline constexpr double kLongitudeMax = 179.999999;
inline constexpr double kLatitudeMax = 85.051128;

// Random numbers of every kind that a test needs; the same ones from the same seed.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}

  double between(double low, double high) { return std::uniform_real_distribution(low, high)(random_); }
  // Every order of magnitude as likely as any other.
  double magnitude(double low, double high) { return std::exp(between(std::log(low), std::log(high))); }
  double bell(double deviation) { return std::normal_distribution(0.0, deviation)(random_); }
  std::size_t below(std::size_t end) { return std::uniform_int_distribution<std::size_t>(0, end - 1)(random_); }
  bool once_in(std::size_t times) { return below(times) == 0; }
  double sign() { return once_in(2) ? 1 : -1; }
  template <class List>
  const auto& one_of(const List& list) {
    return *std::next(std::begin(list), static_cast<std::ptrdiff_t>(below(std::size(list))));
  }

 private:
  std::mt19937_64 random_;
};

inline Spot within_the_square(Spot spot) {
  return {std::clamp(spot.longitude, -kLongitudeMax, kLongitudeMax),
          std::clamp(spot.latitude, -kLatitudeMax, kLatitudeMax)};
}

// Where members are, and how far searches reach there.
struct Region {
  const char* name;
  std::function<Spot(Dice&)> spot;
  double reach_m_max;
};

inline const std::vector<Region> kRegions = {
    {"everywhere",
     [](Dice& dice) {
       return Spot{dice.between(-180, 180), dice.between(-85, 85)};
     },
     2.1e7},
    {"temperate",
     [](Dice& dice) {
       return Spot{dice.between(-120, 120), dice.between(-50, 50)};
     },
     4.9e6},
    {"date line",
     [](Dice& dice) {
       return Spot{dice.sign() * (180 - dice.magnitude(1e-5, 10)), dice.between(-70, 70)};
     },
     3e6},
    {"poles",
     [](Dice& dice) {
       return Spot{dice.between(-180, 180), dice.sign() * (85.05 - dice.magnitude(1e-5, 10))};
     },
     5e6},
    {"town",
     [](Dice& dice) {
       return Spot{13.4 + dice.bell(0.02), 52.5 + dice.bell(0.01)};
     },
     2e4},
    {"few places, many members",
     [](Dice& dice) {
       return Spot{static_cast<double>(dice.below(4)), static_cast<double>(dice.below(4))};
     },
     1e6},
    {"corners of cells",
     [](Dice& dice) {
       const auto cells = static_cast<double>(std::size_t{4} << dice.below(10));
       const double column = std::round(dice.between(0, cells)), row = std::round(dice.between(0, cells));
       return Spot{column / cells * 360 - 180 + dice.bell(1e-6), (row / cells * 2 - 1) * 85.05112878 + dice.bell(1e-6)};
     },
     3e6},
};

}  // namespace earshot::tests
