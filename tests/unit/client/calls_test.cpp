// Calls of an application over connections: what is made again and when, and what is not.
#include "client/calls.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace earshot::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t kTimeoutMs = 1'000;
const Error kNoLeader{ErrorCode::kUnavailable, "", "no leader", 0, 0};

CallRequest history(std::uint64_t before) { return HistoryRequest{Sequence(before), 1}; }
CallRequest set_position(const std::string& layer, PositionCondition condition = PositionCondition::kAlways) {
  SetPositionsRequest request;
  request.layer = LayerId::trusted(layer);
  request.condition = condition;
  return PlacesRequest(request);
}
CallRequest replay() { return ManageRequest(ReplayRequest{}); }
CallReply done() { return ManageAnswer(Done{}); }

class CallsTest : public testing::Test {
 protected:
  Calls make(std::uint64_t timeout_ms = kTimeoutMs, std::size_t calls_max = 100) {
    return Calls(Calls::Limits{timeout_ms, {100, 100}, calls_max, false}, Random(1));
  }
  // Asks for it under a name, under which its answer is kept.
  void ask(const std::string& name, CallRequest request) {
    if (auto refused = calls_.add(std::move(request), keep(name), now_ms_)) refused->tell();
  }
  Calls::Done keep(const std::string& name) {
    return [this, name](Result<CallReply> answer) { answers_.emplace_back(name, std::move(answer)); };
  }
  void tell(std::vector<Calls::Finished> finished) {
    for (auto& one : finished) one.tell();
  }
  void answer(Calls::Ticket ticket, Result<CallReply> answer) {
    if (auto finished = calls_.answered(ticket, std::move(answer), now_ms_)) finished->tell();
  }
  // Everything that goes on the wire now.
  std::vector<Calls::Ticket> go() {
    std::vector<Calls::Ticket> tickets;
    while (const auto next = calls_.next(now_ms_)) tickets.push_back(next->ticket);
    return tickets;
  }
  void pass(std::uint64_t ms) {
    now_ms_ += ms;
    if (calls_.has_expired(now_ms_)) tell(calls_.expire(now_ms_, ""));
  }
  std::vector<std::string> answered() const {
    std::vector<std::string> names;
    for (const auto& [name, answer] : answers_) names.push_back(name + (answer ? "" : "!"));
    return names;
  }
  ErrorCode code() const { return answers_.back().second.error().code; }

  std::uint64_t now_ms_ = 10'000;
  std::vector<std::pair<std::string, Result<CallReply>>> answers_;
  Calls calls_ = make();
};

TEST_F(CallsTest, ACallBeforeTheConnectionWaitsForItAndThenGoesInTheOrderOfAsking) {
  ask("a", history(1)), ask("b", history(2));
  EXPECT_THAT(go(), IsEmpty());
  calls_.connected(100);
  const auto tickets = go();
  ASSERT_EQ(tickets.size(), 2u);
  answer(tickets[1], done());
  answer(tickets[0], done());
  EXPECT_THAT(answered(), ElementsAre("b", "a"));
  EXPECT_EQ(calls_.deadline_ms(), 0u);
}

TEST_F(CallsTest, WhatALostConnectionTookIsAskedOnTheNextOneAndTheOldAnswerCountsNoMore) {
  calls_.connected(100);
  ask("a", history(1));
  const auto first = go();
  tell(calls_.disconnected());
  EXPECT_THAT(answered(), IsEmpty());
  calls_.connected(100);
  const auto second = go();
  ASSERT_EQ(second.size(), 1u);
  answer(first[0], fail(ErrorCode::kInternal, "", "late"));
  EXPECT_THAT(answered(), IsEmpty());
  answer(second[0], done());
  EXPECT_THAT(answered(), ElementsAre("a"));
}

TEST_F(CallsTest, ATemporaryErrorIsAPauseAndAFinalOneAnAnswer) {
  calls_.connected(100);
  ask("a", history(1)), ask("b", history(2));
  const auto tickets = go();
  answer(tickets[0], fail(kNoLeader));
  answer(tickets[1], fail(ErrorCode::kPermissionDenied, "user", "no"));
  EXPECT_THAT(answered(), ElementsAre("b!"));
  EXPECT_THAT(go(), IsEmpty()) << "not at once";
  EXPECT_GT(calls_.due_ms(), now_ms_);
  pass(calls_.due_ms() - now_ms_);
  const auto again = go();
  ASSERT_EQ(again.size(), 1u);
  answer(again[0], done());
  EXPECT_THAT(answered(), ElementsAre("b!", "a"));
}

TEST_F(CallsTest, ANodesRetryAfterIsHeeded) {
  calls_.connected(100);
  ask("a", history(1));
  answer(go()[0], fail(Error{ErrorCode::kOverloaded, "queries", "", 700, 0}));
  pass(699);
  EXPECT_THAT(go(), IsEmpty());
  pass(1);
  EXPECT_EQ(go().size(), 1u);
}

TEST_F(CallsTest, WhoWouldWaitLongerThanItsDeadlineHearsTheNodesOwnErrorAtOnce) {
  calls_.connected(100);
  ask("a", history(1));
  answer(go()[0], fail(Error{ErrorCode::kOverloaded, "queries", "", 1'001, 0}));
  EXPECT_THAT(answered(), ElementsAre("a!"));
  EXPECT_EQ(code(), ErrorCode::kOverloaded);
}

TEST_F(CallsTest, AtTheDeadlineTheCallerHearsWhyThereIsNoAnswer) {
  ask("never sent", history(1));
  now_ms_ += kTimeoutMs - 1;
  EXPECT_FALSE(calls_.has_expired(now_ms_));
  now_ms_ += 1;
  ASSERT_TRUE(calls_.has_expired(now_ms_));
  tell(calls_.expire(now_ms_, "a:1: Connection refused"));
  EXPECT_EQ(code(), ErrorCode::kDeadlineExceeded);
  EXPECT_THAT(answers_.back().second.error().detail, HasSubstr("a:1: Connection refused"));

  calls_.connected(100);
  ask("refused", history(1));
  answer(go()[0], fail(kNoLeader));
  pass(kTimeoutMs);
  EXPECT_THAT(answered(), ElementsAre("never sent!", "refused!"));
  EXPECT_THAT(answers_.back().second.error().detail, HasSubstr("no leader"));
}

TEST_F(CallsTest, WhatIsOnTheWireAtItsDeadlineIsAnsweredOnceAndItsPlaceThereGivenBackLate) {
  calls_.connected(2);
  ask("a", history(1)), ask("b", history(2));
  const auto first = go();
  ASSERT_EQ(first.size(), 1u) << "half of what the node allows is the outbox's";
  pass(kTimeoutMs);
  EXPECT_THAT(answered(), ElementsAre("b!", "a!"));
  EXPECT_TRUE(calls_.has_on_wire());
  answer(first[0], done());
  EXPECT_EQ(answers_.size(), 2u);
  EXPECT_FALSE(calls_.has_on_wire());
}

TEST_F(CallsTest, ACallThatIsNotToBeMadeTwiceIsNotMadeAgainOnceItMayHaveBeenMade) {
  ask("waits", replay());
  calls_.connected(100);
  tell(calls_.disconnected());
  EXPECT_THAT(answered(), IsEmpty()) << "it was never sent";
  calls_.connected(100);
  auto ticket = go().at(0);
  answer(ticket, fail(Error{ErrorCode::kOverloaded, "callsInFlight", "", 0, 0}));
  EXPECT_THAT(answered(), IsEmpty()) << "turned away at the door";
  pass(200);
  ticket = go().at(0);
  tell(calls_.disconnected());
  EXPECT_THAT(answered(), ElementsAre("waits!"));
  EXPECT_EQ(code(), ErrorCode::kUnavailable);
  EXPECT_THAT(answers_.back().second.error().detail, HasSubstr("not known"));

  calls_.connected(100);
  ask("if new", set_position("taxis", PositionCondition::kIfNew));
  answer(go().at(0), fail(kNoLeader));
  EXPECT_THAT(answered(), ElementsAre("waits!", "if new!"));
}

TEST_F(CallsTest, ADeviceThatIsNotFoundWhenItIsRemovedAgainIsRemoved) {
  calls_.connected(100);
  const Error not_found{ErrorCode::kNotFound, "device", "", 0, 0};
  ask("first", ManageRequest(RemoveDeviceRequest{}));
  answer(go().at(0), fail(not_found));
  EXPECT_EQ(code(), ErrorCode::kNotFound) << "there was none";
  ask("again", ManageRequest(RemoveDeviceRequest{}));
  (void)go();
  tell(calls_.disconnected());
  calls_.connected(100);
  answer(go().at(0), fail(not_found));
  EXPECT_THAT(answered(), ElementsAre("first!", "again"));
}

TEST_F(CallsTest, AChangeIsNotMadeAgainAfterALaterOneOfItsLayer) {
  calls_.connected(100);
  ask("old", set_position("taxis")), ask("new", set_position("taxis")), ask("other", set_position("people"));
  auto tickets = go();
  answer(tickets[0], fail(kNoLeader));
  EXPECT_THAT(answered(), ElementsAre("old!")) << "the later one is on its way";
  answer(tickets[2], fail(kNoLeader));
  EXPECT_EQ(answers_.size(), 1u);

  ask("third", set_position("taxis"));
  tickets.push_back(go().at(0));
  answer(tickets[3], done());
  tell(calls_.disconnected());
  EXPECT_THAT(answered(), ElementsAre("old!", "third", "new!")) << "the later one is made";
}

TEST_F(CallsTest, ChangesOfALayerKeepTheirOrderOverALostConnection) {
  calls_.connected(100);
  ask("1", set_position("taxis")), ask("2", set_position("taxis"));
  (void)go();
  tell(calls_.disconnected());
  ask("3", set_position("taxis"));
  calls_.connected(100);
  for (const auto ticket : go()) answer(ticket, done());
  EXPECT_THAT(answered(), ElementsAre("1", "2", "3"));
}

TEST_F(CallsTest, AChangeWaitsBehindAnEarlierOneThatRestsAndOthersDoNot) {
  calls_.connected(100);
  ask("1", set_position("taxis"));
  answer(go().at(0), fail(kNoLeader));
  ask("2", set_position("taxis")), ask("elsewhere", set_position("people")), ask("asks", history(1));
  EXPECT_EQ(go().size(), 2u);
  pass(100);
  const auto tickets = go();
  ASSERT_EQ(tickets.size(), 2u);
  answer(tickets[0], done()), answer(tickets[1], done());
  EXPECT_THAT(answered(), ElementsAre("1", "2"));
}

TEST_F(CallsTest, WithoutATimeoutNothingWaitsAndNothingIsMadeAgain) {
  calls_ = make(0);
  ask("a", history(1));
  EXPECT_EQ(code(), ErrorCode::kUnavailable);
  calls_.connected(100);
  ask("b", history(1)), ask("c", history(1));
  const auto tickets = go();
  answer(tickets[0], fail(kNoLeader));
  tell(calls_.disconnected());
  EXPECT_THAT(answered(), ElementsAre("a!", "b!", "c!"));
  EXPECT_EQ(calls_.deadline_ms(), 0u);
}

TEST_F(CallsTest, AsManyWaitAsTheLimitAndOneMoreIsOverloaded) {
  calls_ = make(kTimeoutMs, 3);
  for (const char* name : {"a", "b", "c"}) ask(name, history(1));
  EXPECT_THAT(answered(), IsEmpty());
  ask("d", history(1));
  EXPECT_THAT(answered(), ElementsAre("d!"));
  EXPECT_EQ(code(), ErrorCode::kOverloaded);
  EXPECT_EQ(answers_.back().second.error().field, "calls");
  EXPECT_EQ(Calls::Limits{}.calls_max, limits::kClientCallsMax);
}

TEST_F(CallsTest, AClientThatStopsAnswersEverybodyWithTheReason) {
  calls_.connected(2);
  ask("on the wire", history(1)), ask("waits", history(2));
  (void)go();
  tell(calls_.stop(Error{ErrorCode::kSessionReplaced, "", "", 0, 0}));
  EXPECT_THAT(answered(), ElementsAre("on the wire!", "waits!"));
  EXPECT_EQ(code(), ErrorCode::kSessionReplaced);
}

TEST(Repeats, ATokenThatHasEndedIsNoAnswerWhenAnotherFollows) {
  const Error ended{ErrorCode::kUnauthenticated, "token", "", 0, 0};
  EXPECT_TRUE(is_passing(ended, true));
  EXPECT_FALSE(is_passing(ended, false));
  EXPECT_FALSE(is_passing(Error{ErrorCode::kSessionReplaced, "", "", 0, 0}, true));
}

}  // namespace
}  // namespace earshot::client
