#include "resp/read_geo.hpp"

#include <limits>

#include "geo/geohash.hpp"
#include "tests/unit/resp/reading.hpp"

namespace earshot::resp {
namespace {

TEST(ReadGeoadd, PlacesBecomeTheScoresThatRedisGivesThem) {
  const Add add = read_as<Add>("GEOADD Sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania");
  EXPECT_EQ(add.key, "Sicily");
  EXPECT_EQ(add.condition, AddCondition::kAlways);
  EXPECT_FALSE(add.counts_changed);
  EXPECT_EQ(add.members, (std::vector<ScoredMember>{{"Palermo", 3479099956230698}, {"Catania", 3479447370796909}}));
}

TEST(ReadGeoadd, OptionsComeInAnyOrderAndCase) {
  const Add add = read_as<Add>("geoadd k Ch XX 1 2 nx");
  EXPECT_EQ(add.condition, AddCondition::kIfExists);
  EXPECT_TRUE(add.counts_changed);
  EXPECT_EQ(add.members.front().member, "nx");
  EXPECT_EQ(read_as<Add>("geoadd k NX 1 2 m").condition, AddCondition::kIfNew);
}

TEST(ReadGeoadd, SaysWhatIsWrongAsRedisDoes) {
  expect_refusals({
      {"geoadd k 1 2", "ERR wrong number of arguments for 'geoadd' command"},
      {"geoadd k nx xx 1 2 m", "ERR syntax error"},
      {"geoadd k 1 2 m 3", "ERR syntax error"},
      {"geoadd k ch ch ch", "ERR syntax error"},
      {"geoadd k incr 1 2", "ERR value is not a valid float"},
      {"geoadd k x y m", "ERR value is not a valid float"},
      {"geoadd k 1 nan m", "ERR value is not a valid float"},
      {"geoadd k 200 1 m", "ERR invalid longitude,latitude pair 200.000000,1.000000"},
      {"geoadd k 1 85.06 m", "ERR invalid longitude,latitude pair 1.000000,85.060000"},
      {"geoadd k inf -inf m", "ERR invalid longitude,latitude pair inf,-inf"},
      {"geoadd k 1 2 m 1 x n", "ERR value is not a valid float"},
  });
  EXPECT_EQ(read_line("geoadd k 1e308 1e308 m").error().size(), 37u + 2 * (309 + 7));
}

TEST(ReadGeo, MembersAreTakenAsTheyStand) {
  EXPECT_EQ(read_as<PositionsOf>("geopos k a b").members, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(read_as<PositionsOf>("geopos k").members.empty());
  EXPECT_EQ(read_as<HashesOf>("geohash k a").members, (std::vector<std::string>{"a"}));
  const auto between = read_as<DistanceBetween>("geodist k a b MI");
  EXPECT_EQ(between.from + between.to, "ab");
  EXPECT_EQ(between.unit_m, 1609.34);
  EXPECT_EQ(read_as<DistanceBetween>("geodist k a b").unit_m, 1);
  expect_refusals({
      {"geodist k a", "ERR wrong number of arguments for 'geodist' command"},
      {"geodist k a b x", "ERR unsupported unit provided. please use M, KM, FT, MI"},
      {"geodist k a b km x", "ERR syntax error"},
  });
}

TEST(ReadSearch, EveryOptionIsKept) {
  const Search search =
      read_as<Search>("GEOSEARCH k FROMLONLAT 15 37 BYBOX 400 200 KM DESC COUNT 3 ANY WITHCOORD WITHDIST WITHHASH");
  EXPECT_EQ(search.key, "k");
  EXPECT_EQ(std::get<geo::Point>(search.centre), (geo::Point{15, 37}));
  EXPECT_EQ(std::get<Box>(search.shape).width_m, 400'000);
  EXPECT_EQ(std::get<Box>(search.shape).height_m, 200'000);
  EXPECT_EQ(search.unit_m, 1000);
  EXPECT_EQ(search.count_max, 3u);
  EXPECT_TRUE(search.any && search.with_distance && search.with_hash && search.with_coordinates);
  EXPECT_EQ(search.order, Order::kFarthestFirst);
  EXPECT_FALSE(search.store);
}

TEST(ReadSearch, ACountWithoutAnyAsksForTheNearest) {
  EXPECT_EQ(read_as<Search>("geosearch k frommember m byradius 1 m count 2").order, Order::kNearestFirst);
  EXPECT_EQ(read_as<Search>("geosearch k frommember m byradius 1 m count 2 any").order, Order::kNone);
  EXPECT_EQ(read_as<Search>("geosearch k frommember m byradius 1 m").order, Order::kNone);
  EXPECT_EQ(read_as<Search>("geosearch k frommember m byradius 1 m").count_max,
            std::numeric_limits<std::size_t>::max());
}

TEST(ReadSearch, WhatComesAgainReplacesWhatCameBefore) {
  const Search search =
      read_as<Search>("geosearch k frommember a frommember b byradius 1 m byradius 2 ft count 9 count 3 asc desc");
  EXPECT_EQ(std::get<std::string>(search.centre), "b");
  EXPECT_EQ(std::get<Circle>(search.shape).radius_m, 2 * 0.3048);
  EXPECT_EQ(search.unit_m, 0.3048);
  EXPECT_EQ(search.count_max, 3u);
  EXPECT_EQ(search.order, Order::kFarthestFirst);
}

TEST(ReadSearch, ARadiusMayBeInfiniteOrNothing) {
  EXPECT_EQ(std::get<Circle>(read_as<Search>("georadius k 1 2 inf km").shape).radius_m,
            std::numeric_limits<double>::infinity());
  EXPECT_EQ(std::get<Circle>(read_as<Search>("georadius k 1 2 0 km").shape).radius_m, 0);
}

TEST(ReadSearch, StoresWhereItIsTold) {
  const Search search = read_as<Search>("geosearchstore to from frommember m byradius 1 m storedist");
  EXPECT_EQ(search.key, "from");
  EXPECT_EQ(search.store->key, "to");
  EXPECT_TRUE(search.store->distances);
  EXPECT_FALSE(read_as<Search>("geosearchstore to from frommember m byradius 1 m").store->distances);
  const Search last = read_as<Search>("georadius k 1 2 3 m store a storedist b");
  EXPECT_EQ(last.store->key, "b");
  EXPECT_TRUE(last.store->distances);
  EXPECT_EQ(read_as<Search>("georadiusbymember k m 3 m store a").store->key, "a");
  EXPECT_EQ(std::get<std::string>(read_as<Search>("georadiusbymember_ro k m 3 m").centre), "m");
}

TEST(ReadSearch, SaysWhatIsWrongAsRedisDoes) {
  expect_refusals({
      {"georadius k 1 2 3", "ERR wrong number of arguments for 'georadius' command"},
      {"georadius k 181 2 x m", "ERR invalid longitude,latitude pair 181.000000,2.000000"},
      {"georadius k 1 2 x y", "ERR need numeric radius"},
      {"georadius k 1 2 -1 y", "ERR radius cannot be negative"},
      {"georadius k 1 2 1 y", "ERR unsupported unit provided. please use M, KM, FT, MI"},
      {"georadius k 1 2 1 m frommember m", "ERR syntax error"},
      {"georadius k 1 2 1 m store", "ERR syntax error"},
      {"georadius_ro k 1 2 1 m store a", "ERR syntax error"},
      {"georadiusbymember_ro k m 1 m storedist a", "ERR syntax error"},
      {"georadius k 1 2 1 m store a withdist",
       "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options"},
      {"geosearch k count x count 0 foo foo", "ERR value is not an integer or out of range"},
      {"geosearch k count 0 foo foo foo", "ERR COUNT must be > 0"},
      {"geosearch k asc asc asc asc count", "ERR syntax error"},
      {"geosearch k frommember m fromlonlat 1 2", "ERR syntax error"},
      {"geosearch k fromlonlat 1 2 frommember m", "ERR syntax error"},
      {"geosearch k byradius 1 m bybox 1 1 m", "ERR syntax error"},
      {"geosearch k bybox 1 1 m byradius 1 m", "ERR syntax error"},
      {"geosearch k bybox x 1 m asc", "ERR need numeric width"},
      {"geosearch k bybox 1 x m asc", "ERR need numeric height"},
      {"geosearch k bybox 1 -1 x asc", "ERR height or width cannot be negative"},
      {"geosearch k bybox 1 1 x asc", "ERR unsupported unit provided. please use M, KM, FT, MI"},
      {"GeoSearch k byradius 1 m asc asc",
       "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GeoSearch"},
      {"geosearch k frommember m asc asc asc", "ERR exactly one of BYRADIUS and BYBOX can be specified for geosearch"},
      {"geosearch k frommember m byradius 1 m any", "ERR the ANY argument requires COUNT argument"},
      {"geosearch k frommember m byradius 1 m storedist", "ERR syntax error"},
      {"geosearchstore a k frommember m byradius 1 m store b", "ERR syntax error"},
      {"geosearchstore a k withhash any asc asc asc",
       "ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options"},
  });
}

}  // namespace
}  // namespace earshot::resp
