#include "app/place_text.hpp"

#include <string>

#include <gtest/gtest.h>

#include "base/limits.hpp"

namespace earshot::app {
namespace {

TEST(PlaceText, LengthsHaveUnits) {
  EXPECT_DOUBLE_EQ(parse_length("5km", "radius").value(), 5'000);
  EXPECT_DOUBLE_EQ(parse_length("2.5 mi", "radius").value(), 2.5 * 1609.34);
  EXPECT_DOUBLE_EQ(parse_length("300m", "radius").value(), 300);
  EXPECT_DOUBLE_EQ(parse_length("1e3ft", "radius").value(), 304.8);
  EXPECT_DOUBLE_EQ(parse_length("+7", "radius").value(), 7) << "metres";
  EXPECT_DOUBLE_EQ(parse_length("0", "radius").value(), 0);
  for (const char* wrong : {"", "km", "-1km", "nan", "inf", "5 parsecs", "5kmm", "1,5km", "0x10m"}) {
    const auto length = parse_length(wrong, "radius");
    ASSERT_FALSE(length) << wrong;
    EXPECT_EQ(length.error().field, "radius");
  }
}

TEST(PlaceText, BoxesHaveAWidthAndAHeight) {
  EXPECT_EQ(parse_box("3kmx2km", "box").value(), (Box{3'000, 2'000}));
  EXPECT_EQ(parse_box("300x0.5km", "box").value(), (Box{300, 500}));
  for (const char* wrong : {"", "3km", "x", "3kmx", "x2km", "3kmx2kmx1km", "3km*2km"})
    EXPECT_FALSE(parse_box(wrong, "box")) << wrong;
}

TEST(PlaceText, LengthsAreToldWithThreeDigits) {
  EXPECT_EQ(to_length_text(0), "0 m");
  EXPECT_EQ(to_length_text(812.4), "812 m");
  EXPECT_EQ(to_length_text(999.4), "999 m");
  EXPECT_EQ(to_length_text(999.6), "1.00 km");
  EXPECT_EQ(to_length_text(4'234), "4.23 km");
  EXPECT_EQ(to_length_text(42'340), "42.3 km");
  EXPECT_EQ(to_length_text(1'234'400), "1234 km");
}

TEST(PlaceText, PointsAreLongitudeThenLatitude) {
  EXPECT_EQ(parse_point("116.4,39.9", "at").value(), (geo::Point{116.4, 39.9}));
  EXPECT_EQ(parse_point("-180, +85.05", "at").value(), (geo::Point{-180, 85.05}));
  EXPECT_EQ(to_text({-1.5, 2}), "-1.500000,2.000000");
  for (const char* wrong : {"", "116.4", "116.4,", ",39.9", "116.4,39.9,1", "east,north", "181,0", "0,86", "nan,0"})
    EXPECT_FALSE(parse_point(wrong, "at")) << wrong;
  EXPECT_EQ(parse_point("0,86", "at").error().field, "at.latitude");
}

// What a line holds, or what it says of itself.
std::string read(const std::string& line) {
  const auto read = read_place_line(line);
  if (!read) return read.error().field;
  return *read ? (*read)->member + " at " + to_text((*read)->point) : "nothing";
}

TEST(PlaceText, ReadsTheLinesOfZone1970) {
  EXPECT_EQ(read("CN\t+3114+12128\tAsia/Shanghai\tBeijing Time"), "Asia/Shanghai at 121.466667,31.233333");
  EXPECT_EQ(read("NZ\t-4357-17633\tPacific/Chatham\tChatham Islands"), "Pacific/Chatham at -176.550000,-43.950000");
  EXPECT_EQ(read("US\t+404251-0740023\tAmerica/New_York\tEastern (most areas)"),
            "America/New_York at -74.006389,40.714167");
  EXPECT_EQ(read("GB,GG,IM,JE\t+513030-0000731\tEurope/London"), "Europe/London at -0.125278,51.508333");
  EXPECT_EQ(read("AQ\t-0000+00000\tNowhere"), "Nowhere at 0.000000,0.000000");
  EXPECT_EQ(read("#codes\tcoordinates\tTZ"), "nothing");
  EXPECT_EQ(read(""), "nothing");
  EXPECT_EQ(read(" \t\r"), "nothing");
}

TEST(PlaceText, ReadsLinesWithCommas) {
  EXPECT_EQ(read("bob,116.4,39.9"), "bob at 116.400000,39.900000");
  EXPECT_EQ(read("a, b , 1 , -2\r"), "a, b at 1.000000,-2.000000") << "a name may hold commas";
  EXPECT_EQ(read("member,longitude,latitude"), "nothing") << "the head of the table";
}

TEST(PlaceText, SaysWhatIsWrongWithALine) {
  EXPECT_EQ(read("CN\t+3114+12128"), "line");
  EXPECT_EQ(read("CN\t3114+12128\tAsia/Shanghai"), "place");
  EXPECT_EQ(read("CN\t+3114\tAsia/Shanghai"), "place");
  EXPECT_EQ(read("CN\t+3114+1212\tAsia/Shanghai"), "place") << "a longitude has a digit more";
  EXPECT_EQ(read("CN\t+311400+12128\tAsia/Shanghai"), "place");
  EXPECT_EQ(read("CN\t+3160+12128\tAsia/Shanghai"), "place") << "minutes";
  EXPECT_EQ(read("CN\t+31140a+1212800\tAsia/Shanghai"), "place");
  EXPECT_EQ(read("CN\t\tAsia/Shanghai"), "place");
  EXPECT_EQ(read("AQ\t-9000+00000\tAntarctica/South_Pole"), "place.latitude");
  EXPECT_EQ(read("CN\t+3114+12128\t"), "line") << "a tab at the end is no column";
  EXPECT_EQ(read("bob"), "line");
  EXPECT_EQ(read("bob,1"), "line");
  EXPECT_EQ(read(",1,2"), "member");
  EXPECT_EQ(read("bob,x,2"), "place");
  EXPECT_EQ(read("bob,181,2"), "place.longitude");
  EXPECT_EQ(read(std::string(limits::kMemberBytesMax + 1, 'x') + ",1,2"), "member");
}

}  // namespace
}  // namespace earshot::app
