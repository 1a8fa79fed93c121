// What waits for what, among the commands of one connection of Redis's protocol.
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/gateway_resp.hpp"

namespace earshot::gateway {
namespace {

using actors::NearbyAnswer;
using actors::NearbyQuestion;
using actors::RangeQuestion;
using actors::ScoresQuestion;
using actors::SizeQuestion;
using tests::FakePlaces;
using tests::RespConnectionTest;
using tests::RespPeer;

const std::string kAdd = "GEOADD people 13.36 38.11 ada\r\n";
const std::string kSearch = "GEOSEARCH people FROMLONLAT 13 38 BYRADIUS 9 km\r\n";  // of any size
const std::string kCount = "ZCARD people\r\n";
const std::string kStore = "GEOSEARCHSTORE there people FROMLONLAT 13 38 BYRADIUS 9 km COUNT 5\r\n";

class RespOrder : public RespConnectionTest {
 protected:
  void finish_size(std::size_t members) { finish<SizeQuestion>(places_->next_question(), members); }
};

TEST_F(RespOrder, AQuestionBehindAChangeWaitsForIt) {
  RespPeer& client = connect();
  client.say(kAdd + kCount);
  EXPECT_EQ(places_->changes(), 1u);
  EXPECT_EQ(places_->questions(), 0u);
  finish(places_->next_change());
  EXPECT_EQ(places_->questions(), 1u);
  finish_size(7);
  EXPECT_EQ(client.hear(), ":1\r\n:7\r\n");
}

TEST_F(RespOrder, AQuestionWaitsForAllChangesBeforeIt) {
  RespPeer& client = connect();
  client.say(kAdd + "ZREM people bea\r\nDEL cars\r\n" + kCount);
  std::vector<FakePlaces::Change> changes;
  while (places_->changes() > 0) changes.push_back(places_->next_change());
  ASSERT_EQ(changes.size(), 2u + FakePlaces::kShards);
  while (!changes.empty()) {
    EXPECT_EQ(places_->questions(), 0u) << changes.size() << " are under way";
    finish(changes.back());
    changes.pop_back();
  }
  finish_size(0);
  EXPECT_EQ(client.hear(), ":1\r\n:1\r\n:1\r\n:0\r\n");
}

TEST_F(RespOrder, ChangesBehindChangesArePassedOnAtOnceAndAnsweredInTheirOrder) {
  RespPeer& client = connect();
  client.say(kAdd + "ZREM people bea cy\r\n");
  ASSERT_EQ(places_->changes(), 2u + (shard_of(LayerId::trusted("people"), "bea", FakePlaces::kShards) !=
                                              shard_of(LayerId::trusted("people"), "cy", FakePlaces::kShards)
                                          ? 1u
                                          : 0u));
  const auto first = places_->next_change();
  finish_changes();
  EXPECT_EQ(client.hear(), "") << "the earlier one has no answer yet";
  finish(first);
  EXPECT_EQ(client.hear(), ":1\r\n:2\r\n");
}

TEST_F(RespOrder, QuestionsBehindQuestionsArePassedOnAtOnceAndAnsweredInTheirOrder) {
  RespPeer& client = connect();
  client.say(kCount + "ZSCORE people ada\r\n" + kCount);
  ASSERT_EQ(places_->questions(), 3u);
  const auto first = places_->next_question(), second = places_->next_question(), third = places_->next_question();
  finish<SizeQuestion>(third, std::size_t{3});
  finish<ScoresQuestion>(second, actors::Scores{2.0});
  EXPECT_EQ(client.hear(), "");
  finish<SizeQuestion>(first, std::size_t{1});
  EXPECT_EQ(client.hear(), ":1\r\n$1\r\n2\r\n:3\r\n");
}

// It was asked before, and does not see what is asked of shards meanwhile: views are told in their own order.
TEST_F(RespOrder, AChangeBehindAQuestionIsPassedOnAtOnce) {
  RespPeer& client = connect();
  client.say(kCount + kAdd);
  EXPECT_EQ(places_->questions(), 1u);
  EXPECT_EQ(places_->changes(), 1u);
  finish(places_->next_change());
  EXPECT_EQ(client.hear(), "");
  finish_size(0);
  EXPECT_EQ(client.hear(), ":0\r\n:1\r\n");
}

TEST_F(RespOrder, WhatNeedsNoPlacesIsAnsweredInItsOrderAllTheSame) {
  RespPeer& client = connect();
  client.say("PING\r\n" + kAdd + "PING two\r\nECHO three\r\n");
  EXPECT_EQ(client.hear(), "+PONG\r\n");
  finish(places_->next_change());
  EXPECT_EQ(client.hear(), ":1\r\n$3\r\ntwo\r\n$5\r\nthree\r\n");
  EXPECT_EQ(context_.calls_in_flight, 0u);
}

TEST_F(RespOrder, WhatIsBehindAHeldCommandWaitsToo) {
  RespPeer& client = connect();
  client.say(kAdd + kCount + "PING\r\n" + kAdd);
  ASSERT_EQ(places_->changes(), 1u);
  finish(places_->next_change());
  EXPECT_EQ(places_->changes(), 1u) << "the one behind the question has had its turn";
  EXPECT_EQ(client.hear(), ":1\r\n");
  finish_size(1);
  EXPECT_EQ(client.hear(), ":1\r\n+PONG\r\n");
  finish(places_->next_change());
  EXPECT_EQ(client.hear(), ":1\r\n");
}

TEST_F(RespOrder, StoringASearchWaitsForAllAndHoldsAllLaterOnes) {
  RespPeer& client = connect();
  client.say(kCount + kStore + "PING\r\n" + kAdd);
  ASSERT_EQ(places_->questions(), 1u);
  EXPECT_EQ(places_->changes(), 0u);
  finish_size(3);
  EXPECT_EQ(client.hear(), ":3\r\n");
  ASSERT_EQ(places_->questions(), 1u) << "the search";
  finish<NearbyQuestion>(places_->next_question(), NearbyAnswer{{{places::Member::make("ada"), {}, 0}}});
  ASSERT_EQ(places_->questions(), 1u) << "who is there";
  finish<RangeQuestion>(places_->next_question(), std::vector{places::ScoredMember{places::Member::make("bea"), 1}});
  for (const char* step : {"who comes", "who goes"}) {
    EXPECT_EQ(client.hear(), "");
    EXPECT_EQ(places_->changes(), 1u) << step << ": nothing passes it";
    finish(places_->next_change());
  }
  EXPECT_EQ(client.hear(), ":1\r\n+PONG\r\n");
  EXPECT_EQ(places_->changes(), 1u);
}

TEST_F(RespOrder, EmptyingTheNodeWaitsForAllAndHoldsAllLaterOnes) {
  RespPeer& client = connect();
  client.say(kAdd + "FLUSHDB\r\n" + kAdd + kCount);
  EXPECT_EQ(places_->changes(), 1u);
  EXPECT_EQ(places_->questions(), 0u);
  finish(places_->next_change());
  ASSERT_EQ(places_->questions(), 1u);
  EXPECT_EQ(places_->changes(), 0u);
  finish<actors::LayersQuestion>(places_->next_question(), actors::FoundLayers{{{LayerId::trusted("people"), 1}}});
  ASSERT_EQ(places_->changes(), FakePlaces::kShards);
  finish_changes();
  EXPECT_EQ(client.hear(), ":1\r\n+OK\r\n:1\r\n");
  EXPECT_EQ(places_->questions(), 1u);
}

// Which of them there are is looked up when it begins.
TEST_F(RespOrder, TheEndOfManyLayersWaitsForAllAndHoldsAllLaterOnes) {
  RespPeer& client = connect();
  std::string keys;
  for (std::size_t i = 0; i < limits::kLayersPerCommandMax; ++i) keys += " key-" + std::to_string(i);
  client.say(kAdd + "DEL" + keys + "\r\n");
  EXPECT_EQ(places_->changes(), 1 + FakePlaces::kShards) << "so many are behind the change before";
  finish_changes();
  EXPECT_EQ(client.hear(), ":1\r\n:1024\r\n");
  client.say(kAdd + "DEL people" + keys + "\r\n" + kAdd);
  EXPECT_EQ(places_->changes(), 1u);
  finish(places_->next_change());
  EXPECT_EQ(places_->changes(), FakePlaces::kShards);
  finish_changes();
  EXPECT_TRUE(client.hear().starts_with(":1\r\n:1025\r\n"));
}

TEST_F(RespOrder, TheNumberOfLayersIsLookedUpOnceAtATime) {
  RespPeer& client = connect();
  client.say("DBSIZE\r\nINFO keyspace\r\nDBSIZE\r\n" + kCount);
  EXPECT_EQ(places_->questions(), 1u);
  finish<FakePlaces::LayersCount>(places_->next_question(), std::size_t{7});
  EXPECT_EQ(client.hear(), ":7\r\n");
  EXPECT_EQ(places_->questions(), 1u);
}

TEST_F(RespOrder, AScanGoesOnWhereTheViewsSay) {
  RespPeer& client = connect();
  client.say("SCAN 17 COUNT 3 MATCH a*\r\n");
  const auto asked = places_->next_question();
  EXPECT_EQ(std::get<actors::LayersScan>(asked.any).from, 17u);
  EXPECT_EQ(std::get<actors::LayersScan>(asked.any).count_max, 3u);
  finish<actors::LayersScan>(asked, actors::ScannedLayers{{LayerId::trusted("ab"), LayerId::trusted("b")}, 99});
  EXPECT_EQ(client.hear(), "*2\r\n$2\r\n99\r\n*1\r\n$2\r\nab\r\n");
}

TEST_F(RespOrder, OneLargeReplyIsUnderWayAtATime) {
  RespPeer& client = connect();
  client.say(kSearch + kCount + "KEYS *\r\n" + kCount);
  ASSERT_EQ(places_->questions(), 2u) << "a small one passes along";
  EXPECT_EQ(answers_.used(), limits::kBatchBytesMax) << "as much is reckoned with";
  const auto search = places_->next_question();
  finish_size(1);
  EXPECT_EQ(places_->questions(), 0u);
  finish(search);
  ASSERT_EQ(places_->questions(), 2u);
  finish(places_->next_question());
  finish_size(2);
  EXPECT_EQ(client.hear(), "*0\r\n:1\r\n*0\r\n:2\r\n");
  EXPECT_EQ(answers_.used(), 0u);
}

TEST_F(RespOrder, ASearchForAFewIsNoLargeReply) {
  RespPeer& client = connect();
  for (int i = 0; i < 3; ++i) client.say("GEOSEARCH people FROMLONLAT 13 38 BYRADIUS 9 km COUNT 128\r\n");
  EXPECT_EQ(places_->questions(), 3u);
  EXPECT_EQ(answers_.used(), 0u);
}

// ---- a node that has just started

TEST_F(RespOrder, UntilItKnowsWhereEverybodyIsChangesAndQuestionsWait) {
  places_->set_complete(false);
  RespPeer& client = connect();
  client.say("PING\r\nINFO server\r\n" + kAdd + "PING\r\n");
  EXPECT_EQ(places_->changes(), 0u);
  ASSERT_EQ(places_->questions(), 1u) << "what INFO says is of use to somebody who waits";
  finish(places_->next_question());
  EXPECT_EQ(client.hear().substr(0, 8), "+PONG\r\n$");
  EXPECT_EQ(places_->changes(), 0u);
  places_->set_complete(true);
  settle();
  ASSERT_EQ(places_->changes(), 1u);
  finish(places_->next_change());
  EXPECT_EQ(client.hear(), ":1\r\n+PONG\r\n");
}

TEST_F(RespOrder, WhatHasWaitedTooLongForPlacesIsToldThatTheNodeIsLoading) {
  places_->set_complete(false);
  RespPeer& client = connect();
  const std::string loading = "-LOADING Earshot is finding out where everybody is\r\n";
  client.say(kAdd + "PING\r\n" + kCount);
  advance(limits::kCallTimeoutMs);
  EXPECT_EQ(client.hear(), "");
  advance(1);
  EXPECT_EQ(client.hear(), loading + "+PONG\r\n" + loading) << "what comes behind it does not wait again";
  client.say(kAdd + "INFO server\r\n");
  finish(places_->next_question());
  EXPECT_TRUE(client.hear().starts_with(loading + "$"));
  places_->set_complete(true);
  settle();
  EXPECT_EQ(places_->changes(), 0u) << "what was refused is not done later";
  client.say(kCount);
  finish_size(0);
  EXPECT_EQ(client.hear(), ":0\r\n");
}

}  // namespace
}  // namespace earshot::gateway
