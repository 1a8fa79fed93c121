#include "cluster/area_regions.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "geo/distance.hpp"
#include "tests/support/seed.hpp"

namespace earshot::cluster {
namespace {

constexpr std::size_t kAll = kRegions;

geo::Area circle(const geo::Point& centre, double radius_m) {
  return geo::Area::circle(centre, radius_m, "radius").value();
}

double between(Random& random, double low, double high) {
  return low + (high - low) * (static_cast<double>(random.below(1 << 30)) / (1 << 30));
}

TEST(AreaRegions, HoldEveryPlaceWithinTheArea) {
  Random random(tests::seed_of_test());
  for (int round = 0; round < 2'000; ++round) {
    const geo::Point centre{between(random, -180, 180), between(random, -geo::kLatitudeMax, geo::kLatitudeMax)};
    const double size_m = std::vector{10.0, 5e3, 2e5, 3e6}[random.below(4)] * between(random, 0.1, 1);
    const geo::Area area = random.chance(0.5)
                               ? circle(centre, size_m)
                               : geo::Area::box(centre, size_m, size_m * between(random, 0.1, 3), "box").value();
    const auto regions = regions_within(area, kAll);
    ASSERT_TRUE(regions.has_value());
    ASSERT_TRUE(std::ranges::is_sorted(*regions));
    ASSERT_EQ(std::ranges::adjacent_find(*regions), regions->end());
    for (int one = 0; one < 50; ++one) {
      const double longitude = between(random, area.bounds().west, area.bounds().east);
      const double latitude =
          std::clamp(between(random, area.bounds().south, area.bounds().north), -geo::kLatitudeMax, geo::kLatitudeMax);
      const geo::Point wrapped{longitude > 180    ? longitude - 360
                               : longitude < -180 ? longitude + 360
                                                  : longitude,
                               latitude};
      const geo::Geohash place = geo::encode(wrapped);
      if (!area.distance_within_m(geo::decode(place))) continue;
      ASSERT_TRUE(std::ranges::binary_search(*regions, region_of(place)))
          << centre.longitude << " " << centre.latitude << " " << size_m;
    }
  }
}

TEST(AreaRegions, OfASmallAreaAreFew) {
  EXPECT_EQ(regions_within(circle({10, 50}, 100), kAll)->size(), 1u);
  EXPECT_LE(regions_within(circle({10, 50}, 50'000), kAll)->size(), 4u);
  // At a corner of four of them, which are far apart by their numbers.
  EXPECT_EQ(regions_within(circle({0, 0}, 1), kAll)->size(), 4u);
}

TEST(AreaRegions, GoOnBeyondTheDateLine) {
  const auto regions = regions_within(circle({180, 20}, 1'000), kAll);
  EXPECT_TRUE(std::ranges::binary_search(*regions, region_of(geo::encode({179.999, 20}))));
  EXPECT_TRUE(std::ranges::binary_search(*regions, region_of(geo::encode({-179.999, 20}))));
  EXPECT_EQ(regions->size(), 2u);
}

TEST(AreaRegions, MoreThanMayBeAreNotTold) {
  const geo::Area world = circle({0, 0}, 30'000'000);
  EXPECT_EQ(regions_within(world, kAll)->size(), kRegions);
  EXPECT_FALSE(regions_within(world, kAll - 1));
  EXPECT_TRUE(regions_within(circle({0, 0}, 1), 4));
  EXPECT_FALSE(regions_within(circle({0, 0}, 1), 3));
}

}  // namespace
}  // namespace earshot::cluster
