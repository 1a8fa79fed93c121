#include "resp/reply_writer.hpp"

#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include <gtest/gtest.h>

namespace earshot::resp {
namespace {

std::string written(bool is_resp3, const std::function<void(ReplyWriter&)>& write) {
  std::string to;
  ReplyWriter writer(to);
  writer.use_resp3(is_resp3);
  write(writer);
  return to;
}

TEST(ReplyWriter, WritesWhatBothProtocolsShare) {
  for (const bool is_resp3 : {false, true}) {
    EXPECT_EQ(written(is_resp3, [](auto& to) { to.simple("OK"); }), "+OK\r\n");
    EXPECT_EQ(written(is_resp3, [](auto& to) { to.error("ERR no\r\nsuch"); }), "-ERR no  such\r\n");
    EXPECT_EQ(written(is_resp3, [](auto& to) { to.integer(-7); }), ":-7\r\n");
    EXPECT_EQ(written(is_resp3, [](auto& to) { to.bulk(std::string_view("a\0\r\n", 4)); }),
              std::string("$4\r\na\0\r\n\r\n", 10));
    EXPECT_EQ(written(is_resp3, [](auto& to) { to.array(2); }), "*2\r\n");
    EXPECT_EQ(written(is_resp3, [](auto& to) { to.distance(166274.15156960033); }), "$11\r\n166274.1516\r\n");
  }
}

TEST(ReplyWriter, WritesWhatDiffersAsEachProtocolHasIt) {
  EXPECT_EQ(written(false, [](auto& to) { to.null(), to.null_array(); }), "$-1\r\n*-1\r\n");
  EXPECT_EQ(written(true, [](auto& to) { to.null(), to.null_array(); }), "_\r\n_\r\n");
  EXPECT_EQ(written(false, [](auto& to) { to.map(2); }), "*4\r\n");
  EXPECT_EQ(written(true, [](auto& to) { to.map(2); }), "%2\r\n");
  EXPECT_EQ(written(false, [](auto& to) { to.set(2); }), "*2\r\n");
  EXPECT_EQ(written(true, [](auto& to) { to.set(2); }), "~2\r\n");
  EXPECT_EQ(written(false, [](auto& to) { to.verbatim("a\n"); }), "$2\r\na\n\r\n");
  EXPECT_EQ(written(true, [](auto& to) { to.verbatim("a\n"); }), "=6\r\ntxt:a\n\r\n");
  EXPECT_EQ(written(false, [](auto& to) { to.number(1.5); }), "$3\r\n1.5\r\n");
  EXPECT_EQ(written(true, [](auto& to) { to.number(3479099956230698); }), ",3479099956230698\r\n");
  EXPECT_EQ(written(true, [](auto& to) { to.number(-std::numeric_limits<double>::infinity()); }), ",-inf\r\n");
}

// The product with 10 000 falls on the middle between two texts, and the even one is told; "%.4f" tells the other. From
// a comparison with Redis 7.0.15.
TEST(ReplyWriter, RoundsDistancesAsRedisDoes) {
  const auto text = [](double length) { return written(false, [&](auto& to) { to.distance(length); }); };
  EXPECT_EQ(text(17587807.532650001347), "$13\r\n17587807.5326\r\n");
  EXPECT_EQ(text(0), "$6\r\n0.0000\r\n");
  EXPECT_EQ(text(0.00004), "$6\r\n0.0000\r\n");
  EXPECT_EQ(text(0.99996), "$6\r\n1.0000\r\n");
}

// Redis's documentation of GEOPOS.
TEST(ReplyWriter, WritesCoordinatesWithoutZerosAtTheEnd) {
  const auto text = [](double degrees) { return written(true, [&](auto& to) { to.coordinate(degrees); }); };
  EXPECT_EQ(text(13.36138933897018433), ",13.36138933897018433\r\n");
  EXPECT_EQ(text(2), ",2\r\n");
  EXPECT_EQ(text(-0.0), ",0\r\n");
  EXPECT_EQ(text(100), ",100\r\n");
}

}  // namespace
}  // namespace earshot::resp
