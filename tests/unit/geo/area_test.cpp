#include "geo/area.hpp"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "geo/cover.hpp"
#include "geo/distance.hpp"
#include "tests/support/seed.hpp"
#include "tests/unit/geo/geo_world.hpp"

namespace earshot::geo {
namespace {

// Redis's documentation of GEODIST.
TEST(Distance, IsRedissBetweenPalermoAndCatania) {
  const Point palermo = decode(encode({13.361389, 38.115556}));
  const Point catania = decode(encode({15.087269, 37.502669}));
  EXPECT_NEAR(distance_m(palermo, catania), 166274.1516, 0.00005);
  EXPECT_EQ(distance_m(palermo, palermo), 0);
}

TEST(Distance, Crosses180DegreesAndThePole) {
  EXPECT_NEAR(distance_m({179.999, 0}, {-179.999, 0}), 222.45, 0.01);
  EXPECT_NEAR(distance_m({0, 85}, {180, 85}), 10 * 111'226.3, 10);
  EXPECT_NEAR(distance_m({0, 0}, {180, 0}), std::acos(-1) * kEarthRadiusM, 1e-6);
}

TEST(Distance, TheStraightLineGrowsWithTheDistance) {
  EXPECT_EQ(chord2_of(0), 0);
  EXPECT_NEAR(chord2_of(1e9), 4, 1e-12);
  Random random(tests::seed_of_test());
  for (int i = 0; i < 20'000; ++i) {
    const Point from = tests::any_point(random);
    const Point to =
        random.chance(0.5) ? tests::any_point(random) : tests::point_near(random, from, tests::any_length_m(random));
    const UnitVector a = unit_vector(from);
    const UnitVector b = unit_vector(to);
    double chord2 = 0;
    for (std::size_t k = 0; k < 3; ++k) chord2 += (a[k] - b[k]) * (a[k] - b[k]);
    EXPECT_NEAR(std::sqrt(chord2), std::sqrt(chord2_of(distance_m(from, to))), 2e-8);
  }
}

TEST(Area, LengthsThatAreNegativeOrNoNumbersAreRefused) {
  for (const double bad :
       {-1.0, -1e-300, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    EXPECT_EQ(Area::circle({0, 0}, bad, "radius").error().field, "radius");
    EXPECT_EQ(Area::box({0, 0}, bad, 1, "box").error().field, "box");
    EXPECT_EQ(Area::box({0, 0}, 1, bad, "box").error().field, "box");
  }
  EXPECT_TRUE(Area::circle({0, 0}, 0, "radius"));
}

TEST(Area, ItsEdgeIsWithin) {
  const Point centre{10, 50};
  const Point edge{10.1, 50.05};
  const double radius = distance_m(centre, edge);
  EXPECT_EQ(Area::circle(centre, radius, "radius")->distance_within_m(edge), radius);
  EXPECT_EQ(Area::circle(centre, std::nextafter(radius, 0), "radius")->distance_within_m(edge), std::nullopt);
}

TEST(Area, ABoxIsAsWideAsToldAtEveryLatitude) {
  const Area box = *Area::box({0, 60}, 200'000, 400'000, "box");
  const double degree = 111'226.3;
  const auto at = [&](double east_m, double north_m) {
    const double latitude = 60 + north_m / degree;
    return Point{east_m / degree / std::cos(latitude * std::acos(-1) / 180), latitude};
  };
  for (const double north : {-190'000.0, 0.0, 190'000.0}) {
    EXPECT_TRUE(box.distance_within_m(at(99'000, north)));
    EXPECT_FALSE(box.distance_within_m(at(101'500, north)));
  }
  EXPECT_FALSE(box.distance_within_m(at(0, 201'000)));
  EXPECT_TRUE(box.distance_within_m(at(0, -199'000)));
}

TEST(Area, WidenedHoldsWhateverIsThatNear) {
  Random random(tests::seed_of_test());
  int held = 0;
  for (int round = 0; round < 3'000; ++round) {
    const Area area = tests::any_area(random, tests::any_point(random));
    const double by_m = random.chance(0.1) ? 0 : tests::any_length_m(random);
    const Area widened = area.widened(by_m + 1e-6);
    ASSERT_EQ(widened.is_box(), area.is_box());
    for (const PlaceKey& member : tests::members_around(random, area, 50)) {
      const Point within = decode(member.place);
      const Point point = tests::point_near(random, within, by_m * tests::uniform(random, 0, 1));
      if (!area.distance_within_m(within) || distance_m(point, within) > by_m) continue;
      ASSERT_TRUE(widened.distance_within_m(point))
          << "round " << round << ": centre " << area.centre().longitude << " " << area.centre().latitude << ", reach "
          << area.reach_m() << (area.is_box() ? ", box" : "") << ", by " << by_m << ", " << point.longitude << " "
          << point.latitude;
      ++held;
    }
  }
  EXPECT_GT(held, 10'000);
}

// ---- the cover

bool covers(const std::vector<Cell>& cells, Geohash place) {
  return std::ranges::any_of(cells, [&](const Cell& cell) { return cell.holds(place); });
}

TEST(Cover, HoldsEveryoneWithinTheAreaInAtMostNineCells) {
  Random random(tests::seed_of_test());
  for (int round = 0; round < 3'000; ++round) {
    const Area area = tests::any_area(random, tests::any_point(random));
    const int level_max = static_cast<int>(random.between(0, kLevelMax));
    const auto cells = cover(area, level_max);
    ASSERT_GE(cells.size(), 1u);
    ASSERT_LE(cells.size(), 9u);
    for (std::size_t i = 0; i < cells.size(); ++i) {
      ASSERT_LE(cells[i].level, level_max);
      for (std::size_t k = 0; k < i; ++k) ASSERT_NE(cells[i], cells[k]);
    }
    for (const PlaceKey& member : tests::members_around(random, area, 100)) {
      const Point point = decode(member.place);
      if (!area.distance_within_m(point)) continue;
      ASSERT_TRUE(covers(cells, member.place))
          << "round " << round << ": centre " << area.centre().longitude << " " << area.centre().latitude << ", reach "
          << area.reach_m() << (area.is_box() ? ", box" : "") << ", member " << point.longitude << " "
          << point.latitude;
    }
  }
}

// Without the neighbours, a metre around the origin would be the whole world.
TEST(Cover, AMetreAroundTheOriginIsFourSmallCells) {
  const auto cells = cover(*Area::circle({0, 0}, 1, "radius"));
  EXPECT_EQ(cells.size(), 4u);
  for (const Cell& cell : cells) EXPECT_GE(cell.level, 23);
}

TEST(Cover, ACellIsNoLargerThanNeeded) {
  Random random(tests::seed_of_test());
  for (int i = 0; i < 2'000; ++i) {
    const Point centre{tests::uniform(random, -180, 180), tests::uniform(random, -60, 60)};
    const double radius = tests::uniform(random, 10, 100'000);
    const Cell cell = cover(*Area::circle(centre, radius, "radius")).front();
    const CellBounds bounds = cell.bounds();
    EXPECT_LE((bounds.high.latitude - bounds.low.latitude) * 111'226, 4.5 * radius);
  }
}

TEST(Cover, ACircleThatHoldsAPoleHasEveryMeridian) {
  const Area area = *Area::circle({30, 85}, 1'200'000, "radius");
  const auto cells = cover(area);
  EXPECT_TRUE(covers(cells, encode({-150, 85})));
  EXPECT_TRUE(area.distance_within_m({-150, 85.05}));
  EXPECT_TRUE(covers(cells, encode({-150, 85.05})));
}

TEST(Cover, ALongNarrowBoxCrosses180Degrees) {
  const Area area = *Area::box({179.99, 10}, 1'000'000, 10, "box");
  const Point far{-176, 10};
  ASSERT_TRUE(area.distance_within_m(far));
  EXPECT_TRUE(covers(cover(area), encode(far)));
}

TEST(Cover, LargerThanTheEarthIsEverything) {
  const Area area = *Area::circle({12, 34}, 1e9, "radius");
  const auto cells = cover(area);
  Random random(1);
  for (int i = 0; i < 100; ++i) {
    const Geohash place = encode(tests::any_point(random));
    EXPECT_TRUE(covers(cells, place));
    EXPECT_TRUE(area.distance_within_m(decode(place)));
  }
}

}  // namespace
}  // namespace earshot::geo
