// What a client of Redis's protocol may have under way, keep in memory and be slow at.
#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/gateway_resp.hpp"

namespace earshot::gateway {
namespace {

using actors::LayerPopulation;
using actors::ScoresQuestion;
using actors::SizeQuestion;
using tests::FakePlaces;
using tests::RespConnectionTest;
using tests::RespPeer;

const std::string kAdd = "GEOADD people 13.36 38.11 ada\r\n";
const std::string kCount = "ZCARD people\r\n";
const std::string kKeys = "KEYS *\r\n";

class RespBounds : public RespConnectionTest {
 protected:
  static std::string large_echo() { return request({"ECHO", std::string(limits::kRespArgumentBytesMax, 'x')}); }
  // An array of two arguments, of which the second has not come whole.
  static std::string half_of(std::size_t bytes) {
    const std::string head = "*2\r\n$4\r\nECHO\r\n$" + std::to_string(limits::kRespArgumentBytesMax) + "\r\n";
    return head + std::string(bytes - head.size(), 'x');
  }
  static std::string rest_of(std::size_t bytes) { return large_echo().substr(bytes); }
  // The connection is cut off, and counted here, when it has had the whole time from now on that others leave it.
  void expect_end_when_pressed(const GatewayCounters::Counter& counted) {
    advance(limits::kWritePressedMs - 1);
    EXPECT_FALSE(is_over());
    EXPECT_EQ(counted, 0u);
    advance(1);
    EXPECT_TRUE(is_over());
    EXPECT_EQ(counted, 1u);
  }
};

TEST_F(RespBounds, CommandsUnderWayPassAtTheLimitAndOneMoreWaits) {
  RespPeer& client = connect();
  std::string text;
  for (std::size_t i = 0; i <= limits::kRespCommandsInFlightMax; ++i) text += kAdd;
  client.say(text);
  ASSERT_EQ(places_->changes(), limits::kRespCommandsInFlightMax);
  finish(places_->next_change());
  EXPECT_EQ(places_->changes(), limits::kRespCommandsInFlightMax);
  EXPECT_EQ(client.hear(), ":1\r\n");
}

TEST_F(RespBounds, BytesOfCommandsUnderWayAtTheLimitStopTheReading) {
  RespPeer& client = connect();
  std::string question = "*130\r\n$6\r\nGEOPOS\r\n$6\r\npeople\r\n";
  const std::string name(limits::kRespArgumentBytesMax - 1, 'x');
  for (int i = 0; i < 128; ++i) question += "$" + std::to_string(name.size()) + "\r\n" + name + "\r\n";
  const std::size_t command_bytes = 12 + 128 * name.size() + 130 * sizeof(std::string);
  const std::size_t fit = (limits::kCallBytesInFlightMax - 1) / command_bytes + 1;
  for (std::size_t i = 0; i <= fit; ++i) client.say(question);
  EXPECT_EQ(places_->questions(), fit);
  EXPECT_FALSE(client.is_heard());
  finish(places_->next_question());
  client.hear();
  EXPECT_EQ(places_->questions(), fit);
  EXPECT_TRUE(client.is_heard());
}

// As many strings as a command may have take thirty times the bytes that they hold.
TEST_F(RespBounds, ArgumentsOfCommandsUnderWayCountWithWhatTheyTake) {
  RespPeer& client = connect();
  std::string removal = "*" + std::to_string(limits::kRespArgumentsMax) + "\r\n$4\r\nZREM\r\n$6\r\npeople\r\n";
  for (std::size_t i = 2; i < limits::kRespArgumentsMax; ++i) removal += "$1\r\nx\r\n";
  constexpr std::size_t kFit = limits::kCallBytesInFlightMax / (limits::kRespArgumentsMax * sizeof(std::string));
  client.say(removal);
  const std::size_t changes_of_each = places_->changes();
  for (std::size_t i = 0; i < kFit + 2; ++i) client.say(removal);
  EXPECT_EQ(places_->changes(), kFit * changes_of_each);
  EXPECT_FALSE(client.is_heard());
}

TEST_F(RespBounds, WhatIsAnsweredTakesNoRoomThoughItsTurnToBeToldHasNotCome) {
  RespPeer& client = connect();
  constexpr std::size_t kMembers = 128;
  std::string removal = "ZREM people";
  for (std::size_t i = 0; i < kMembers; ++i) removal += " " + std::string(limits::kMemberBytesMax, 'x');
  client.say(kCount);
  for (std::size_t i = 0; i <= limits::kCallBytesInFlightMax / (kMembers * limits::kMemberBytesMax); ++i)
    client.say(removal + "\r\n");
  EXPECT_FALSE(client.is_heard());
  finish_changes();
  EXPECT_TRUE(client.is_heard());
  EXPECT_EQ(client.hear(), "");
}

TEST_F(RespBounds, AClientThatDoesNotReadIsNotReadOnAndIsClosed) {
  RespPeer& client = connect();
  constexpr std::size_t kReplies = limits::kConnectionQueueBytesMax / limits::kRespArgumentBytesMax;
  for (std::size_t i = 0; i < 10 * kReplies; ++i) client.say(large_echo());
  EXPECT_FALSE(client.is_heard());
  EXPECT_LE(counters_.resp_commands, 2 * kReplies + 1) << "of what is being written, and of what waits for that";
  advance(limits::kWriteTimeoutMs - 1);
  EXPECT_FALSE(is_over());
  advance(1);
  EXPECT_TRUE(is_over());
  EXPECT_EQ(counters_.slow_readers, 1u);
}

TEST_F(RespBounds, RepliesThatWaitForAnEarlierOneCountAsWell) {
  RespPeer& client = connect();
  constexpr std::size_t kReplies = limits::kConnectionQueueBytesMax / limits::kRespArgumentBytesMax;
  client.say(kCount);
  for (std::size_t i = 0; i < 10 * kReplies; ++i) client.say(large_echo());
  EXPECT_LE(counters_.resp_commands, kReplies + 2);
  finish<SizeQuestion>(places_->next_question(), std::size_t{1});
  const std::size_t all = client.hear().size();
  EXPECT_GT(all, 10 * limits::kConnectionQueueBytesMax);
  EXPECT_EQ(counters_.resp_commands, 10 * kReplies + 1);
}

TEST_F(RespBounds, RepliesThatMayComeCountAsWell) {
  RespPeer& client = connect();
  const std::string search =
      "GEOSEARCH people FROMLONLAT 13 38 BYRADIUS 9 km COUNT 128 WITHDIST WITHHASH WITHCOORD\r\n";
  actors::NearbyAnswer answer;
  const auto longest = places::Member::make(std::string(limits::kMemberBytesMax, 'x'));
  answer.found.assign(128, {longest, geo::Geohash(0xF'FFFF'FFFF'FFFF), 20'015'000});
  client.say(search);
  finish<actors::NearbyQuestion>(places_->next_question(), answer);
  const std::size_t each = client.hear().size();
  EXPECT_GT(each, 128 * (limits::kMemberBytesMax + 80));
  for (int i = 0; i < 100; ++i) client.say(search);
  const std::size_t asked = places_->questions();
  EXPECT_LE((asked - 1) * each, limits::kConnectionQueueBytesMax);
  EXPECT_GE(asked * each, limits::kConnectionQueueBytesMax * 9 / 10) << "as many as would fit";
  // They turn out to be short, so that there is room for the next.
  std::size_t answered = 0;
  for (; places_->questions() > 0; ++answered) finish(places_->next_question());
  EXPECT_EQ(answered, 100u);
}

TEST_F(RespBounds, AClientThatReadsAtItsLeisureGetsEverything) {
  RespPeer& client = connect();
  for (int i = 0; i < 40; ++i) client.say(large_echo());
  std::size_t bytes = 0;
  for (int i = 0; i < 41; ++i) {
    bytes += client.hear(limits::kRespArgumentBytesMax + 10).size();
    advance(1'000);
  }
  EXPECT_EQ(bytes, 40 * (limits::kRespArgumentBytesMax + 10));
  EXPECT_FALSE(is_over());
}

TEST_F(RespBounds, HalfARequestEndsWithTheWriteTimeout) {
  RespPeer& client = connect();
  client.say("PING\r\n*2\r\n$4\r\nECHO\r\n$9\r\nx");
  EXPECT_EQ(client.hear(), "+PONG\r\n");
  advance(limits::kWriteTimeoutMs - 1);
  client.say("y");  // a slow line is not cut off
  advance(limits::kWriteTimeoutMs - 1);
  EXPECT_FALSE(is_over());
  advance(1);
  EXPECT_TRUE(is_over());
  EXPECT_EQ(counters_.slow_senders, 1u);
}

TEST_F(RespBounds, AClientThatSaysNothingMayStay) {
  RespPeer& client = connect();
  client.say("PING\r\n");
  EXPECT_EQ(client.hear(), "+PONG\r\n");
  for (int hour = 0; hour < 24; ++hour) advance(3'600'000);
  EXPECT_FALSE(is_over());
}

TEST_F(RespBounds, AHugeArgumentIsRefusedByItsLength) {
  RespPeer& client = connect();
  client.say("PING\r\n*2\r\n$4\r\nECHO\r\n$100000000\r\n");
  EXPECT_EQ(client.hear(), "+PONG\r\n-ERR Protocol error: invalid bulk length, the limit is 65536 bytes\r\n");
  EXPECT_TRUE(is_over());
  EXPECT_EQ(counters_.violations, 1u);
}

TEST_F(RespBounds, AnArgumentAtTheLimitPassesAndOneByteMoreIsRefused) {
  RespPeer& client = connect();
  client.say(large_echo());
  EXPECT_EQ(client.hear().size(), limits::kRespArgumentBytesMax + 10);
  client.say("*2\r\n$4\r\nECHO\r\n$" + std::to_string(limits::kRespArgumentBytesMax + 1) + "\r\n");
  EXPECT_TRUE(client.hear().starts_with("-ERR Protocol error"));
  EXPECT_TRUE(is_over());
}

TEST_F(RespBounds, ArgumentsPassAtTheLimitAndOneMoreIsRefused) {
  RespPeer& client = connect();
  const auto question = [](std::size_t arguments) {
    std::string text = "*" + std::to_string(arguments) + "\r\n$6\r\nGEOPOS\r\n$6\r\npeople\r\n";
    for (std::size_t i = 2; i < arguments; ++i) text += "$1\r\nx\r\n";
    return text;
  };
  client.say(question(limits::kRespArgumentsMax));
  const auto asked = places_->next_question();
  EXPECT_EQ(std::get<ScoresQuestion>(asked.any).members.size(), limits::kRespArgumentsMax - 2);
  finish(asked);
  EXPECT_TRUE(client.hear().starts_with("*65534\r\n"));
  client.say(question(limits::kRespArgumentsMax + 1));
  EXPECT_EQ(client.hear(), "-ERR Protocol error: invalid multibulk length, the limit is 65536 arguments\r\n");
  EXPECT_TRUE(is_over());
}

TEST_F(RespBounds, BytesOfARequestPassAtTheLimitAndOneMoreIsRefused) {
  RespPeer& client = connect();
  constexpr std::size_t kNames = limits::kRespRequestBytesMax / limits::kRespArgumentBytesMax;
  const auto question = [&](std::size_t bytes) {
    std::string text = "*" + std::to_string(kNames + 2) + "\r\n$6\r\nGEOPOS\r\n$6\r\npeople\r\n";
    std::size_t left = bytes - 12;
    for (std::size_t i = 0; i < kNames; ++i) {
      const std::size_t name = std::min(left, limits::kRespArgumentBytesMax);
      text += "$" + std::to_string(name) + "\r\n" + std::string(name, 'x') + "\r\n";
      left -= name;
    }
    return text;
  };
  client.say(question(limits::kRespRequestBytesMax));
  finish(places_->next_question());
  EXPECT_EQ(client.hear().substr(0, 6), "*128\r\n");
  client.say(question(limits::kRespRequestBytesMax + 1));
  EXPECT_EQ(client.hear(), "-ERR Protocol error: too big request, the limit is 8388608 bytes of arguments\r\n");
  EXPECT_TRUE(is_over());
}

// ---- room for reading

TEST_F(RespBounds, HalfARequestAtTheLimitNeedsNoRoomAndOneByteMoreDoes) {
  RespPeer& client = connect();
  client.say(half_of(limits::kRespSmallRequestBytes));
  EXPECT_EQ(reading_.used(), 0u);
  client.say("x");
  EXPECT_EQ(reading_.used(), limits::kRespRequestBytesMax);
  client.say(std::string(limits::kRespArgumentBytesMax, 'x'));  // the rest, and more
  EXPECT_EQ(reading_.used(), 0u);
}

TEST_F(RespBounds, WhoFindsTheRoomForReadingFullIsNotReadUntilItsTurn) {
  RespPeer& client = connect();
  {
    const ReadingRoom::Place others(reading_, limits::kReadingBytesMax);
    client.say(half_of(limits::kRespSmallRequestBytes + 1));
    client.say("x");
    EXPECT_FALSE(client.is_heard());
  }
  settle();
  EXPECT_TRUE(client.is_heard());
}

TEST_F(RespBounds, WhoWaitsForRoomToBeReadIsNotSlow) {
  RespPeer& client = connect();
  {
    const ReadingRoom::Place others(reading_, limits::kReadingBytesMax);
    client.say(half_of(limits::kRespSmallRequestBytes + 1));
    advance(2 * limits::kWriteTimeoutMs);
    EXPECT_FALSE(is_over());
  }
  settle();
  advance(limits::kWriteTimeoutMs - 1);
  EXPECT_FALSE(is_over()) << "from now on it has the whole time";
  EXPECT_EQ(counters_.slow_senders, 0u);
  advance(1);
  EXPECT_TRUE(is_over());
}

TEST_F(RespBounds, WhileAnotherWaitsToBeReadASlowSenderIsCutOffSooner) {
  RespPeer& client = connect();
  client.say(half_of(limits::kRespSmallRequestBytes + 1));
  const ReadingRoom::Place others(reading_, limits::kReadingBytesMax);
  auto waiting = reading_.enter(1);
  expect_end_when_pressed(counters_.slow_senders);
}

TEST_F(RespBounds, WhatWasReadWholeKeepsNoRoomWhileItWaitsForTheNode) {
  RespPeer& client = connect();
  client.say(half_of(limits::kRespSmallRequestBytes + 1));
  ASSERT_EQ(reading_.used(), limits::kRespRequestBytesMax);
  client.say(rest_of(limits::kRespSmallRequestBytes + 1) + kAdd + kCount);
  EXPECT_EQ(reading_.used(), 0u);
}

TEST_F(RespBounds, WhoWaitsForTheNodeIsNoSlowSenderThoughAnotherWaitsToBeRead) {
  RespPeer& client = connect();
  client.say(half_of(limits::kRespSmallRequestBytes + 1));
  const std::string rest = rest_of(limits::kRespSmallRequestBytes + 1);
  client.say(rest.substr(0, 1'000));
  client.say(rest.substr(1'000) + kAdd + kCount + half_of(limits::kRespSmallRequestBytes + 1));
  client.hear();
  ASSERT_EQ(reading_.used(), limits::kRespRequestBytesMax);
  const ReadingRoom::Place others(reading_, limits::kReadingBytesMax);
  auto waiting = reading_.enter(1);
  advance(limits::kWritePressedMs);
  EXPECT_FALSE(is_over());
  finish(places_->next_change());
  finish<SizeQuestion>(places_->next_question(), std::size_t{1});
  client.hear();
  expect_end_when_pressed(counters_.slow_senders);
}

TEST_F(RespBounds, WhoTakesNoRepliesKeepsNoRoomFromAnother) {
  RespPeer& client = connect();
  constexpr std::size_t kHalf = limits::kRespSmallRequestBytes + 2'000;
  std::string echoes = rest_of(kHalf);
  for (int i = 0; i < 60; ++i) echoes += large_echo();
  client.say(half_of(kHalf));
  client.say(echoes);
  ASSERT_FALSE(client.is_heard());
  ASSERT_EQ(reading_.used(), limits::kRespRequestBytesMax) << "it stopped within a request";
  const ReadingRoom::Place others(reading_, limits::kReadingBytesMax);
  auto waiting = reading_.enter(1);
  expect_end_when_pressed(counters_.slow_readers);
}

TEST_F(RespBounds, WhoseRequestGetsOnMayTakeItsRepliesAtLeisure) {
  RespPeer& client = connect();
  client.say(large_echo());
  advance(limits::kWritePressedMs);
  client.say(half_of(limits::kRespSmallRequestBytes + 1));
  ASSERT_EQ(reading_.used(), limits::kRespRequestBytesMax);
  const ReadingRoom::Place others(reading_, limits::kReadingBytesMax);
  auto waiting = reading_.enter(1);
  advance(limits::kWritePressedMs - 1);
  EXPECT_FALSE(is_over());
}

// ---- memory for answers

TEST_F(RespBounds, ALargeReplyIsRefusedWhileAnswersFillTheMemory) {
  RespPeer& client = connect();
  {
    const ByteLease others(answers_, limits::kAnswersBytesMax);
    client.say(kKeys + kCount);
    EXPECT_TRUE(client.hear().starts_with("-TRYAGAIN overloaded"));
    EXPECT_EQ(counters_.answers_refused, 1u);
    EXPECT_EQ(places_->questions(), 1u) << "small ones pass";
    finish<SizeQuestion>(places_->next_question(), std::size_t{1});
  }
  client.say(kKeys);
  EXPECT_EQ(places_->questions(), 1u);
}

TEST_F(RespBounds, WhileAnswersFillTheMemoryASlowTakerOfOneIsCutOffSooner) {
  RespPeer& client = connect();
  client.say(kKeys);
  finish<actors::LayersQuestion>(places_->next_question(), actors::FoundLayers{{{LayerId::trusted("a"), 1}}});
  ASSERT_EQ(answers_.used(), std::string("*1\r\n$1\r\na\r\n").size()) << "it is being written";
  const ByteLease others(answers_, limits::kAnswersBytesMax);
  expect_end_when_pressed(counters_.slow_readers);
}

TEST_F(RespBounds, AReplyAtTheLimitPassesAndOneByteMoreIsAnError) {
  RespPeer& client = connect();
  const auto layers = [](std::size_t odd_one) {
    // "$128\r\n" + 128 + "\r\n" = 136 each, 73 less for one of 56 bytes, and "*493448\r\n": 64 MiB.
    std::vector<LayerPopulation> all(493'448, {LayerId::trusted(std::string(128, 'x')), 1});
    all.front().layer = LayerId::trusted(std::string(odd_one, 'x'));
    return actors::FoundLayers{all};
  };
  client.say(kKeys);
  finish<actors::LayersQuestion>(places_->next_question(), layers(56));
  EXPECT_EQ(client.hear().size(), limits::kRespReplyBytesMax);
  client.say(kKeys + "PING\r\n");
  finish<actors::LayersQuestion>(places_->next_question(), layers(57));
  EXPECT_EQ(client.hear(), "-ERR the reply has more than 67108864 bytes: ask for less\r\n+PONG\r\n");
  EXPECT_EQ(answers_.used(), 0u);
}

TEST_F(RespBounds, ASearchMayFindAsManyAsTheLimitAndOneMoreIsAnError) {
  RespPeer& client = connect();
  const auto found = [](std::size_t members) {
    actors::NearbyAnswer answer;
    answer.found.assign(members, {places::Member::make("ada"), {}, 1});
    return answer;
  };
  for (const std::size_t more : {0, 1}) {
    client.say("GEOSEARCH people FROMLONLAT 13 38 BYRADIUS 9 km\r\n");
    const auto asked = places_->next_question();
    EXPECT_EQ(std::get<actors::NearbyQuestion>(asked.any).count_max, limits::kNearbyMembersMax + 1);
    finish<actors::NearbyQuestion>(asked, found(limits::kNearbyMembersMax + more));
    const std::string heard = client.hear();
    EXPECT_TRUE(heard.starts_with(more == 0 ? "*1000000\r\n$3\r\nada\r\n"
                                            : "-ERR more than 1000000 members are within the area"))
        << heard.substr(0, 100);
  }
}

TEST_F(RespBounds, ARangeMayTellAsManyAsTheLimitAndOneMoreIsAnError) {
  RespPeer& client = connect();
  for (const std::string range : {"0 -1", "-inf +inf BYSCORE", "- + BYLEX"}) {
    for (const std::size_t more : {0, 1}) {
      client.say("ZRANGE people " + range + "\r\n");
      const auto asked = places_->next_question();
      EXPECT_EQ(std::get<actors::RangeQuestion>(asked.any).range.count_max, limits::kNearbyMembersMax + 1);
      finish<actors::RangeQuestion>(
          asked, std::vector<places::ScoredMember>(limits::kNearbyMembersMax + more, {places::Member::make("ada"), 1}));
      const std::string heard = client.hear();
      EXPECT_TRUE(heard.starts_with(more == 0 ? "*1000000\r\n$3\r\nada\r\n"
                                              : "-ERR more than 1000000 members are within the range"))
          << heard.substr(0, 100);
    }
  }
}

TEST_F(RespBounds, TooManyCallsOfAThreadAreRefused) {
  RespPeer& client = connect();
  context_.calls_in_flight += limits::kBridgeQueueItemsMax / 2;
  client.say(kAdd);
  EXPECT_TRUE(client.hear().starts_with("-TRYAGAIN overloaded"));
  EXPECT_EQ(places_->changes(), 0u);
  context_.calls_in_flight -= limits::kBridgeQueueItemsMax / 2;
  client.say(kAdd);
  EXPECT_EQ(places_->changes(), 1u);
}

// None of them puts anything into the bridge.
TEST_F(RespBounds, RepliesMadeAtOnceAreNoCallsOfTheThread) {
  RespPeer& client = connect();
  client.say(kCount);
  for (int i = 0; i < 100; ++i) client.say("PING\r\n");
  EXPECT_EQ(context_.calls_in_flight, 1u);
  finish(places_->next_question());
  EXPECT_EQ(context_.calls_in_flight, 0u);
  client.say(kCount + "PING\r\n");
  hang_up();
  EXPECT_EQ(context_.calls_in_flight, 0u);
}

}  // namespace
}  // namespace earshot::gateway
