#include "resp/request_parser.hpp"

#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "resp/inline_words.hpp"
#include "tests/support/seed.hpp"

namespace earshot::resp {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Words = std::vector<std::string>;

// All requests in what was fed, or the text of the first error as the last of them.
std::vector<Words> requests_in(RequestParser& parser) {
  std::vector<Words> all;
  while (true) {
    const auto request = parser.next();
    if (!request) {
      all.push_back({request.error().detail});
      return all;
    }
    if (!*request) return all;
    all.emplace_back((*request)->begin(), (*request)->end());
  }
}
std::vector<Words> requests_in(std::string_view bytes, const RequestLimits& limits = {}) {
  RequestParser parser(limits);
  parser.feed(bytes);
  return requests_in(parser);
}

TEST(RequestParser, TakesArraysOfBulkStringsAndLines) {
  EXPECT_THAT(requests_in("*2\r\n$4\r\nECHO\r\n$5\r\nh\r\nlo\r\nPING\r\n*1\r\n$4\r\nPING\r\n"),
              ElementsAre(Words{"ECHO", "h\r\nlo"}, Words{"PING"}, Words{"PING"}));
  EXPECT_THAT(requests_in("  geoadd  Sicily 1 2 \"a b\" \n"), ElementsAre(Words{"geoadd", "Sicily", "1", "2", "a b"}));
}

TEST(RequestParser, NothingAskedForIsNoRequest) {
  EXPECT_THAT(requests_in("\r\n\r\n*0\r\n*-1\r\n  \r\nPING\r\n"), ElementsAre(Words{"PING"}));
  EXPECT_THAT(requests_in("*1\r\n$0\r\n\r\n"), ElementsAre(Words{""}));
}

// As Redis 7 words them.
TEST(RequestParser, SaysWhatBreaksTheProtocol) {
  const auto error_in = [](std::string_view bytes) { return requests_in(bytes).back().front(); };
  EXPECT_EQ(error_in("*x\r\n"), "Protocol error: invalid multibulk length");
  EXPECT_EQ(error_in("*99999999999999999999\r\n"), "Protocol error: invalid multibulk length");
  EXPECT_EQ(error_in("*1\r\n:5\r\n"), "Protocol error: expected '$', got ':'");
  EXPECT_EQ(error_in("*1\r\n$-1\r\n"), "Protocol error: invalid bulk length");
  EXPECT_EQ(error_in("*1\r\n$5x\r\n"), "Protocol error: invalid bulk length");
  EXPECT_EQ(error_in("SET \"a\r\n"), "Protocol error: unbalanced quotes in request");
  EXPECT_EQ(error_in(std::string(100, '*')), "Protocol error: too big mbulk count string");
  EXPECT_EQ(error_in("*1\r\n$" + std::string(100, '1')), "Protocol error: too big bulk count string");
}

TEST(RequestParser, NamesTheLimitThatIsBroken) {
  const RequestLimits limits{3, 10, 20, 40};
  const auto fits = [&](std::string_view bytes) { return requests_in(bytes, limits); };
  EXPECT_THAT(fits("*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"), ElementsAre(Words{"a", "b", "c"}));
  EXPECT_THAT(fits("*4\r\n").back().front(), HasSubstr("the limit is 3 arguments"));
  EXPECT_THAT(fits("*1\r\n$10\r\n0123456789\r\n"), ElementsAre(Words{"0123456789"}));
  EXPECT_THAT(fits("*1\r\n$11\r\n").back().front(), HasSubstr("the limit is 10 bytes"));
  EXPECT_THAT(fits("*1\r\n$104857600\r\n").back().front(), HasSubstr("invalid bulk length"));
  EXPECT_THAT(fits("*3\r\n$10\r\n0123456789\r\n$10\r\n0123456789\r\n$1\r\n").back().front(),
              HasSubstr("the limit is 20 bytes of arguments"));
  EXPECT_EQ(fits(std::string(40, 'x') + "\n").size(), 1u);
  EXPECT_THAT(fits(std::string(41, 'x')).back().front(), HasSubstr("too big inline request"));
}

TEST(RequestParser, AnArgumentCountThatIsALieTakesNoMemory) {
  RequestParser parser;
  parser.feed("*65536\r\n");
  EXPECT_TRUE(parser.next().has_value());
  EXPECT_LT(parser.bytes_waiting(), 100u);
}

TEST(RequestParser, WhatALargeRequestTookOfMemoryIsGivenBack) {
  constexpr std::size_t kKeptBytes = 64 << 10;
  const std::string argument(limits::kRespArgumentBytesMax, 'x');
  std::string large = "*128\r\n";
  for (int i = 0; i < 128; ++i) large += "$" + std::to_string(argument.size()) + "\r\n" + argument + "\r\n";
  std::string many = "*" + std::to_string(limits::kRespArgumentsMax) + "\r\n";
  for (std::size_t i = 0; i < limits::kRespArgumentsMax; ++i) many += "$1\r\nx\r\n";
  std::string line;
  while (line.size() + 2 < limits::kRespArgumentBytesMax) line += "x ";
  for (const std::string& request : {large, many, line + "\r\n"}) {
    for (const std::string behind : {"", "*2\r\n$4\r\nECHO\r\n$1"}) {
      RequestParser parser;
      parser.feed(request + behind);
      ASSERT_TRUE(parser.next().value());
      EXPECT_GT(parser.bytes_reserved(), kKeptBytes);
      ASSERT_FALSE(parser.next().value());
      EXPECT_LE(parser.bytes_reserved(), kKeptBytes);
      parser.feed(behind.empty() ? "PING\r\n" : "\r\nx\r\n");
      EXPECT_THAT(requests_in(parser), ElementsAre(behind.empty() ? Words{"PING"} : Words{"ECHO", "x"}));
    }
  }
}

TEST(InlineWords, AreCutAsRedisCutsThem) {
  EXPECT_EQ(inline_words("a \"b\\x41\\n\\\"c\" 'd\\'e\\n' f\"g\""), (Words{"a", "bA\n\"c", "d'e\\n", "fg"}));
  EXPECT_EQ(inline_words(""), Words{});
  EXPECT_EQ(inline_words("\"\" ''"), (Words{"", ""}));
  EXPECT_EQ(inline_words("\"\\xzz\""), (Words{"xzz"}));
  EXPECT_EQ(inline_words("\"a\"b"), std::nullopt);
  EXPECT_EQ(inline_words("'a"), std::nullopt);
  EXPECT_EQ(inline_words("\"a\\"), std::nullopt);
}

// The same requests come out, wherever the bytes are cut.
TEST(RequestParser, BytesMayComeInPiecesOfAnySize) {
  Random random(tests::seed_of_test());
  for (int round = 0; round < 300; ++round) {
    std::vector<Words> sent;
    std::string bytes;
    for (std::uint64_t n = random.below(8); n > 0; --n) {
      Words words;
      for (std::uint64_t k = 1 + random.below(5); k > 0; --k) {
        std::string word(random.chance(0.1) ? 5'000 : random.below(12), '\0');
        for (char& c : word) c = static_cast<char>(random.next());
        words.push_back(std::move(word));
      }
      bytes += "*" + std::to_string(words.size()) + "\r\n";
      for (const std::string& word : words) bytes += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
      if (random.chance(0.2)) bytes += "\r\n";
      sent.push_back(std::move(words));
    }
    RequestParser parser;
    std::vector<Words> got;
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t piece = 1 + random.below(random.chance(0.5) ? 3 : 3'000);
      parser.feed(std::string_view(bytes).substr(at, piece));
      at += piece;
      for (auto& request : requests_in(parser)) got.push_back(std::move(request));
    }
    ASSERT_EQ(got, sent) << "round " << round;
    ASSERT_EQ(parser.bytes_waiting(), 0u);
  }
}

// Whatever comes: an end, and no crash.
TEST(RequestParser, EndsOnAnything) {
  Random random(tests::seed_of_test());
  constexpr std::string_view kLikely = "*$0123\r\n\"'\\x- aG";
  for (int round = 0; round < 5'000; ++round) {
    RequestParser parser(RequestLimits{8, 64, 128, 64});
    for (int piece = 0; piece < 4; ++piece) {
      std::string bytes(random.below(40), '\0');
      for (char& c : bytes)
        c = random.chance(0.9) ? kLikely[random.below(kLikely.size())] : static_cast<char>(random.next());
      parser.feed(bytes);
      for (const Words& words : requests_in(parser)) ASSERT_FALSE(words.empty());
      if (!parser.next()) break;
    }
  }
}

}  // namespace
}  // namespace earshot::resp
