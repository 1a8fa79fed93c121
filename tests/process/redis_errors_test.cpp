// What Redis 7.0 refuses, a node refuses in the same words, and the connection goes on or ends as it does there.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/redis_script.hpp"
#include "tests/support/redis_twins.hpp"

namespace earshot {
namespace {

using tests::Script;

#define SICILY "GEOADD Sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania"

// More than a refusal repeats.
constexpr const char* kManyWords =
    "!NONSENSE "
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa "
    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb c d e f g";

const std::vector<Script> kRefused = {
    {"no such command",
     {"!NONSENSE", "!nonsense", "!NoNsense a b", "!NONSENSE \"two words\" \"\" c", "!\"\"", "!GEO", "!GEOSEARCHES a",
      kManyWords}},
    {"too few words",
     {"!GEOADD",
      "!GEOADD k",
      "!GEOADD k 1",
      "!GEOADD k 1 2",
      "!GEOPOS",
      "!GEODIST",
      "!GEODIST k a",
      "!GEOHASH",
      "!GEORADIUS k 1 2 3",
      "!GEORADIUS_RO k 1 2 3",
      "!GEORADIUSBYMEMBER k m 1",
      "!GEORADIUSBYMEMBER_RO k m 1",
      "!GEOSEARCH",
      "!GEOSEARCH k",
      "!GEOSEARCH k FROMLONLAT 1 2 BYRADIUS",
      "!GEOSEARCHSTORE a b",
      "!GEOSEARCHSTORE a b FROMLONLAT 1 2",
      "!ZADD k",
      "!ZADD k 1",
      "!ZREM",
      "!ZREM k",
      "!ZCARD",
      "!ZSCORE k",
      "!ZRANGE k 1",
      "!DEL",
      "!UNLINK",
      "!EXISTS",
      "!TYPE",
      "!KEYS",
      "!SCAN",
      "!ECHO",
      "!SELECT",
      "!geoadd k"}},
    {"too many words",
     {"!GEODIST k a b m m", "!ZCARD a b", "!ZSCORE a b c", "!TYPE a b", "!KEYS a b", "!DBSIZE a", "!PING a b",
      "!ECHO a b", "!SELECT 0 0"}},
    {"GEOADD",
     {"!GEOADD k NX XX 1 1 m",
      "!GEOADD k 1 1 m 2",
      "!GEOADD k 1 1 m 2 2",
      "!GEOADD k CH 1 1",
      "!GEOADD k NX CH",
      "!GEOADD k a 1 m",
      "!GEOADD k 1 b m",
      "!GEOADD k 1 1 m 2 x n",
      "!GEOADD k \"\" 1 m",
      "!GEOADD k \"1 \" 1 m",
      "!GEOADD k \" 1\" 1 m",
      "!GEOADD k 1,5 1 m",
      "!GEOADD k nan 1 m",
      "!GEOADD k 1 nan m",
      "!GEOADD k inf 1 m",
      "!GEOADD k 1 -inf m",
      "!GEOADD k 1e999 1 m",
      "!GEOADD k 180.0001 1 m",
      "!GEOADD k -181 1 m",
      "!GEOADD k 1 86 m",
      "!GEOADD k 1 85.0511288 m",
      "!GEOADD k 1 -85.06 m",
      "!GEOADD k 200 100 m",
      "!GEOADD k 1 1 m 300 1 n",
      "EXISTS k"}},
    {"GEODIST and units",
     {SICILY, "!GEODIST Sicily Palermo Catania parsec", "!GEODIST Sicily Palermo Catania \"\"",
      "!GEODIST none a b metre", "!GEORADIUS Sicily 15 37 200 parsec",
      "!GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 kms", "!GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 200 200 ly"}},
    {"GEORADIUS",
     {SICILY,
      "!GEORADIUS Sicily a 37 200 km",
      "!GEORADIUS Sicily 15 b 200 km",
      "!GEORADIUS Sicily 181 37 200 km",
      "!GEORADIUS Sicily 15 86 200 km",
      "!GEORADIUS Sicily nan 37 200 km",
      "!GEORADIUS Sicily 15 37 far km",
      "!GEORADIUS Sicily 15 37 -1 km",
      "!GEORADIUS Sicily 15 37 nan km",
      "!GEORADIUS Sicily 15 37 200 km SIDEWAYS",
      "!GEORADIUS Sicily 15 37 200 km COUNT",
      "!GEORADIUS Sicily 15 37 200 km COUNT 0",
      "!GEORADIUS Sicily 15 37 200 km COUNT -1",
      "!GEORADIUS Sicily 15 37 200 km COUNT x",
      "!GEORADIUS Sicily 15 37 200 km COUNT 1.5",
      "!GEORADIUS Sicily 15 37 200 km COUNT 99999999999999999999",
      "!GEORADIUS Sicily 15 37 200 km ANY",
      "!GEORADIUS Sicily 15 37 200 km STORE",
      "!GEORADIUS Sicily 15 37 200 km STOREDIST",
      "!GEORADIUS Sicily 15 37 200 km STORE k WITHDIST",
      "!GEORADIUS Sicily 15 37 200 km WITHHASH STOREDIST k",
      "!GEORADIUS Sicily 15 37 200 km WITHCOORD STORE k",
      "!GEORADIUS_RO Sicily 15 37 200 km STORE k",
      "!GEORADIUSBYMEMBER_RO Sicily Palermo 200 km STOREDIST k",
      "!GEORADIUS Sicily 15 37 200 km BYRADIUS 1 m",
      "!GEORADIUS Sicily 15 37 200 km FROMMEMBER Palermo",
      "!GEORADIUSBYMEMBER Sicily Palermo far km",
      "!GEORADIUSBYMEMBER Sicily Palermo -5 km",
      "!GEORADIUSBYMEMBER Sicily Palermo 5 parsec",
      "!GEORADIUSBYMEMBER Sicily Palermo 5 km COUNT 0",
      "EXISTS k"}},
    {"GEOSEARCH",
     {SICILY,
      "!GEOSEARCH Sicily FROMLONLAT 15 37 ASC WITHDIST COUNT 1",
      "!GEOSEARCH Sicily BYRADIUS 200 km ASC WITHDIST",
      "!GEOSEARCH Sicily BYBOX 200 200 km ASC WITHDIST",
      "!GEOSEARCH Sicily ASC WITHDIST WITHHASH WITHCOORD COUNT 1",
      "!GEOSEARCH Sicily FROMMEMBER Palermo FROMLONLAT 15 37 BYRADIUS 200 km",
      "!GEOSEARCH Sicily FROMLONLAT 15 37 FROMMEMBER Palermo BYRADIUS 200 km",
      "!GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km BYBOX 200 200 km",
      "!GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 200 200 km BYRADIUS 200 km",
      "!GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km ANY",
      "!GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km ASC ANY",
      "!GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km COUNT 0",
      "!GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km COUNT 0 ANY",
      "!GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km COUNT",
      "!GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km COUNT many",
      "!GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS -1 km",
      "!GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS x km",
      "!GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS nan km",
      "!GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX -1 1 km",
      "!GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 1 -1 km",
      "!GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX x 1 km",
      "!GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 1 x km",
      "!GEOSEARCH Sicily FROMLONLAT 181 37 BYRADIUS 200 km",
      "!GEOSEARCH Sicily FROMLONLAT 15 -86 BYRADIUS 200 km",
      "!GEOSEARCH Sicily FROMLONLAT x 37 BYRADIUS 200 km",
      "!GEOSEARCH Sicily FROMLONLAT 15 x BYRADIUS 200 km",
      "!GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km STORE k",
      "!GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km STOREDIST k",
      "!GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km STOREDIST",
      "!GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km WITHEVERYTHING",
      "!GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 200 km ASC",
      "!GEOSEARCH Sicily 15 37 200 km ASC",
      "!GEOSEARCH none FROMLONLAT 15 37 BYRADIUS -1 km",
      "!GEOSEARCH none BYRADIUS 1 km ASC WITHDIST"}},
    {"GEOSEARCHSTORE",
     {SICILY, "!GEOSEARCHSTORE k Sicily FROMLONLAT 15 37 BYRADIUS 200 km WITHDIST",
      "!GEOSEARCHSTORE k Sicily FROMLONLAT 15 37 BYRADIUS 200 km WITHCOORD STOREDIST",
      "!GEOSEARCHSTORE k Sicily FROMLONLAT 15 37 BYRADIUS 200 km WITHHASH",
      "!GEOSEARCHSTORE k Sicily FROMLONLAT 15 37 BYRADIUS 200 km STOREDIST other",
      "!GEOSEARCHSTORE k Sicily FROMLONLAT 15 37 BYRADIUS 200 km STORE other",
      "!GEOSEARCHSTORE k Sicily FROMLONLAT 15 37 ASC COUNT 1", "!GEOSEARCHSTORE k Sicily BYRADIUS 200 km ASC STOREDIST",
      "EXISTS k other"}},
    {"sorted sets",
     {"ZADD k 1 a 2 b",
      "!ZADD k NX XX 1 a",
      "!ZADD k 1 a 2",
      "!ZADD k x a",
      "!ZADD k nan a",
      "!ZADD k 1 a y b",
      "!ZADD k NX",
      "!ZADD k CH 1",
      "!ZRANGE k a b",
      "!ZRANGE k 0 b",
      "!ZRANGE k 0 1.5",
      "!ZRANGE k 0 -1 SIDEWAYS",
      "!ZRANGE k 0 -1 LIMIT 0 1",
      "!ZRANGE k 0 -1 BYSCORE LIMIT 0",
      "!ZRANGE k 0 -1 BYSCORE LIMIT a 1",
      "!ZRANGE k 0 -1 BYSCORE LIMIT 0 b",
      "!ZRANGE k a b BYSCORE",
      "!ZRANGE k 1 (b BYSCORE",
      "!ZRANGE k nan 1 BYSCORE",
      "!ZRANGE k a b BYLEX",
      "!ZRANGE k [a b BYLEX",
      "!ZRANGE k - + BYLEX WITHSCORES",
      "!ZRANGE k \"\" + BYLEX",
      "!ZRANGE k 99999999999999999999 1",
      "ZRANGE k 0 -1 WITHSCORES"}},
    {"keys and the connection",
     {"!SCAN x", "!SCAN -1x", "!SCAN 0 COUNT 0", "!SCAN 0 COUNT x", "!SCAN 0 COUNT", "!SCAN 0 SIDEWAYS",
      "!SCAN 0 MATCH", "!SELECT x", "!SELECT 99", "!SELECT -1", "!HELLO 4", "!HELLO x", "!HELLO 1", "!FLUSHDB SIDEWAYS",
      "!FLUSHALL ASYNC SYNC", "!CLIENT", "!CLIENT NONSENSE", "!CLIENT SETNAME \"two words\"", "PING"}},
};

class RedisErrors : public tests::RedisTwins, public testing::WithParamInterface<int> {};

TEST_P(RedisErrors, WhatMakesNoSenseIsRefusedInTheSameWords) {
  tests::TwinClients both(our_port(), redis_port(), GetParam());
  for (const auto& script : kRefused) tests::compare(both, script);
}

INSTANTIATE_TEST_SUITE_P(Protocol, RedisErrors, testing::Values(2, 3), testing::PrintToStringParamName());

class RedisBytes : public tests::RedisTwins {
 protected:
  // What each says, up to the end of the connection, to a stranger who sends these bytes and nothing else.
  static void compare(const std::string& bytes) {
    tests::RedisClient ours(our_port());
    tests::RedisClient redis(redis_port());
    for (auto* client : {&ours, &redis}) client->send_bytes(bytes);
    EXPECT_EQ(ours.read_until_closed(), redis.read_until_closed()) << testing::PrintToString(bytes);
  }
};

TEST_F(RedisBytes, LinesAreCutIntoWordsAsThere) {
  for (const std::string line : {"PING", "ping", "  PING  hello  ", "PING 'single quotes'", R"(PING "double quotes")",
                                 R"(PING "\x41\n\r\t\a\b\\\"\q")", R"(PING 'it\'s')", R"(PING 'a\n')", "PING\t\thello",
                                 R"(PING "")", R"(ECHO a"b")", "\r\nPING", "NONSENSE a b", "PING a b"}) {
    compare(line + "\r\nQUIT\r\n");
    compare(line + "\nQUIT\n");
  }
}

TEST_F(RedisBytes, QuitIsAnsweredAndEndsTheConnection) {
  compare("*1\r\n$4\r\nQUIT\r\n");
  compare("*1\r\n$4\r\nquit\r\n*1\r\n$4\r\nPING\r\n");
  compare("*2\r\n$4\r\nPING\r\n$2\r\nhi\r\n*1\r\n$4\r\nQUIT\r\n");
}

TEST_F(RedisBytes, EmptyRequestsArePassedOver) {
  compare("*0\r\n*-1\r\n\r\n\n*1\r\n$4\r\nPING\r\nQUIT\r\n");
  compare("*2\r\n$4\r\nECHO\r\n$0\r\n\r\nQUIT\r\n");
}

// Ours are smaller than Redis's, and each is named.
TEST_F(RedisBytes, LimitsAreNamedAndEndTheConnection) {
  const auto answer_to = [](const std::string& bytes) {
    tests::RedisClient client(our_port());
    client.send_bytes(bytes);
    return client.read_until_closed();
  };
  for (const char* bytes : {"*65537\r\n", "*2147483648\r\n", "*99999999999\r\n"})
    EXPECT_EQ(answer_to(bytes), "-ERR Protocol error: invalid multibulk length, the limit is 65536 arguments\r\n");
  for (const char* bytes : {"*1\r\n$65537\r\n", "*2\r\n$4\r\nECHO\r\n$104857600\r\n", "*1\r\n$99999999999\r\n"})
    EXPECT_EQ(answer_to(bytes), "-ERR Protocol error: invalid bulk length, the limit is 65536 bytes\r\n");
}

TEST_F(RedisBytes, ABrokenProtocolIsNamedAndEndsTheConnection) {
  for (const std::string bytes :
       {"PING \"unbalanced\r\n", "PING 'unbalanced\r\n", "PING \"a\"b\r\n", "PING 'a'b\r\n", "*abc\r\n", "*1x\r\n",
        "*\r\n", "*1\r\nPING\r\n", "*1\r\n+PING\r\n", "*1\r\n:1\r\n", "*1\r\n$abc\r\n", "*1\r\n$-1\r\n",
        "*1\r\n$-5\r\n", "*1\r\n$\r\n", "*1\r\n$4x\r\n", "*2\r\n$4\r\nECHO\r\n*1\r\n"}) {
    compare(bytes);
    compare("*1\r\n$4\r\nPING\r\n" + bytes);
  }
}

}  // namespace
}  // namespace earshot
