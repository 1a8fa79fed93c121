#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "base/random.hpp"
#include "geo/point.hpp"

// People in one degree by one degree around Beijing, as all measurements of places have them: a million, unless a
// measurement is of how things grow.
namespace earshot::bench {

inline constexpr std::size_t kPeople = 1'000'000;
inline constexpr std::size_t kPeopleMax = 10'000'000;
inline constexpr double kDegreeM = 111'226;

inline double uniform(Random& random) { return static_cast<double>(random.next() >> 11) * 0x1p-53; }

// Box and Muller, 1958.
inline double normal(Random& random) {
  return std::sqrt(-2 * std::log(1 - uniform(random))) * std::cos(6.283185307179586 * uniform(random));
}

inline geo::Point somewhere(Random& random) { return {116.4 + uniform(random), 39.9 + uniform(random)}; }

// Spread evenly; or clustered: four of five are around one of 20 spots, 300 m away in every direction.
inline std::vector<geo::Point> people(bool clustered, std::size_t count = kPeople) {
  Random random(1);
  std::vector<geo::Point> spots(20);
  std::ranges::generate(spots, [&] { return somewhere(random); });
  std::vector<geo::Point> people;
  people.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    geo::Point point = somewhere(random);
    if (clustered && random.chance(0.8)) {
      point = spots[random.below(spots.size())];
      point.latitude += normal(random) * 300 / kDegreeM;
      point.longitude += normal(random) * 300 / kDegreeM / std::cos(point.latitude * 0.0174532925);
    }
    people.push_back(point);
  }
  return people;
}

// About 50 m away from there.
inline geo::Point step_from(geo::Point point, Random& random) {
  point.latitude += (uniform(random) - 0.5) * 100 / kDegreeM;
  return point;
}

}  // namespace earshot::bench
