#include "resp/numbers.hpp"

#include <cmath>
#include <limits>
#include <string>

#include <gtest/gtest.h>

namespace earshot::resp {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(Numbers, ADoubleIsAWholeTextThatStrtodTakes) {
  for (const auto& [text, value] : {std::pair{"1", 1.0},
                                    {"-2.5", -2.5},
                                    {"+1e3", 1000.0},
                                    {".5", 0.5},
                                    {"5.", 5.0},
                                    {"0x1F", 31.0},
                                    {"inf", kInfinity},
                                    {"-Infinity", -kInfinity},
                                    {"1e-310", 1e-310}})
    EXPECT_EQ(read_double(text), value) << text;
  for (const char* text : {"", " 1", "\t1", "1 ", "1x", "x", "nan", "-nan", "1e400", "-1e400", "1e-400", "1,5", "-"})
    EXPECT_EQ(read_double(text), std::nullopt) << text;
  EXPECT_EQ(read_double(std::string("1\0", 2)), std::nullopt);
  EXPECT_EQ(read_double(std::string("1\0002", 3)), std::nullopt);
}

TEST(Numbers, ABoundOfScoresIsReadLessStrictly) {
  EXPECT_EQ(read_score_bound(""), 0.0);
  EXPECT_EQ(read_score_bound(" 1"), 1.0);
  EXPECT_EQ(read_score_bound("1e400"), kInfinity);
  EXPECT_EQ(read_score_bound("-inf"), -kInfinity);
  for (const char* text : {"nan", "1x", "x", "1 "}) EXPECT_EQ(read_score_bound(text), std::nullopt) << text;
}

TEST(Numbers, AnIntegerIsWrittenInOneWay) {
  EXPECT_EQ(read_integer("0"), 0);
  EXPECT_EQ(read_integer("-17"), -17);
  EXPECT_EQ(read_integer("9223372036854775807"), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(read_integer("-9223372036854775808"), std::numeric_limits<std::int64_t>::min());
  for (const char* text : {"", "-", "+1", "01", "-0", "-01", " 1", "1 ", "1.0", "0x1", "--1", "9223372036854775808",
                           "-9223372036854775809", "100000000000000000000000"})
    EXPECT_EQ(read_integer(text), std::nullopt) << text;
}

TEST(Numbers, ACursorHas64BitsWithoutSign) {
  EXPECT_EQ(read_cursor("18446744073709551615"), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(read_cursor(""), 0u);
  EXPECT_EQ(read_cursor("007"), 7u);
  for (const char* text : {" 1", "1x", "18446744073709551616", "x"}) EXPECT_EQ(read_cursor(text), std::nullopt) << text;
}

}  // namespace
}  // namespace earshot::resp
