#include "resp/read_keys.hpp"

#include "tests/unit/resp/reading.hpp"

namespace earshot::resp {
namespace {

TEST(ReadKeys, TakesKeysAndPatterns) {
  EXPECT_EQ(read_as<Delete>("del a b").keys, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(read_as<Delete>("unlink a").keys, (std::vector<std::string>{"a"}));
  EXPECT_EQ(read_as<Exists>("exists a a").keys, (std::vector<std::string>{"a", "a"}));
  EXPECT_EQ(read_as<TypeOf>("type a").key, "a");
  EXPECT_EQ(read_as<Keys>("keys h?llo").pattern, "h?llo");
  read_as<KeyCount>("dbsize");
  for (const char* line : {"flushdb", "flushall", "flushdb ASYNC", "flushall sync"}) read_as<DeleteAll>(line);
  expect_refusals({
      {"flushdb x", "ERR syntax error"},
      {"flushall sync async", "ERR syntax error"},
      {"del", "ERR wrong number of arguments for 'del' command"},
      {"keys", "ERR wrong number of arguments for 'keys' command"},
  });
}

TEST(ReadPattern, OneAtTheLimitPassesAndOneByteMoreIsRefused) {
  const std::string longest(limits::kRespPatternBytesMax, 'x');
  EXPECT_EQ(read_as<Keys>("keys " + longest).pattern, longest);
  EXPECT_EQ(read_as<Scan>("scan 0 match " + longest).pattern, longest);
  EXPECT_EQ(read_as<ConfigGet>("config get save " + longest).patterns.back(), longest);
  for (const char* command : {"keys ", "scan 0 match ", "config get save "})
    EXPECT_EQ(read_line(command + longest + "x").error(), "ERR the pattern has more than 1024 bytes") << command;
}

TEST(ReadScan, TakesItsOptionsInAnyOrder) {
  const Scan plain = read_as<Scan>("scan 0");
  EXPECT_EQ(plain.cursor, 0u);
  EXPECT_EQ(plain.count, 10u);
  EXPECT_EQ(plain.pattern, "*");
  EXPECT_FALSE(plain.none);
  const Scan scan = read_as<Scan>("SCAN 18446744073709551615 TYPE ZSet COUNT 5 MATCH a*");
  EXPECT_EQ(scan.cursor, 18446744073709551615u);
  EXPECT_EQ(scan.count, 5u);
  EXPECT_EQ(scan.pattern, "a*");
  EXPECT_FALSE(scan.none);
  EXPECT_TRUE(read_as<Scan>("scan 0 type hash").none);
  EXPECT_EQ(read_as<Scan>("scan 0 match a match b").pattern, "b");
}

TEST(ReadScan, SaysWhatIsWrongAsRedisDoes) {
  expect_refusals({
      {"scan", "ERR wrong number of arguments for 'scan' command"},
      {"scan x count x", "ERR invalid cursor"},
      {"scan ' 1'", "ERR invalid cursor"},
      {"scan 18446744073709551616", "ERR invalid cursor"},
      {"scan 0 count", "ERR syntax error"},
      {"scan 0 count 0", "ERR syntax error"},
      {"scan 0 count x", "ERR value is not an integer or out of range"},
      {"scan 0 count x match", "ERR value is not an integer or out of range"},
      {"scan 0 foo bar", "ERR syntax error"},
  });
}

}  // namespace
}  // namespace earshot::resp
