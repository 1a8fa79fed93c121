#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "base/random.hpp"
#include "geo/area.hpp"
#include "geo/distance.hpp"
#include "geo/place_index.hpp"

// Random places and areas, and what is right by looking at everybody.
namespace earshot::tests {

inline double uniform(Random& random, double low, double high) {
  return low + (high - low) * static_cast<double>(random.next() >> 11) * 0x1p-53;
}

// From 10 cm to more than the way round the Earth, each order of magnitude as likely as the next.
inline double any_length_m(Random& random) { return random.chance(0.02) ? 0 : std::pow(10, uniform(random, -1, 7.7)); }

// Somewhere, with the hazards more often than by chance: the edges of the square, the equator, 180 degrees.
inline geo::Point any_point(Random& random) {
  using namespace geo;
  const auto coordinate = [&](double max) {
    switch (random.below(8)) {
      case 0: return max;
      case 1: return -max;
      case 2: return 0.0;
      case 3: return max - std::pow(10, uniform(random, -7, 1));
      case 4: return std::pow(10, uniform(random, -7, 1)) - max;
      default: return uniform(random, -max, max);
    }
  };
  return {coordinate(kLongitudeMax), coordinate(kLatitudeMax)};
}

// About so far away, in any direction, if that is on the square.
inline geo::Point point_near(Random& random, const geo::Point& from, double away_m) {
  using namespace geo;
  const double angle = uniform(random, 0, 6.283185307);
  const double degrees = away_m / 111'226.0;
  const double latitude = std::clamp(from.latitude + degrees * std::sin(angle), -kLatitudeMax, kLatitudeMax);
  const double shrink = std::max(0.05, std::cos(latitude * 0.0174532925));
  const double longitude = from.longitude + std::min(degrees / shrink, 180.0) * std::cos(angle);
  return {longitude > 180 ? longitude - 360 : longitude < -180 ? longitude + 360 : longitude, latitude};
}

inline geo::Area any_area(Random& random, const geo::Point& centre) {
  if (random.chance(0.6)) return *geo::Area::circle(centre, any_length_m(random), "radius");
  return *geo::Area::box(centre, any_length_m(random), any_length_m(random), "box");
}

// Members around the centre, most of them near the area's edge.
inline std::vector<geo::PlaceKey> members_around(Random& random, const geo::Area& area, std::size_t count) {
  std::vector<geo::PlaceKey> members;
  for (std::size_t i = 0; i < count; ++i) {
    geo::Point point = any_point(random);
    if (random.chance(0.8)) {
      const double away =
          random.chance(0.5) ? area.reach_m() * uniform(random, 0, 1.5) : area.reach_m() + uniform(random, -3, 3);
      point = point_near(random, area.centre(), std::max(0.0, away));
    } else if (i > 0 && random.chance(0.3)) {
      point = geo::decode(members[random.below(i)].place);
    }
    members.push_back({geo::encode(point), static_cast<geo::MemberHandle>(i)});
  }
  return members;
}

}  // namespace earshot::tests
