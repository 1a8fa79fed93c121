// Where to connect and when: clients spread, stay while it works, and hammer nobody.
#include "client/reconnector.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/limits.hpp"

namespace earshot::client {
namespace {

using testing::HasSubstr;

constexpr BackoffPolicy kPolicy{100, 1'000};
const std::vector<std::string> kThree{"a:1", "b:1", "c:1"};
const Error kRefused{ErrorCode::kUnavailable, "", "Connection refused", 0, 0};

// How often each was counted, of so many draws: at most five standard deviations from its share.
void expect_even(const std::map<std::string, int>& counts, std::size_t addresses, int draws) {
  EXPECT_EQ(counts.size(), addresses);
  const double share = static_cast<double>(draws) / static_cast<double>(addresses);
  for (const auto& [address, count] : counts)
    EXPECT_NEAR(count, share, 5 * std::sqrt(share * (1 - 1.0 / static_cast<double>(addresses)))) << address;
}

TEST(Reconnector, ManyClientsBeginEvenlySpread) {
  std::map<std::string, int> counts;
  for (std::uint64_t seed = 0; seed < 3'000; ++seed) ++counts[Reconnector(kThree, kPolicy, Random(seed)).address()];
  expect_even(counts, 3, 3'000);
}

TEST(Reconnector, TheClientsOfADeadNodeSpreadOverTheOthersAtOnce) {
  std::map<std::string, int> counts;
  int draws = 0;
  for (std::uint64_t seed = 0; seed < 3'000; ++seed) {
    Reconnector reconnector(kThree, kPolicy, Random(seed));
    if (reconnector.address() != "a:1") continue;
    reconnector.connected(5'000);
    EXPECT_EQ(reconnector.failed(50'000, kRefused), 0u);
    ++counts[reconnector.address()], ++draws;
  }
  expect_even(counts, 2, draws);
}

TEST(Reconnector, EachAddressIsTriedOnceBeforeAnyoneWaits) {
  Reconnector reconnector(kThree, kPolicy, Random(1));
  std::set<std::string> tried{reconnector.address()};
  EXPECT_EQ(reconnector.failed(10, kRefused), 0u);
  tried.insert(reconnector.address());
  EXPECT_EQ(reconnector.failed(10, kRefused), 0u);
  tried.insert(reconnector.address());
  EXPECT_EQ(tried.size(), 3u);
  const std::uint64_t wait_ms = reconnector.failed(10, kRefused);
  EXPECT_GT(wait_ms, 0u);
  EXPECT_LE(wait_ms, 100u);
}

TEST(Reconnector, ASingleAddressBacksOffWithJitter) {
  std::set<std::uint64_t> first_delays;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Reconnector reconnector({"a:1"}, kPolicy, Random(seed));
    std::uint64_t now_ms = 1;
    for (const std::uint64_t full : {100, 200, 400, 800, 1'000, 1'000}) {
      const std::uint64_t delay_ms = reconnector.failed(now_ms, kRefused);
      EXPECT_GE(delay_ms, full / 2);
      EXPECT_LE(delay_ms, full);
      if (full == 100) first_delays.insert(delay_ms);
      now_ms += delay_ms;
    }
  }
  EXPECT_GT(first_delays.size(), 10u) << "spread, not all at once";
}

// An hour in which nothing answers, with many addresses and with one.
TEST(Reconnector, ManyAddressesAreTriedNoMoreOftenEachThanASingleOneIs) {
  const auto attempts = [](std::size_t addresses) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < addresses; ++i) names.push_back(std::to_string(i) + ":1");
    Reconnector reconnector(names, kPolicy, Random(7));
    std::map<std::string, int> counts;
    for (std::uint64_t now_ms = 1; now_ms < 3'600'000;) {
      ++counts[reconnector.address()];
      now_ms += reconnector.failed(now_ms, kRefused);
    }
    return counts;
  };
  const int alone = attempts(1).begin()->second;
  const auto together = attempts(20);
  EXPECT_EQ(together.size(), 20u) << "none is forgotten";
  for (const auto& [address, count] : together) EXPECT_LE(count, alone * 11 / 10) << address;
}

// An address that works again is found within the longest rest, whatever the others do.
TEST(Reconnector, AnAddressThatWorksAgainIsFoundWithinTheLongestRest) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Reconnector reconnector(kThree, kPolicy, Random(seed));
    std::uint64_t now_ms = 1;
    while (now_ms < 60'000) now_ms += reconnector.failed(now_ms, kRefused);
    const std::uint64_t back_ms = now_ms;
    while (reconnector.address() != "b:1") now_ms += reconnector.failed(now_ms, kRefused);
    EXPECT_LE(now_ms - back_ms, 2 * kPolicy.max_ms);
  }
}

TEST(Reconnector, OnlyALastingConnectionForgetsFailures) {
  Reconnector reconnector({"a:1"}, kPolicy, Random(1));
  for (int i = 0; i < 5; ++i) reconnector.failed(1, kRefused);
  reconnector.connected(10);
  EXPECT_GT(reconnector.failed(20, kRefused), 400u);
  reconnector.connected(30);
  EXPECT_LE(reconnector.failed(30 + 1'000, kRefused), 100u);
}

// Two nodes that take logins and drop them: the client does not go back and forth between them in haste.
TEST(Reconnector, NodesThatTakeConnectionsAndDropThemAreNotHammered) {
  Reconnector reconnector({"a:1", "b:1"}, kPolicy, Random(1));
  std::uint64_t now_ms = 1;
  int attempts = 0;
  for (; now_ms < 60'000; ++attempts) {
    reconnector.connected(now_ms);
    now_ms += 1 + reconnector.failed(now_ms + 1, kRefused);
  }
  EXPECT_LT(attempts, 300);
}

TEST(Reconnector, ARetryAfterRestsItsAddressAndNoOther) {
  Reconnector reconnector({"a:1", "b:1"}, kPolicy, Random(1));
  const std::string busy = reconnector.address();
  EXPECT_EQ(reconnector.failed(10, Error{ErrorCode::kOverloaded, "", "", 5'000, 0}), 0u);
  for (std::uint64_t now_ms = 10; now_ms < 5'000;) {
    EXPECT_NE(reconnector.address(), busy);
    now_ms += reconnector.failed(now_ms, kRefused);
  }
}

TEST(Reconnector, WhatNoOtherAddressWouldChangeKeepsTheClientWhereItIs) {
  Reconnector reconnector(kThree, kPolicy, Random(1));
  const std::string address = reconnector.address();
  EXPECT_LE(reconnector.put_off(1, 0), 100u);
  EXPECT_GE(reconnector.put_off(1, 0), 100u);
  EXPECT_GE(reconnector.put_off(1, 5'000), 5'000u);
  EXPECT_EQ(reconnector.address(), address);
  EXPECT_EQ(reconnector.complaints(), "");
}

TEST(Reconnector, ToldAddressesAreForTheTimeWhenItsOwnRest) {
  Reconnector reconnector({"a:1", "b:1"}, kPolicy, Random(1));
  reconnector.told({"b:1", "x:1", "y:1"});
  EXPECT_EQ(reconnector.addresses(), 4u) << "an address is known once";
  std::set<std::string> own{reconnector.address()};
  reconnector.failed(1, kRefused);
  own.insert(reconnector.address());
  EXPECT_EQ(own, (std::set<std::string>{"a:1", "b:1"}));
  EXPECT_EQ(reconnector.failed(1, kRefused), 0u);
  EXPECT_THAT(reconnector.address(), testing::AnyOf("x:1", "y:1"));

  const std::string at = reconnector.address();
  reconnector.told({"z:1"});
  EXPECT_EQ(reconnector.address(), at) << "where the client is, it is, told or not";
  EXPECT_EQ(reconnector.addresses(), 4u);
  reconnector.told({});
  EXPECT_EQ(reconnector.addresses(), 4u) << "a node that tells none knows none";
}

TEST(Reconnector, ToldAddressesAreBounded) {
  Reconnector reconnector({"a:1"}, kPolicy, Random(1));
  for (int round = 0; round < 5; ++round) {
    std::vector<std::string> many;
    for (std::size_t i = 0; i < limits::kNodeAddressesMax; ++i)
      many.push_back(std::to_string(round) + "-" + std::to_string(i) + ":1");
    reconnector.told_more(many);
    EXPECT_EQ(reconnector.addresses(), 1 + limits::kNodeAddressesMax);
  }
}

TEST(Reconnector, WhoIsAskedToGoGoesWhereItIsToldAndDoesNotComeBackWhileThatWorks) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Reconnector reconnector(kThree, kPolicy, Random(seed));
    const std::string left = reconnector.address();
    reconnector.connected(1);
    reconnector.told_more({"x:1"});
    EXPECT_TRUE(reconnector.has_other(10'000));
    EXPECT_EQ(reconnector.leave(10'000, 5'000, {"x:1"}), 0u);
    EXPECT_EQ(reconnector.address(), "x:1");
    for (std::uint64_t now_ms = 10'000; now_ms < 15'000;) {
      EXPECT_NE(reconnector.address(), left);
      now_ms += reconnector.failed(now_ms, kRefused);
    }
  }
}

TEST(Reconnector, WhoIsAskedToGoAnywhereGoesAnywhereElse) {
  Reconnector reconnector(kThree, kPolicy, Random(1));
  const std::string left = reconnector.address();
  EXPECT_EQ(reconnector.leave(10'000, 5'000, {}), 0u);
  EXPECT_NE(reconnector.address(), left);

  Reconnector alone({"a:1"}, kPolicy, Random(1));
  EXPECT_FALSE(alone.has_other(1));
}

TEST(Reconnector, ComplaintsNameEachAddressThatFailedAndWhy) {
  Reconnector reconnector({"a:1", "b:1"}, kPolicy, Random(1));
  reconnector.failed(1, kRefused);
  reconnector.failed(1, Error{ErrorCode::kOverloaded, "", "", 0, 0});
  EXPECT_THAT(reconnector.complaints(), HasSubstr("Connection refused"));
  EXPECT_THAT(reconnector.complaints(), HasSubstr("overloaded"));
  EXPECT_THAT(reconnector.complaints(), HasSubstr("a:1: "));
  EXPECT_THAT(reconnector.complaints(), HasSubstr("; b:1: "));
}

}  // namespace
}  // namespace earshot::client
