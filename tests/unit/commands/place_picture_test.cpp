#include "app/place_picture.hpp"

#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace earshot::app {
namespace {

std::vector<std::string> lines_of(const std::string& picture) {
  std::vector<std::string> lines;
  std::istringstream in(picture);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

struct Place {
  long row = -1;
  long column = -1;
};
Place find(const std::string& picture, char sign) {
  const auto lines = lines_of(picture);
  for (std::size_t row = 0; row + 1 < lines.size(); ++row)
    if (const auto column = lines[row].find(sign); column != std::string::npos)
      return {static_cast<long>(row), static_cast<long>(column)};
  return {};
}

TEST(PlacePicture, NorthIsAboveAndEastIsRight) {
  const std::string picture = draw_places({10, 50}, Circle{10'000}, {{10, 50.05}, {10.1, 50}, {10, 49.95}, {9.9, 50}});
  const Place centre = find(picture, '+');
  EXPECT_LT(find(picture, '1').row, centre.row);
  EXPECT_EQ(find(picture, '1').column, centre.column);
  EXPECT_GT(find(picture, '2').column, centre.column);
  EXPECT_EQ(find(picture, '2').row, centre.row);
  EXPECT_GT(find(picture, '3').row, centre.row);
  EXPECT_LT(find(picture, '4').column, centre.column);
}

TEST(PlacePicture, WhatIsNearOver180DegreesIsDrawnNear) {
  const std::string picture = draw_places({179.99, 0}, Circle{10'000}, {{-179.99, 0}});
  EXPECT_GT(find(picture, '1').column, find(picture, '+').column);
}

TEST(PlacePicture, TheWayOverThePoleIsNorth) {
  const std::string picture = draw_places({0, 85}, Circle{2'000'000}, {{180, 85}});
  EXPECT_LT(find(picture, '1').row, find(picture, '+').row);
  EXPECT_EQ(find(picture, '1').column, find(picture, '+').column);
}

TEST(PlacePicture, SeveralInOnePlaceAreAStar) {
  const std::string picture = draw_places({10, 50}, Circle{10'000}, {{10, 50.05}, {10, 50.05}});
  EXPECT_NE(find(picture, '*').row, -1);
  EXPECT_EQ(find(picture, '1').row, -1);
  EXPECT_NE(find(draw_places({10, 50}, Circle{10'000}, {{10, 50}}), '1').row, -1) << "in the centre too";
}

TEST(PlacePicture, TheScaleIsTrue) {
  const std::string picture = draw_places({10, 0}, Circle{24'000}, {{10.0899, 0}});  // 10 km to the east
  EXPECT_EQ(lines_of(picture).back(), "|---------| 10 km");
  EXPECT_EQ(find(picture, '1').column - find(picture, '+').column, 10);
}

// None of these throws, draws beyond its edge, or takes for ever.
TEST(PlacePicture, AnySizeIsDrawn) {
  const std::vector<geo::Point> members{{0, 0}, {180, 85}, {-180, -85}, {90, 0}};
  for (const double size_m : {0.0, 0.001, 1.0, 20e6, 1e12, 1e300}) {
    for (const auto& picture :
         {draw_places({0, 0}, Circle{size_m}, members), draw_places({0, 0}, Box{size_m, 1}, members),
          draw_places({0, 0}, Box{1, size_m}, members), draw_places({0, 85}, Box{size_m, size_m}, members)}) {
      const auto lines = lines_of(picture);
      EXPECT_LE(lines.size(), 39u) << size_m;
      for (const std::string& line : lines) EXPECT_LE(line.size(), 80u) << size_m;
    }
  }
}

TEST(PlacePicture, SignsFollowOneAnother) {
  EXPECT_EQ(sign_of(0), '1');
  EXPECT_EQ(sign_of(9), 'a');
  EXPECT_EQ(sign_of(60), 'Z');
  EXPECT_EQ(sign_of(61), 'o');
}

}  // namespace
}  // namespace earshot::app
