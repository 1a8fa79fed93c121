#include "geo/geohash.hpp"

#include <cmath>
#include <limits>
#include <set>

#include <gtest/gtest.h>

#include "tests/support/seed.hpp"
#include "tests/unit/geo/geo_world.hpp"

namespace earshot::geo {
namespace {

using tests::any_point;

// From Redis's documentation of GEOADD, GEOHASH and GEOPOS.
TEST(Geohash, IsRedissForPalermoAndCatania) {
  const Geohash palermo = encode({13.361389, 38.115556});
  const Geohash catania = encode({15.087269, 37.502669});
  EXPECT_EQ(palermo.value, 3479099956230698u);
  EXPECT_EQ(catania.value, 3479447370796909u);
  EXPECT_EQ(text_of(palermo), "sqc8b49rny0");
  EXPECT_EQ(text_of(catania), "sqdtr74hyu0");
  EXPECT_EQ(decode(palermo).longitude, 13.36138933897018433);
  EXPECT_EQ(decode(palermo).latitude, 38.11555639549629859);
}

TEST(Geohash, TheEdgesBelongToTheLastCells) {
  const Geohash corner = encode({kLongitudeMax, kLatitudeMax});
  EXPECT_EQ(corner.value, (std::uint64_t{1} << 52) - 1);
  EXPECT_EQ(encode({-kLongitudeMax, -kLatitudeMax}).value, 0u);
  EXPECT_LT(decode(corner).longitude, kLongitudeMax);
}

TEST(Geohash, WhatIsOutsideTheSquareOrNoNumberIsRefused) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double bad : {nan, infinity, -infinity, 180.0001, -180.0001}) {
    const auto checked = check_point(bad, 0, "position");
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(checked.error().field, "position.longitude");
  }
  for (const double bad : {nan, infinity, -infinity, 85.06, -85.06, 90.0}) {
    const auto checked = check_point(0, bad, "position");
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().field, "position.latitude");
  }
  EXPECT_TRUE(check_point(180, 85.05112878, "position"));
  EXPECT_TRUE(check_point(-180, -85.05112878, "position"));
}

TEST(Geohash, DecodedPlacesAreWithinHalfACellAndEncodeToThemselves) {
  Random random(tests::seed_of_test());
  for (int i = 0; i < 100'000; ++i) {
    const Point point = any_point(random);
    const Geohash place = encode(point);
    const Point decoded = decode(place);
    EXPECT_LE(std::fabs(decoded.longitude - point.longitude), 180.0 / (1 << 26) * 1.0000001);
    EXPECT_LE(std::fabs(decoded.latitude - point.latitude), kLatitudeMax / (1 << 26) * 1.0000001);
    EXPECT_EQ(encode(decoded), place);
  }
}

TEST(Cell, HoldsItsRangeAndLiesInItsBounds) {
  Random random(tests::seed_of_test());
  for (int i = 0; i < 20'000; ++i) {
    const Geohash place = encode(any_point(random));
    const int level = static_cast<int>(random.between(0, kLevelMax));
    const Cell cell = cell_of(place, level);
    EXPECT_TRUE(cell.holds(place));
    EXPECT_GE(place, cell.range().low);
    EXPECT_LE(place, cell.range().high);
    const CellBounds bounds = cell.bounds();
    for (const Geohash end : {cell.range().low, cell.range().high, place}) {
      EXPECT_GT(decode(end).longitude, bounds.low.longitude);
      EXPECT_LT(decode(end).longitude, bounds.high.longitude);
      EXPECT_GT(decode(end).latitude, bounds.low.latitude);
      EXPECT_LT(decode(end).latitude, bounds.high.latitude);
    }
    EXPECT_EQ(cell_of(cell.range()), cell);
    if (level == 0) continue;
    EXPECT_EQ(cell.parent(), cell_of(place, level - 1));
  }
}

TEST(Cell, FourChildrenShareItsRangeInOrder) {
  Random random(tests::seed_of_test());
  for (int i = 0; i < 2'000; ++i) {
    const Cell cell = cell_of(encode(any_point(random)), static_cast<int>(random.between(0, kLevelMax - 1)));
    std::uint64_t next = cell.range().low.value;
    for (unsigned which = 0; which < 4; ++which) {
      const Cell child = cell.child(which);
      EXPECT_EQ(child.parent(), cell);
      EXPECT_EQ(child.range().low.value, next);
      next = child.range().high.value + 1;
    }
    EXPECT_EQ(next, cell.range().high.value + 1);
  }
}

TEST(Cell, TheFinestThatHoldsBothHoldsThemInDifferentChildren) {
  Random random(tests::seed_of_test());
  for (int i = 0; i < 20'000; ++i) {
    Geohash low = encode(any_point(random));
    Geohash high = encode(random.chance(0.5) ? any_point(random) : tests::point_near(random, decode(low), 100));
    if (high < low) std::swap(low, high);
    const Cell cell = cell_of(GeohashRange{low, high});
    EXPECT_TRUE(cell.holds(low));
    EXPECT_TRUE(cell.holds(high));
    EXPECT_TRUE(low == high || cell_of(low, cell.level + 1) != cell_of(high, cell.level + 1));
  }
}

TEST(Cell, NeighboursCross180DegreesAndEndAtTheSquaresEdge) {
  const Cell east = cell_of(encode({179.9, 0.1}), 10);
  const Cell west = cell_of(encode({-179.9, 0.1}), 10);
  EXPECT_EQ(east.neighbour(1, 0), west);
  EXPECT_EQ(west.neighbour(-1, 0), east);
  const Cell north = cell_of(encode({0.1, kLatitudeMax}), 10);
  EXPECT_EQ(north.neighbour(0, 1), std::nullopt);
  EXPECT_EQ(cell_of(encode({0.1, -kLatitudeMax}), 10).neighbour(0, -1), std::nullopt);
  EXPECT_EQ(Cell{}.neighbour(1, 0), Cell{});
}

}  // namespace
}  // namespace earshot::geo
