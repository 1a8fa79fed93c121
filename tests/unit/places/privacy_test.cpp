#include "places/privacy.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "geo/distance.hpp"
#include "tests/support/seed.hpp"
#include "tests/unit/geo/geo_world.hpp"

namespace earshot::places {
namespace {

const LayerId kLayer = LayerId::trusted("people");
constexpr std::uint64_t kSecret = 0x5ec2e7;
constexpr std::array<std::uint32_t, 7> kPrecisionsM{1, 10, 200, 1'000, 7'777, 50'000, limits::kPrecisionMMax};

geo::Point shown(const geo::Point& real, std::uint32_t precision_m, const std::string& member = "ada",
                 std::uint64_t secret = kSecret) {
  return geo::decode(shown_place(geo::encode(real), kLayer, member, secret, precision_m));
}

TEST(Privacy, NobodyIsShownFartherOffThanTold) {
  Random random(tests::seed_of_test());
  double worst = 0;
  for (int i = 0; i < 200'000; ++i) {
    const geo::Point real = geo::decode(geo::encode(tests::any_point(random)));
    const std::uint32_t precision_m = kPrecisionsM[random.below(kPrecisionsM.size())];
    const double shift = geo::distance_m(real, shown(real, precision_m, std::to_string(i)));
    ASSERT_LE(shift, max_shift_m(precision_m)) << precision_m << " m at " << real.longitude << ", " << real.latitude;
    if (precision_m >= 200) worst = std::max(worst, shift / precision_m);
  }
  EXPECT_GT(worst, 1.2) << "the bound is not far above what there is";
}

// The corners of the square and both sides of 180 degrees: where a grid may run out.
TEST(Privacy, TheEdgesOfTheMapAreInTheGrid) {
  for (const std::uint32_t precision_m : kPrecisionsM) {
    for (const double longitude : {-180.0, -179.9999999, 0.0, 179.9999999, 180.0}) {
      for (const double latitude : {-geo::kLatitudeMax, -85.0, 0.0, 85.0, geo::kLatitudeMax}) {
        const geo::Point real{longitude, latitude};
        const geo::Point place = shown(real, precision_m);
        ASSERT_TRUE(geo::check_point(place.longitude, place.latitude, "shown"));
        ASSERT_LE(geo::distance_m(real, place), max_shift_m(precision_m) + 1);
      }
    }
  }
}

TEST(Privacy, TheSamePlaceIsShownAgainAndAllOverItsCell) {
  Random random(tests::seed_of_test());
  for (const std::uint32_t precision_m : {200u, 5'000u}) {
    for (int i = 0; i < 1'000; ++i) {
      const geo::Point real = tests::any_point(random);
      const geo::Point place = shown(real, precision_m);
      ASSERT_EQ(shown(real, precision_m), place);
      // What is shown is in the cell, so it is what is shown of whoever stands there.
      const geo::Point again = shown(place, precision_m);
      if (geo::distance_m(again, place) < 2) continue;
      ASSERT_GT(geo::distance_m(place, real), 0);
      // But for the rounding to a geohash, which may put it over the edge.
      ASSERT_LT(std::min({geo::distance_m(shown({place.longitude - 1e-5, place.latitude}, precision_m), place),
                          geo::distance_m(shown({place.longitude + 1e-5, place.latitude}, precision_m), place),
                          geo::distance_m(shown({place.longitude, place.latitude - 1e-5}, precision_m), place),
                          geo::distance_m(shown({place.longitude, place.latitude + 1e-5}, precision_m), place)}),
                2);
    }
  }
}

// Whoever walks along a cell is shown at one place in it, and the cell is as wide as told.
TEST(Privacy, AMemberIsShownElsewhereOnlyWhenItLeavesItsCell) {
  for (const double latitude : {0.0, 52.5, -85.0}) {
    const double metre = 1 / (111'226.3 * std::cos(latitude * std::acos(-1) / 180));
    std::set<std::pair<double, double>> places;
    double since = 0, shortest = 1e9, longest = 0;
    bool is_whole = false;
    for (double walked = 0; walked < 5'000; walked += 1) {
      const geo::Point place = shown({10 + walked * metre, latitude}, 200);
      if (!places.insert({place.longitude, place.latitude}).second || places.size() == 1) continue;
      if (std::exchange(is_whole, true)) {
        shortest = std::min(shortest, walked - since);
        longest = std::max(longest, walked - since);
      }
      since = walked;
    }
    EXPECT_GE(shortest, 198) << "at " << latitude;
    EXPECT_LE(longest, 210) << "at " << latitude;
  }
}

TEST(Privacy, MembersOfOneCellAreShownAllOverIt) {
  Random random(tests::seed_of_test());
  const geo::Point real{116.4, 39.9};
  double west = 180, east = -180, south = 90, north = -90, sum = 0;
  for (int i = 0; i < 2'000; ++i) {
    const geo::Point place = shown(real, 1'000, std::to_string(i), random.next());
    west = std::min(west, place.longitude), east = std::max(east, place.longitude);
    south = std::min(south, place.latitude), north = std::max(north, place.latitude);
    sum += place.latitude;
  }
  EXPECT_NEAR(geo::distance_m({west, south}, {east, south}), 1'000, 30);
  EXPECT_NEAR(geo::latitude_distance_m(south, north), 1'000, 30);
  EXPECT_NEAR(sum / 2'000, (south + north) / 2, 30 / 111'226.3) << "their mean says no more than the cell does";
}

TEST(Privacy, LayersMembersAndSecretsDiffer) {
  const geo::Geohash real = geo::encode({13.4, 52.5});
  const auto place = [&](const char* layer, const char* member, std::uint64_t secret) {
    return shown_place(real, LayerId::trusted(layer), member, secret, 500);
  };
  const std::set<geo::Geohash> places{place("people", "ada", 1), place("people", "bea", 1), place("dogs", "ada", 1),
                                      place("people", "ada", 2)};
  EXPECT_EQ(places.size(), 4u);
}

TEST(Privacy, NoPrecisionShowsThePlaceItself) {
  const geo::Geohash real = geo::encode({13.4, 52.5});
  EXPECT_EQ(shown_place(real, kLayer, "ada", kSecret, 0), real);
  EXPECT_EQ(max_shift_m(0), 0);
}

TEST(Privacy, DistancesAreRoundedUp) {
  EXPECT_EQ(rounded_up_m(0, 100), 0);
  EXPECT_EQ(rounded_up_m(0.1, 100), 100);
  EXPECT_EQ(rounded_up_m(100, 100), 100);
  EXPECT_EQ(rounded_up_m(100.1, 100), 200);
  EXPECT_EQ(rounded_up_m(123.4, 0), 123.4);
}

}  // namespace
}  // namespace earshot::places
