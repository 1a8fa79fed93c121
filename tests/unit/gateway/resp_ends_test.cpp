// How commands and connections of Redis's protocol end when not all is well.
#include <string>

#include <gtest/gtest.h>

#include "tests/support/gateway_resp.hpp"

namespace earshot::gateway {
namespace {

using actors::NearbyQuestion;
using actors::SizeQuestion;
using tests::FakePlaces;
using tests::RespConnectionTest;
using tests::RespPeer;

const std::string kAdd = "GEOADD people 13.36 38.11 ada\r\n";
const std::string kCount = "ZCARD people\r\n";

class RespEnds : public RespConnectionTest {
 protected:
  void fail_next(ErrorCode code, const char* field = "") {
    places_->next_change().fail({code, field, "for a reason", limits::kRetryAfterMs});
    settle();
  }
};

TEST_F(RespEnds, WhatMayBeTriedAgainSaysSo) {
  RespPeer& client = connect();
  client.say(kAdd + kAdd + kAdd + kAdd);
  fail_next(ErrorCode::kOverloaded, "layers");
  fail_next(ErrorCode::kStorageFull, "disk");
  fail_next(ErrorCode::kDeadlineExceeded);
  fail_next(ErrorCode::kInvalidArgument, "member");
  const std::string heard = client.hear();
  std::size_t at = 0;
  for (const char* begin : {"-TRYAGAIN overloaded(layers): for a reason", "-TRYAGAIN storageFull(disk): for a reason",
                            "-TRYAGAIN deadlineExceeded: for a reason", "-ERR invalidArgument(member): for a reason"}) {
    EXPECT_EQ(heard.compare(at, std::string(begin).size(), begin), 0) << heard.substr(at);
    at = heard.find("\r\n", at) + 2;
  }
  client.say("PING\r\n");
  EXPECT_EQ(client.hear(), "+PONG\r\n") << "and it goes on";
}

TEST_F(RespEnds, WhatTheDeskRefusesAtOnceIsAnsweredInItsOrder) {
  RespPeer& client = connect();
  client.say(kAdd + request({"GEOADD", "people", "1", "1", ""}) +
             request({"GEOADD", "people", "1", "1", std::string(limits::kMemberBytesMax + 1, 'x')}) +
             request({"GEOADD", std::string(limits::kNameBytesMax + 1, 'x'), "1", "1", "ada"}));
  settle();
  ASSERT_EQ(places_->changes(), 1u);
  EXPECT_EQ(client.hear(), "");
  finish(places_->next_change());
  const std::string heard = client.hear();
  EXPECT_TRUE(heard.starts_with(":1\r\n-ERR invalidArgument(member): must not be empty\r\n-ERR tooLarge(member)"))
      << heard;
  EXPECT_NE(heard.find("(key)"), std::string::npos) << heard;
}

TEST_F(RespEnds, AroundAMemberThatIsNowhereIsAnErrorAndInALayerWithoutMembersIsNobody) {
  RespPeer& client = connect();
  const std::string search = "GEOSEARCH people FROMMEMBER ada BYRADIUS 9 km COUNT 5\r\n";
  client.say(search + search);
  const auto answer = [&](const char* field) {
    finish<NearbyQuestion>(places_->next_question(),
                           Result<actors::NearbyAnswer>(fail(ErrorCode::kNotFound, field, "is nowhere")));
  };
  answer("member");
  answer("layer");
  EXPECT_EQ(client.hear(), "-ERR could not decode requested zset member\r\n*0\r\n");
}

// The protocol has no word for an answer in part, and one that is not said to be is taken for all.
TEST_F(RespEnds, AnAnswerInPartIsAnErrorAndSoIsOneThatCannotBeHad) {
  RespPeer& client = connect();
  client.say("GEOSEARCH people FROMLONLAT 1 1 BYRADIUS 9 km COUNT 5\r\nZSCORE people ada\r\n");
  finish<NearbyQuestion>(places_->next_question(), Result<actors::NearbyAnswer>(actors::NearbyAnswer{{}, true}));
  const auto score = places_->next_question();
  std::get<actors::ScoresQuestion>(score.any).failed(actors::answer_is_partial());
  settle();
  const std::string heard = client.hear();
  EXPECT_TRUE(heard.starts_with("-TRYAGAIN unavailable")) << heard;
  EXPECT_NE(heard.find("\r\n-TRYAGAIN unavailable"), std::string::npos) << heard;
}

TEST_F(RespEnds, WhatTheNodeDoesNotAnswerInTimeEndsTheConnection) {
  RespPeer& client = connect();
  client.say(kAdd + kAdd + kCount);
  const auto late = places_->next_change();
  advance(limits::kCallTimeoutMs);
  EXPECT_FALSE(is_over());
  advance(1);
  const std::string heard = client.hear();
  const std::string unknown = "-TRYAGAIN unavailable: the outcome is unknown: the node did not answer in time";
  EXPECT_TRUE(heard.starts_with(unknown)) << heard;
  EXPECT_NE(heard.find("\r\n" + unknown), std::string::npos) << "both that were under way";
  EXPECT_TRUE(is_over());
  EXPECT_EQ(context_.calls_in_flight, 0u);
  finish(late);
}

TEST_F(RespEnds, AClientThatGoesLeavesNothingUnderWay) {
  connect().say(kAdd + kCount);
  client_.reset();
  settle();
  EXPECT_EQ(context_.calls_in_flight, 1u) << "its change is still made";
  finish(places_->next_change());
  ASSERT_EQ(places_->questions(), 1u) << "and so is what it asked for after that: nobody knows that it does not listen";
  finish<SizeQuestion>(places_->next_question(), std::size_t{1});
  EXPECT_TRUE(is_over());
  EXPECT_EQ(context_.calls_in_flight, 0u);
  EXPECT_TRUE(context_.ports.empty());
}

TEST_F(RespEnds, AnAnswerToAConnectionThatIsGoneIsDropped) {
  connect().say(kAdd + "PING\r\n");
  hang_up();
  EXPECT_EQ(context_.calls_in_flight, 0u);
  EXPECT_TRUE(context_.ports.empty());
  finish(places_->next_change());
  connect().say("PING\r\n");
  EXPECT_EQ(client_->hear(), "+PONG\r\n");
}

TEST_F(RespEnds, AfterTheEndOfInputWhatIsUnderWayIsStillAnswered) {
  RespPeer& client = connect();
  client.say(kAdd + kCount + "PING\r\n");
  client.say_no_more();
  EXPECT_FALSE(is_over());
  finish(places_->next_change());
  finish<SizeQuestion>(places_->next_question(), std::size_t{3});
  EXPECT_EQ(client.hear(), ":1\r\n:3\r\n+PONG\r\n");
  EXPECT_TRUE(is_over());
}

TEST_F(RespEnds, TheEndOfInputWithinARequestEndsTheConnection) {
  RespPeer& client = connect();
  client.say("PING\r\n*2\r\n$4\r\nECHO\r\n$9\r\nx");
  client.say_no_more();
  EXPECT_EQ(client.hear(), "+PONG\r\n");
  EXPECT_TRUE(is_over());
}

TEST_F(RespEnds, QuitIsAnsweredBehindWhatCameBeforeItAndNothingIsTakenAfterIt) {
  RespPeer& client = connect();
  client.say(kAdd + "QUIT\r\n" + kAdd + "PING\r\n");
  EXPECT_EQ(client.hear(), "");
  EXPECT_EQ(places_->changes(), 1u);
  finish(places_->next_change());
  EXPECT_EQ(client.hear(), ":1\r\n+OK\r\n");
  EXPECT_TRUE(is_over());
  EXPECT_EQ(places_->changes(), 0u);
}

TEST_F(RespEnds, WhenTheNodeStopsWhatIsUnderWayIsToldThatItsOutcomeIsUnknown) {
  RespPeer& client = connect();
  client.say(kAdd + kCount + "PING\r\n");
  end({ErrorCode::kUnavailable, "", "the node is shutting down", limits::kRetryAfterMs});
  settle();
  const std::string heard = client.hear();
  EXPECT_TRUE(heard.starts_with("-TRYAGAIN unavailable: the outcome is unknown: the node is shutting down")) << heard;
  EXPECT_EQ(std::ranges::count(heard, '\n'), 1) << "what waited is not done";
  EXPECT_TRUE(is_over());
  finish_changes();
  EXPECT_EQ(places_->questions(), 0u);
}

TEST_F(RespEnds, WhoDoesNotReadThatTheNodeStopsIsClosedWithTheLinger) {
  connect().say(kAdd);
  end({ErrorCode::kUnavailable, "", "the node is shutting down", limits::kRetryAfterMs});
  advance(limits::kCloseLingerMs - 1);
  EXPECT_FALSE(is_over());
  advance(1);
  EXPECT_TRUE(is_over());
}

}  // namespace
}  // namespace earshot::gateway
