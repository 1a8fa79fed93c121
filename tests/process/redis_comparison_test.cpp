// What Redis 7.0 answers to its geo commands, and to those that go with them, is what a node answers: the same script
// is told to both, in both protocols.
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/redis_script.hpp"
#include "tests/support/redis_twins.hpp"

namespace earshot {
namespace {

using tests::Script;

#define SICILY "GEOADD Sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania"
#define AROUND "GEOADD Sicily 12.758489 38.788135 edge1 17.241510 38.788135 edge2"

const std::vector<Script> kPlaces = {
    {"GEOADD counts what is new",
     {SICILY, SICILY, "GEOADD Sicily 13.361389 38.115556 Palermo 13.583333 37.316667 Agrigento", "ZCARD Sicily",
      "ZRANGE Sicily 0 -1 WITHSCORES", "GEOADD one 1 2 m", "GEOADD one 1 2 m 3 4 m 5 6 m", "GEOPOS one m"}},
    {"GEOADD with NX, XX and CH",
     {SICILY, "GEOADD Sicily NX 1 1 Palermo 2 2 Noto", "GEOPOS Sicily Palermo Noto",
      "GEOADD Sicily XX 3 3 Palermo 4 4 Enna", "GEOPOS Sicily Palermo Enna",
      "GEOADD Sicily CH 5 5 Palermo 15.087269 37.502669 Catania 6 6 Enna", "GEOADD Sicily XX CH 7 7 Enna 8 8 Gela",
      "GEOADD Sicily CH NX 9 9 Enna 9 9 Gela", "geoadd Sicily ch xx 7 7 Enna", "GEOADD none XX 1 1 m", "EXISTS none",
      "ZRANGE Sicily 0 -1 WITHSCORES"}},
    {"numbers as C reads them",
     {"GEOADD k 1e1 +5 a -.5 5. b 0x10 -0 c", "GEOPOS k a b c", "GEODIST k a b", "GEORADIUS k 0x10 0 1e2 km",
      "GEOADD k -180 -85.05112878 south-west", "GEOADD k 0 0 middle", "GEOADD k -0.0 -0.0 other", "ZSCORE k middle",
      "GEOPOS k south-west middle other", "GEOHASH k south-west middle other"}},
    {"members and keys of any bytes",
     {"GEOADD \"a key\" 1 1 \"two words\" 1 1 \xff\xfe 1 1 \xc3\xa9 1 1 new\r\nline",
      "~GEOSEARCH \"a key\" FROMMEMBER \"two words\" BYRADIUS 1 m WITHDIST", "GEOPOS \"a key\" \xff\xfe",
      "ZRANGE \"a key\" 0 -1", "ZREM \"a key\" new\r\nline \xff\xfe", "ZRANGE \"a key\" 0 -1 WITHSCORES", "KEYS *"}},
    {"GEOPOS",
     {SICILY, "GEOPOS Sicily Palermo Catania NonExisting", "GEOPOS Sicily", "GEOPOS none a b", "GEOPOS none",
      "GEOPOS Sicily Palermo Palermo"}},
    {"GEODIST",
     {SICILY, "GEODIST Sicily Palermo Catania", "GEODIST Sicily Palermo Catania m", "GEODIST Sicily Palermo Catania km",
      "GEODIST Sicily Palermo Catania mi", "GEODIST Sicily Palermo Catania ft", "GEODIST Sicily Palermo Catania KM",
      "GEODIST Sicily Palermo Palermo", "GEODIST Sicily Foo Bar", "GEODIST Sicily Palermo Bar", "GEODIST none a b km"}},
    {"GEOHASH",
     {SICILY, "GEOHASH Sicily Palermo Catania", "GEOHASH Sicily Palermo Foo", "GEOHASH Sicily", "GEOHASH none a b",
      "GEOADD Sicily 0 0 null 179.9999 85.0511 corner -180 -85.05 other", "GEOHASH Sicily null corner other"}},
    {"scores that GEOADD did not make",
     {"ZADD k 5 a 1.5 b 4503599627370495 c 3479099956230698 Palermo", "GEOPOS k a b c Palermo",
      "GEODIST k Palermo a km", "GEOHASH k a b c Palermo",
      "GEOSEARCH k FROMMEMBER Palermo BYRADIUS 1 m WITHCOORD WITHDIST WITHHASH"}},
};

const std::vector<Script> kSearches = {
    {"GEORADIUS",
     {SICILY,
      "~GEORADIUS Sicily 15 37 200 km WITHDIST",
      "~GEORADIUS Sicily 15 37 200 km WITHCOORD",
      "~GEORADIUS Sicily 15 37 200 km WITHDIST WITHCOORD",
      "~GEORADIUS Sicily 15 37 200 km WITHCOORD WITHHASH WITHDIST",
      "~GEORADIUS Sicily 15 37 200 km",
      "GEORADIUS Sicily 15 37 200 km ASC",
      "GEORADIUS Sicily 15 37 200 km DESC",
      "georadius Sicily 15 37 200 KM withhash desc",
      "GEORADIUS Sicily 15 37 200 km COUNT 1",
      "GEORADIUS Sicily 15 37 200 km DESC COUNT 1",
      "GEORADIUS Sicily 15 37 200 km COUNT 10 ASC WITHDIST",
      "GEORADIUS Sicily 15 37 200 km ASC COUNT 2 ANY",
      "GEORADIUS Sicily 15 37 120 mi WITHDIST ASC",
      "GEORADIUS Sicily 15 37 650000 ft WITHDIST ASC",
      "GEORADIUS Sicily 15 37 200000 m WITHDIST ASC",
      "GEORADIUS_RO Sicily 15 37 200 km WITHDIST ASC",
      "GEORADIUS Sicily 15 37 0 m",
      "GEORADIUS none 15 37 200 km",
      "GEORADIUS Sicily 15 37 200 km ASC DESC",
      "GEORADIUS Sicily 15 37 200 km WITHDIST WITHDIST ASC"}},
    {"GEORADIUSBYMEMBER",
     {SICILY, "GEOADD Sicily 13.583333 37.316667 Agrigento", "GEORADIUSBYMEMBER Sicily Agrigento 100 km ASC",
      "GEORADIUSBYMEMBER Sicily Agrigento 100 km WITHDIST WITHCOORD WITHHASH DESC",
      "GEORADIUSBYMEMBER_RO Sicily Agrigento 500 km COUNT 2 WITHDIST", "GEORADIUSBYMEMBER Sicily Agrigento 0 m",
      "GEORADIUSBYMEMBER none Agrigento 100 km", "!GEORADIUSBYMEMBER Sicily nobody 100 km"}},
    {"GEOSEARCH",
     {SICILY, AROUND, "GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km ASC",
      "GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 400 400 km ASC WITHCOORD WITHDIST",
      "~GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 400 400 km WITHHASH",
      "GEOSEARCH Sicily FROMMEMBER Palermo BYRADIUS 200 km DESC WITHDIST WITHHASH WITHCOORD",
      "GEOSEARCH Sicily FROMMEMBER Palermo BYBOX 300 300 mi ASC WITHDIST",
      "geosearch Sicily asc withdist byradius 200 km fromlonlat 15 37",
      "GEOSEARCH Sicily COUNT 3 BYBOX 400 400 km FROMLONLAT 15 37 WITHDIST",
      "GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 400 400 km DESC COUNT 2",
      "GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 400 400 km ASC COUNT 9 ANY WITHDIST",
      "GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 1 1 m", "GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 0 0 m",
      "GEOSEARCH none FROMLONLAT 15 37 BYRADIUS 200 km", "GEOSEARCH none FROMMEMBER a BYRADIUS 200 km",
      "!GEOSEARCH Sicily FROMMEMBER nobody BYRADIUS 200 km",
      "GEOSEARCH Sicily FROMLONLAT 15 37 FROMLONLAT 13 38 BYRADIUS 60 km ASC"}},
    {"a box's corners, and long narrow boxes",
     {"GEOADD k 0 0 middle 1 1 north-east -1 -1 south-west 1 -1 south-east -1 1 north-west 5 0 east 0 5 north",
      "~GEOSEARCH k FROMLONLAT 0 0 BYBOX 222.5 222.5 km WITHDIST",
      "~GEOSEARCH k FROMLONLAT 0 0 BYBOX 222.4 222.5 km WITHDIST",
      "~GEOSEARCH k FROMMEMBER middle BYBOX 1200 1 km WITHDIST", "~GEOSEARCH k FROMMEMBER middle BYBOX 1 1200 km",
      "~GEOSEARCH k FROMMEMBER middle BYBOX 1200 0 km", "~GEOSEARCH k FROMMEMBER middle BYBOX 0 1200 km"}},
    {"stored results",
     {SICILY,
      AROUND,
      "GEOSEARCHSTORE key1 Sicily FROMLONLAT 15 37 BYBOX 400 400 km ASC COUNT 3",
      "GEOSEARCH key1 FROMLONLAT 15 37 BYBOX 400 400 km ASC WITHCOORD WITHDIST WITHHASH",
      "GEOSEARCHSTORE key2 Sicily FROMLONLAT 15 37 BYBOX 400 400 km ASC COUNT 3 STOREDIST",
      "ZRANGE key2 0 -1 WITHSCORES",
      "GEOSEARCHSTORE key2 Sicily STOREDIST FROMMEMBER Palermo BYRADIUS 500 mi",
      "ZRANGE key2 0 -1 WITHSCORES",
      "GEORADIUS Sicily 15 37 200 km STORE key3",
      "ZRANGE key3 0 -1 WITHSCORES",
      "GEORADIUS Sicily 15 37 200 km STOREDIST key3 ASC",
      "ZRANGE key3 0 -1 WITHSCORES",
      "GEORADIUSBYMEMBER Sicily Palermo 200 km STORE key4 COUNT 1",
      "ZRANGE key4 0 -1 WITHSCORES",
      "GEORADIUSBYMEMBER Sicily Palermo 200 km STOREDIST key4",
      "ZRANGE key4 0 -1 WITHSCORES",
      "GEORADIUS Sicily 0 0 1 km STORE key4",
      "EXISTS key4",
      "GEOSEARCHSTORE key3 none FROMLONLAT 1 1 BYRADIUS 1 m",
      "EXISTS key3",
      "GEORADIUS none 0 0 1 km STORE key2",
      "KEYS *",
      "TYPE key1",
      "GEOSEARCHSTORE Sicily Sicily FROMMEMBER Palermo BYRADIUS 1 m",
      "ZRANGE Sicily 0 -1",
      "DBSIZE"}},
};

const std::vector<Script> kSets = {
    {"ZADD and ZSCORE",
     {"ZADD k 1 one", "ZADD k 1 uno 2 two 3 three", "ZADD k NX 9 one 4 four", "ZADD k XX 8 one 5 five",
      "ZADD k CH 8 one 6 six 7 two", "ZADD k inf best -inf worst +inf too", "ZSCORE k one", "ZSCORE k best",
      "ZSCORE k worst", "ZSCORE k nobody", "ZSCORE none one",
      "ZADD k 0.1 a 1e300 b -0 c 3.0 d 12345678901234567 e 1e-7 f", "ZRANGE k 0 -1 WITHSCORES", "ZCARD k",
      "ZCARD none"}},
    {"ZREM, and a key ends with its last member",
     {SICILY, "ZREM Sicily Palermo nobody Palermo", "ZREM none a", "ZSCORE Sicily Palermo", "EXISTS Sicily",
      "ZREM Sicily Catania", "EXISTS Sicily", "TYPE Sicily", "DBSIZE", "GEOPOS Sicily Catania"}},
    {"ZRANGE by index",
     {"ZADD k 1 a 2 b 2 c 3 d 5 e", "ZRANGE k 0 -1", "ZRANGE k 1 2", "ZRANGE k -2 -1", "ZRANGE k 3 1", "ZRANGE k 10 20",
      "ZRANGE k -100 100", "ZRANGE k 0 -1 REV", "ZRANGE k 0 1 REV WITHSCORES", "zrange k 0 0 withscores",
      "ZRANGE none 0 -1", "ZRANGE none 0 -1 WITHSCORES", "ZRANGE k 0 -6"}},
    {"ZRANGE by score",
     {"ZADD k 1 a 2 b 2 c 3 d 5 e inf f", "ZRANGE k 2 3 BYSCORE", "ZRANGE k (2 3 BYSCORE", "ZRANGE k 2 (3 BYSCORE",
      "ZRANGE k (2 (3 BYSCORE", "ZRANGE k -inf +inf BYSCORE WITHSCORES", "ZRANGE k -inf (inf BYSCORE",
      "ZRANGE k 3 2 BYSCORE REV", "ZRANGE k 2 3 BYSCORE REV", "ZRANGE k (3 2 BYSCORE REV WITHSCORES",
      "ZRANGE k 3 2 BYSCORE", "ZRANGE k 0 9 BYSCORE LIMIT 1 2", "ZRANGE k 0 9 BYSCORE LIMIT 1 -1",
      "ZRANGE k 0 9 BYSCORE LIMIT 9 1", "ZRANGE k 9 0 BYSCORE REV LIMIT 1 2 WITHSCORES",
      "ZRANGE k 0 9 BYSCORE LIMIT 0 0", "ZRANGE k 1.5 2.5 BYSCORE"}},
    {"ZRANGE by name",
     {"ZADD k 0 a 0 b 0 c 0 d 0 aa", "ZRANGE k - + BYLEX", "ZRANGE k [b + BYLEX", "ZRANGE k (b + BYLEX",
      "ZRANGE k - [b BYLEX", "ZRANGE k - (b BYLEX", "ZRANGE k [aa (c BYLEX", "ZRANGE k + - BYLEX REV",
      "ZRANGE k [c [a BYLEX REV", "ZRANGE k + - BYLEX", "ZRANGE k [c [a BYLEX", "ZRANGE k - + BYLEX LIMIT 1 2",
      "ZRANGE k + - BYLEX REV LIMIT 1 2", "ZRANGE k [ + BYLEX", "ZRANGE none - + BYLEX"}},
};

const std::vector<Script> kKeys = {
    {"DEL, UNLINK, EXISTS, TYPE, DBSIZE",
     {"GEOADD a 1 1 m", "GEOADD b 1 1 m", "GEOADD c 1 1 m", "EXISTS a b c d a", "DBSIZE",
      "TYPE a",         "TYPE d",         "DEL a d a",      "UNLINK b d",       "DBSIZE",
      "EXISTS a",       "DEL none",       "UNLINK none",    "GEOADD a 2 2 m",   "GEOPOS a m",
      "FLUSHDB",        "DBSIZE",         "EXISTS a c",     "GEOADD a 1 1 m",   "FLUSHALL",
      "DBSIZE",         "GEOADD a 1 1 m", "FLUSHDB ASYNC",  "FLUSHDB SYNC",     "KEYS *"}},
    {"KEYS and SCAN",
     {"GEOADD hello 1 1 m", "GEOADD hallo 1 1 m", "GEOADD hxllo 1 1 m", "GEOADD heello 1 1 m", "KEYS *", "KEYS h?llo",
      "KEYS h*llo", "KEYS h[ae]llo", "KEYS h[^e]llo", "KEYS h[a-f]llo", "KEYS hello", "KEYS nothing*", "KEYS h\\?llo",
      "SCAN 0 COUNT 100", "SCAN 0 MATCH h[ae]llo COUNT 100", "SCAN 0 COUNT 100 TYPE zset", "SCAN 0 COUNT 100 TYPE hash",
      "scan 0 match nothing* count 100"}},
    {"the connection",
     {"PING", "PING hello", "ping", "ECHO \"hello world\"", "SELECT 0", "CLIENT SETNAME me", "CLIENT GETNAME"}},
};

class RedisComparison : public tests::RedisTwins, public testing::WithParamInterface<int> {
 protected:
  void compare(const std::vector<Script>& scripts) {
    tests::TwinClients both(our_port(), redis_port(), GetParam());
    for (const auto& script : scripts) tests::compare(both, script);
  }
};

TEST_P(RedisComparison, MembersArePlacedFoundAndMeasuredAsInRedis) { compare(kPlaces); }
TEST_P(RedisComparison, SearchesAreAnsweredAsByRedis) { compare(kSearches); }
TEST_P(RedisComparison, SortedSetsAreWhatTheyAreInRedis) { compare(kSets); }
TEST_P(RedisComparison, KeysAreWhatTheyAreInRedis) { compare(kKeys); }

TEST_P(RedisComparison, ManyCommandsAtOnceAreAnsweredInTheirOrder) {
  tests::TwinClients both(our_port(), redis_port(), GetParam());
  both.clear();
  const std::vector<tests::Words> commands = {{"GEOADD", "k", "1", "1", "m"},
                                              {"GEOPOS", "k", "m"},
                                              {"NONSENSE"},
                                              {"ZREM", "k", "m"},
                                              {"GEOPOS", "k", "m"},
                                              {"PING"},
                                              {"GEOADD", "k", "2", "2", "m"},
                                              {"ZCARD", "k"},
                                              {"DEL", "k"}};
  constexpr int kTimes = 100;
  for (auto* client : {&both.ours, &both.redis}) {
    for (int i = 0; i < kTimes; ++i) {
      for (const auto& words : commands) client->send(words);
    }
  }
  for (int i = 0; i < kTimes; ++i) {
    for (const auto& words : commands) both.expect_same_reply(words);
  }
}

TEST_P(RedisComparison, AMemberMayHoldAnyBytes) {
  tests::TwinClients both(our_port(), redis_port(), GetParam());
  both.clear();
  std::string every_byte;
  for (int byte = 0; byte < 256; ++byte) every_byte.push_back(static_cast<char>(byte));
  both.expect_same({"GEOADD", "k", "1", "1", every_byte, "1", "1", std::string(1, '\0')});
  both.expect_same({"ZRANGE", "k", "0", "-1"});
  both.expect_same({"GEOSEARCH", "k", "FROMMEMBER", every_byte, "BYRADIUS", "1", "m", "COUNT", "1"});
  both.expect_same({"ZREM", "k", every_byte});
  both.expect_same({"ECHO", every_byte});
}

INSTANTIATE_TEST_SUITE_P(Protocol, RedisComparison, testing::Values(2, 3), testing::PrintToStringParamName());

}  // namespace
}  // namespace earshot
