#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actors/shard_refusals.hpp"
#include "tests/support/exchange_nodes.hpp"

// Who leads a shard, and what becomes of calls when that changes.
namespace earshot::actors {
namespace {

using namespace tests;

class ExchangeLeaders : public ExchangeTest {
 protected:
  void a_changes_a_position() {
    route(a_).post(ShardPositions{SetPositionsCommand{LayerId::trusted("cars"), {}, {{"m", 1}}},
                                  [](const Result<PositionsAnswer>&) {}});
  }
  // B has an ack of that session, and tells A that it does not lead: as a leader does that hands over.
  ShardAck a_unlearns_b(const std::shared_ptr<RecordingSession>& anna) {
    route(a_).post(ShardAck{anna, 5, AckCommand{UserId::trusted("anna"), device("phone"), Sequence(3), {}}});
    a_changes_a_position();
    carry();
    const auto asked = b_.take_requests();
    std::get<ShardPositions>(asked.at(1)).done(fail(refusals::not_leader()));
    carry();
    EXPECT_EQ(a_.exchange->leader(kShard).node, NodeId());
    return std::get<ShardAck>(asked.at(0));
  }
  // Whom the node asks at its next tick who leads.
  std::set<NodeId> asked_who_leads(ExchangeNode& from) {
    from.exchange->tick();
    std::set<NodeId> asked;
    for (const Wires::Frame& one : wires_.frames)
      if (one.frame.topic == cluster::PeerTopic::kCluster && one.frame.group == kShard) asked.insert(one.to);
    carry();
    return asked;
  }
  // The word of the new leader reaches B, gets lost on its way to A, and nobody says it again by itself.
  void c_leads_and_a_does_not_know() {
    c_.exchange->leader_is(kShard, {kC, Term(3)});
    std::erase_if(wires_.frames, [](const Wires::Frame& one) { return one.to == kA; });
    carry();
    ASSERT_EQ(a_.exchange->leader(kShard).node, kB);
    ASSERT_EQ(b_.exchange->leader(kShard).node, kC);
  }
  // A asks all others who leads, and then the one that does.
  void expect_a_finds_c() {
    EXPECT_EQ(a_.exchange->leader(kShard).node, NodeId());
    EXPECT_EQ(asked_who_leads(a_), (std::set<NodeId>{kB, kC}));
    for (ExchangeNode* asked : {&b_, &c_}) asked->exchange->compared(kShard, kA, false);  // as their shards do
    carry();
    EXPECT_EQ(a_.exchange->leader(kShard), (Route::Leader{kC, Term(3)}));
    a_changes_a_position();
    carry();
    EXPECT_EQ(c_.take_requests().size(), 1u);
  }
};

TEST_F(ExchangeLeaders, ANewLeaderIsKnownOnEveryNodeAndTheirSessionsAreTold) {
  b_leads();
  EXPECT_EQ(a_.exchange->leader(kShard).node, kB);
  EXPECT_EQ(c_.exchange->leader(kShard).node, kB);
  EXPECT_EQ(a_.sessions->announced, std::vector<Term>{Term(2)});
}

TEST_F(ExchangeLeaders, CallsToALeaderThatWasReplacedAreLost) {
  b_leads();
  const auto anna = session(a_, 70);
  route(a_).post(ShardFetch{anna, 5, UserId::trusted("anna"), {}, 1, 1});
  wires_.frames.clear();
  c_.exchange->leader_is(kShard, {kC, Term(3)});
  carry();
  EXPECT_EQ(anna->fetches.size(), 1u);
}

// It has led all the time, and answers what it was asked before.
TEST_F(ExchangeLeaders, CallsToALeaderThatIsFoundAgainInItsTermAreNotLost) {
  b_leads();
  const auto anna = session(a_, 70);
  const ShardAck ack = a_unlearns_b(anna);
  route(a_).post(ShardFetch{anna, 6, UserId::trusted("anna"), {}, 1, 1});
  EXPECT_EQ(asked_who_leads(a_), (std::set<NodeId>{kB, kC}));
  EXPECT_TRUE(b_.take_requests().empty()) << "nobody is known to lead";
  b_.exchange->compared(kShard, kA, false);  // as its shard does
  carry();
  EXPECT_EQ(a_.exchange->leader(kShard), (Route::Leader{kB, Term(2)}));
  EXPECT_EQ(b_.take_requests().size(), 1u) << "what waited goes out";
  EXPECT_TRUE(anna->acks.empty()) << "nothing is known of it yet";
  ack.from->post(AckAnswered{ack.request, Sequence(3)});
  carry();
  ASSERT_EQ(anna->acks.size(), 1u);
  ASSERT_TRUE(anna->acks[0].cursor.has_value());
  EXPECT_EQ(*anna->acks[0].cursor, Sequence(3));
  EXPECT_EQ(a_.sessions->announced, std::vector<Term>{Term(2)}) << "it is no news";
}

TEST_F(ExchangeLeaders, CallsToALeaderThatIsElectedAgainAreLost) {
  b_leads();
  const auto anna = session(a_, 70);
  a_unlearns_b(anna);
  route(a_).post(ShardFetch{anna, 6, UserId::trusted("anna"), {}, 1, 1});
  b_.exchange->leader_is(kShard, {kB, Term(4)});
  carry();
  ASSERT_EQ(anna->acks.size(), 1u);
  ASSERT_FALSE(anna->acks[0].cursor.has_value());
  EXPECT_TRUE(refusals::is_leader_change(anna->acks[0].cursor.error()));
  EXPECT_EQ(b_.take_requests().size(), 1u) << "what waited goes out";
}

TEST_F(ExchangeLeaders, WhatWaitedForALeaderIsAskedOfItAndNotLost) {
  const auto anna = session(a_, 70);
  route(a_).post(ShardFetch{anna, 5, UserId::trusted("anna"), {}, 1, 1});
  b_leads();
  EXPECT_THAT(anna->fetches, testing::IsEmpty());
  EXPECT_EQ(b_.take_requests().size(), 1u);
}

TEST_F(ExchangeLeaders, ANodeThatKnowsNoLeaderAsks) {
  b_leads();
  a_.exchange->leader_is(kShard, {NodeId(), Term(2)});
  a_.exchange->tick();
  carry();
  ASSERT_EQ(b_.replica_->frames.size(), std::size_t{kShardCount});
  b_.exchange->compared(kShard, kA, false);  // as its shard does
  carry();
  EXPECT_EQ(a_.exchange->leader(kShard), (Route::Leader{kB, Term(2)}));
}

TEST_F(ExchangeLeaders, AnotherNodesCallIsPassedOnAndAnsweredStraight) {
  b_leads();
  const auto anna = session(a_, 70);
  route(a_).post(ShardFetch{anna, 5, UserId::trusted("anna"), {}, 1, 1});
  carry();
  auto asked = b_.take_requests();
  ASSERT_EQ(asked.size(), 1u);
  b_.exchange->leader_is(kShard, {kC, Term(3)});
  b_.exchange->given_back(kShard, std::move(asked[0]), 1);
  carry();
  const auto passed_on = c_.take_requests();
  ASSERT_EQ(passed_on.size(), 1u);
  const auto& fetch = std::get<ShardFetch>(passed_on[0]);
  EXPECT_EQ(fetch.from->address().node, kA);
  Batch batch;
  batch.epoch = Epoch(1);
  fetch.from->post(FetchAnswered{fetch.request, std::move(batch)});
  ASSERT_EQ(wires_.frames.size(), 1u);
  EXPECT_EQ(wires_.frames[0].to, kA);
  carry();
  EXPECT_EQ(anna->fetches.size(), 1u);
}

// Its client may have asked again elsewhere by now, and for other things since.
TEST_F(ExchangeLeaders, AnotherNodesChangeIsNotPassedOn) {
  b_leads();
  std::optional<Error> told;
  route(a_).post(ShardPositions{SetPositionsCommand{LayerId::trusted("cars"), {}, {{"m", 1}}},
                                [&](const Result<PositionsAnswer>& answer) { told = answer.error(); }});
  carry();
  auto asked = b_.take_requests();
  ASSERT_EQ(asked.size(), 1u);
  b_.exchange->leader_is(kShard, {kC, Term(3)});
  b_.exchange->given_back(kShard, std::move(asked[0]), 1);
  carry();
  EXPECT_TRUE(c_.take_requests().empty());
  ASSERT_TRUE(told);
  EXPECT_TRUE(refusals::is_leader_change(*told)) << told->to_string();
}

// What its client asked next may have gone to the new leader before the shard gave this one back.
TEST_F(ExchangeLeaders, AChangeThatComesBackFromAShardHereDoesNotFollowLaterOnes) {
  b_.exchange->leader_is(kShard, {kC, Term(3)});
  std::optional<Error> told;
  ShardPositions positions{SetPositionsCommand{LayerId::trusted("cars"), {}, {{"m", 1}}},
                           [&](const Result<PositionsAnswer>& answer) { told = answer.error(); }};
  b_.exchange->given_back(kShard, std::move(positions), 0);
  carry();
  EXPECT_TRUE(c_.take_requests().empty());
  ASSERT_TRUE(told);
  EXPECT_TRUE(refusals::is_leader_change(*told)) << told->to_string();
}

TEST_F(ExchangeLeaders, ANodeThatIsToldThatTheLeaderDoesNotLeadAsksWhoDoes) {
  b_leads();
  c_leads_and_a_does_not_know();
  a_changes_a_position();
  carry();
  auto asked = b_.take_requests();
  ASSERT_EQ(asked.size(), 1u);
  b_.exchange->given_back(kShard, std::move(asked[0]), 1);
  carry();
  expect_a_finds_c();
}

// Its session would ask the same node again and again until its deadline.
TEST_F(ExchangeLeaders, ANodeThatIsToldSoOfMailboxesItLooksAfterAsksWhoLeads) {
  b_leads();
  c_leads_and_a_does_not_know();
  const auto anna = session(a_, 70);
  route(a_).post(ShardManage{anna, 5, DevicesRequest{UserId::trusted("anna")}});
  carry();
  auto asked = b_.take_requests();
  ASSERT_EQ(asked.size(), 1u);
  b_.exchange->given_back(kShard, std::move(asked[0]), 1);
  carry();
  ASSERT_EQ(anna->manages.size(), 1u);
  ASSERT_FALSE(anna->manages[0].answer.has_value());
  EXPECT_TRUE(refusals::is_leader_change(anna->manages[0].answer.error()));
  expect_a_finds_c();
}

// Whoever does not lead passes a read on: a new leader that has not caught up says so, and all else need not wait.
TEST_F(ExchangeLeaders, ALeaderThatRefusesAReadIsBelievedToLeadStill) {
  b_leads();
  const auto anna = session(a_, 70);
  route(a_).post(ShardFetch{anna, 5, UserId::trusted("anna"), {}, 1, 1});
  carry();
  const auto asked = b_.take_requests();
  ASSERT_EQ(asked.size(), 1u);
  const auto& fetch = std::get<ShardFetch>(asked[0]);
  fetch.from->post(FetchAnswered{fetch.request, fail(refusals::not_leader())});
  carry();
  ASSERT_EQ(anna->fetches.size(), 1u);
  EXPECT_EQ(a_.exchange->leader(kShard).node, kB);
}

// The leader knows a session by its node and its number: with another node's it would keep a session that has ended.
TEST_F(ExchangeLeaders, AGoodbyeThatIsPassedOnIsOfItsSessionsNode) {
  b_leads();
  route(a_).post(ShardUnregister{70, UserId::trusted("anna"), device("phone"), kA});
  carry();
  auto asked = b_.take_requests();
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(std::get<ShardUnregister>(asked[0]).node, kA);
  b_.exchange->leader_is(kShard, {kC, Term(3)});
  b_.exchange->given_back(kShard, std::move(asked[0]), 1);
  carry();
  const auto passed_on = c_.take_requests();
  ASSERT_EQ(passed_on.size(), 1u);
  EXPECT_EQ(std::get<ShardUnregister>(passed_on[0]).node, kA);
}

TEST_F(ExchangeLeaders, ANodeThatComesLaterIsToldWhoLeads) {
  b_.exchange->leader_is(kShard, {kB, Term(2)});
  wires_.frames.clear();
  b_.exchange->link_up(kA);
  carry();
  EXPECT_EQ(a_.exchange->leader(kShard).node, kB);
}

}  // namespace
}  // namespace earshot::actors
