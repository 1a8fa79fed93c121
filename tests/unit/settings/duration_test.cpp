#include "app/duration.hpp"

#include <cstdlib>
#include <ctime>

#include <gtest/gtest.h>

namespace earshot::app {
namespace {

std::uint64_t parsed(std::string_view text) {
  auto duration = parse_duration(text, "ttl");
  EXPECT_TRUE(duration) << text;
  return duration.value_or(0);
}

TEST(Duration, ReadsWhatPeopleWrite) {
  EXPECT_EQ(parsed("0"), 0u);
  EXPECT_EQ(parsed("250ms"), 250u);
  EXPECT_EQ(parsed("90s"), 90'000u);
  EXPECT_EQ(parsed("10m"), 600'000u);
  EXPECT_EQ(parsed("1h30m"), 5'400'000u);
  EXPECT_EQ(parsed("30d"), 30u * 24 * 3'600'000);
  EXPECT_EQ(parsed("2w"), 14ull * 24 * 3'600'000);
}

TEST(Duration, RefusesWhatCouldBeMisread) {
  for (const char* text : {"", "10", "m", "10 m", "-1s", "1.5h", "10x", "1h30", "+5s", "0x10s"}) {
    const auto duration = parse_duration(text, "ttl");
    ASSERT_FALSE(duration) << text;
    EXPECT_EQ(duration.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(duration.error().field, "ttl");
  }
}

TEST(Duration, RefusesWhatDoesNotFit) {
  EXPECT_FALSE(parse_duration("18446744073709551616ms", "age"));
  EXPECT_FALSE(parse_duration("18446744073709551615s", "age"));
  EXPECT_FALSE(parse_duration("18446744073709551615ms1ms", "age"));
  EXPECT_EQ(parsed("18446744073709551615ms"), 18'446'744'073'709'551'615ull);
}

TEST(Duration, IsWrittenInItsTwoLargestUnits) {
  EXPECT_EQ(to_duration_text(12), "12 ms");
  EXPECT_EQ(to_duration_text(1'250), "1.250 s");
  EXPECT_EQ(to_duration_text(60'000), "1 m");
  EXPECT_EQ(to_duration_text(61'500), "1 m 1 s");
  EXPECT_EQ(to_duration_text(27 * 3'600'000ull), "1 d 3 h");
}

TEST(Duration, ATimeHasItsMilliseconds) {
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  EXPECT_EQ(to_time_text(1'772'368'200'250), "2026-03-01 12:30:00.250");
}

}  // namespace
}  // namespace earshot::app
