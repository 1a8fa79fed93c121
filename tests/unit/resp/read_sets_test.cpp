#include "resp/read_sets.hpp"

#include <limits>

#include "tests/unit/resp/reading.hpp"

namespace earshot::resp {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

TEST(ReadZadd, TakesScoresAndWhatTheyAreOnlyAddedFor) {
  const Add add = read_as<Add>("ZADD k XX CH 1.5 a -inf b");
  EXPECT_EQ(add.condition, AddCondition::kIfExists);
  EXPECT_TRUE(add.counts_changed);
  EXPECT_EQ(add.members, (std::vector<ScoredMember>{{"a", 1.5}, {"b", -kInfinity}}));
  EXPECT_EQ(read_as<Add>("zadd k nx 1 nx").condition, AddCondition::kIfNew);
}

TEST(ReadZadd, SaysWhatIsWrongAsRedisDoes) {
  const std::string_view incompatible = "ERR GT, LT, and/or NX options at the same time are not compatible";
  const std::string_view unsupported = "ERR GT, LT and INCR are not supported by Earshot";
  expect_refusals({
      {"zadd k 1", "ERR wrong number of arguments for 'zadd' command"},
      {"zadd k nx xx", "ERR syntax error"},
      {"zadd k 1 a 2", "ERR syntax error"},
      {"zadd k nx xx x a", "ERR XX and NX options at the same time are not compatible"},
      {"zadd k nx gt x a", incompatible},
      {"zadd k gt lt 1 a", incompatible},
      {"zadd k incr 1 a 2 b", "ERR INCR option supports a single increment-element pair"},
      {"zadd k x a", "ERR value is not a valid float"},
      {"zadd k nan a", "ERR value is not a valid float"},
      {"zadd k 1 a '' b", "ERR value is not a valid float"},
      {"zadd k gt x a", "ERR value is not a valid float"},
      {"zadd k gt 1 a", unsupported},
      {"zadd k LT xx 1 a", unsupported},
      {"zadd k incr 1 a", unsupported},
  });
}

TEST(ReadSets, OtherCommandsTakeTheirMembers) {
  EXPECT_EQ(read_as<Remove>("zrem k a b").members, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(read_as<Cardinality>("zcard k").key, "k");
  EXPECT_EQ(read_as<ScoreOf>("zscore k m").member, "m");
}

TEST(ReadZrange, IndexesMayCountFromTheEnd) {
  const Range range = read_as<Range>("ZRANGE k 0 -1 WITHSCORES");
  EXPECT_EQ(std::get<IndexRange>(range.range).first, 0);
  EXPECT_EQ(std::get<IndexRange>(range.range).last, -1);
  EXPECT_TRUE(range.with_scores);
  EXPECT_FALSE(range.reversed);
  const Range reversed = read_as<Range>("zrange k 1 2 rev limit 5 -1");  // a limit that is none is none
  EXPECT_EQ(std::get<IndexRange>(reversed.range).first, 1);
  EXPECT_TRUE(reversed.reversed);
  EXPECT_EQ(reversed.offset, 0u);
  EXPECT_EQ(reversed.limit, kNoLimit);
}

TEST(ReadZrange, ScoresAreInOrderWhicheverWayTheyAreRead) {
  for (const char* line : {"zrange k (1 +inf byscore limit 2 3", "zrange k +inf (1 byscore rev limit 2 3"}) {
    const Range range = read_as<Range>(line);
    const auto& scores = std::get<ScoreRange>(range.range);
    EXPECT_EQ(scores.min, 1);
    EXPECT_TRUE(scores.min_exclusive);
    EXPECT_EQ(scores.max, kInfinity);
    EXPECT_FALSE(scores.max_exclusive);
    EXPECT_EQ(range.offset, 2u);
    EXPECT_EQ(range.limit, 3u);
  }
}

TEST(ReadZrange, ANegativeLimitIsNoneAndANegativeOffsetLeavesNothing) {
  EXPECT_EQ(read_as<Range>("zrange k 1 2 byscore limit 0 -5").limit, kNoLimit);
  EXPECT_EQ(read_as<Range>("zrange k 1 2 byscore limit 0 0").limit, 0u);
  EXPECT_GT(read_as<Range>("zrange k 1 2 byscore limit -1 5").offset, kNoLimit / 2);
}

TEST(ReadZrange, NamesHaveBoundsOrNone) {
  const Range range = read_as<Range>("zrange k [a (b bylex");
  const auto& names = std::get<NameRange>(range.range);
  EXPECT_EQ(names.min, "a");
  EXPECT_FALSE(names.min_exclusive);
  EXPECT_EQ(names.max, "b");
  EXPECT_TRUE(names.max_exclusive);
  EXPECT_FALSE(names.is_empty);
  const auto all = std::get<NameRange>(read_as<Range>("zrange k + - bylex rev").range);
  EXPECT_FALSE(all.min || all.max || all.is_empty);
  for (const char* line : {"zrange k + - bylex", "zrange k + + bylex", "zrange k - - bylex", "zrange k + [z bylex"})
    EXPECT_TRUE(std::get<NameRange>(read_as<Range>(line).range).is_empty) << line;
  EXPECT_EQ(std::get<NameRange>(read_as<Range>("zrange k [ + bylex").range).min, "");
}

TEST(ReadZrange, SaysWhatIsWrongAsRedisDoes) {
  expect_refusals({
      {"zrange k 1", "ERR wrong number of arguments for 'zrange' command"},
      {"zrange k 1 x", "ERR value is not an integer or out of range"},
      {"zrange k 1.5 2", "ERR value is not an integer or out of range"},
      {"zrange k 1 2 foo", "ERR syntax error"},
      {"zrange k 1 2 limit 1", "ERR syntax error"},
      {"zrange k 1 2 byscore bylex", "ERR syntax error"},
      {"zrange k 1 2 rev rev", "ERR syntax error"},
      {"zrange k x y limit 1 z", "ERR value is not an integer or out of range"},
      {"zrange k x y limit 1 2",
       "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX"},
      {"zrange k x y bylex withscores", "ERR syntax error, WITHSCORES not supported in combination with BYLEX"},
      {"zrange k x y byscore", "ERR min or max is not a float"},
      {"zrange k 1 (nan byscore", "ERR min or max is not a float"},
      {"zrange k a b bylex", "ERR min or max not valid string range item"},
      {"zrange k [a ++ bylex", "ERR min or max not valid string range item"},
      {"zrange k '' [b bylex", "ERR min or max not valid string range item"},
  });
}

}  // namespace
}  // namespace earshot::resp
