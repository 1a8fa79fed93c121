#include <algorithm>
#include <initializer_list>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "tests/support/exchange_nodes.hpp"

// What nodes tell each other without being asked: pulses, clocks, registrations, and who is gone.
namespace earshot::actors {
namespace {

using namespace tests;

class ExchangeRounds : public ExchangeTest {};

TEST_F(ExchangeRounds, OnePulseIsSaidForAllGroupsThatRest) {
  const std::vector followers{kB, kC};
  for (const storage::GroupId group : {kShard, storage::kMetaGroup}) {
    a_.exchange->pulse(group)->leads(followers, Term(2), LogIndex(9), clock_.monotonic_ms() + 600);
    for (ExchangeNode* follower : {&b_, &c_})
      follower->exchange->pulse(group)->follows(kA, Term(2), LogIndex(9), clock_.monotonic_ms() + 600);
  }
  c_.exchange->pulse(kShard)->stirs();
  clock_.advance(150);
  for (ExchangeNode* node : {&a_, &b_, &c_}) node->exchange->send_pulses();
  EXPECT_EQ(wires_.frames.size(), 2u) << "one to each follower's node, none from there";
  carry();
  EXPECT_EQ(b_.exchange->pulse(kShard)->heard_ms(kA), clock_.monotonic_ms());
  EXPECT_EQ(b_.exchange->pulse(storage::kMetaGroup)->heard_ms(kA), clock_.monotonic_ms());
  EXPECT_EQ(a_.exchange->pulse(kShard)->heard_ms(kB), clock_.monotonic_ms());
  EXPECT_EQ(a_.exchange->pulse(kShard)->heard_ms(kC), 0u) << "it does not rest there";
  EXPECT_EQ(a_.exchange->pulse(storage::kMetaGroup)->heard_ms(kC), clock_.monotonic_ms());
}

TEST_F(ExchangeRounds, ALostLastPushIsMissedWhenTheLeaderNamesIt) {
  b_leads();
  const auto anna = session(a_, 70);
  route(a_).post(ShardRegister{anna, 70, UserId::trusted("anna"), device("phone"), true});
  carry();
  const auto asked = b_.take_requests();
  std::get<ShardRegister>(asked.at(0)).from->post(MessagesEnded{{{Sequence(1), Sequence(1), LostReason::kExpired}}});
  wires_.frames.clear();
  b_.exchange->compared(kShard, kA, false);
  carry();
  EXPECT_EQ(a_.sessions->again, 0) << "all that is missed by then is told at the next tick";
  a_.exchange->tick();
  EXPECT_EQ(a_.sessions->again, 1);
  b_.exchange->compared(kShard, kA, false);
  carry();
  a_.exchange->tick();
  EXPECT_EQ(a_.sessions->again, 1) << "once";
}

TEST_F(ExchangeRounds, APushBeforeTheOneThatComesIsMissed) {
  b_leads();
  const auto anna = session(a_, 70);
  route(a_).post(ShardRegister{anna, 70, UserId::trusted("anna"), device("phone"), true});
  carry();
  const auto asked = b_.take_requests();
  const auto port = std::get<ShardRegister>(asked.at(0)).from;
  const MessagesEnded ended{{{Sequence(1), Sequence(1), LostReason::kExpired}}};
  port->post(ended);
  wires_.frames.clear();
  port->post(ended);
  carry();
  a_.exchange->tick();
  EXPECT_EQ(a_.sessions->again, 1);
}

TEST_F(ExchangeRounds, RegistrationsAreComparedWithTheLeader) {
  b_leads();
  a_.sessions->registered.add(7);
  for (int second = 0; second < 3; ++second) a_.exchange->tick();
  carry();
  // Of the other shards nobody leads: they are asked after.
  const auto& frames = b_.replica_->frames;
  const auto compared = std::find_if(frames.begin(), frames.end(), [&](const FromPeer& frame) {
    return decode_registrations(*frame.body).value() == a_.sessions->registered;
  });
  EXPECT_NE(compared, frames.end());
}

// As by a time server that is wrong: the monotonic clock shows it, and nobody speaks against that.
TEST_F(ExchangeRounds, ClocksThatAreSetTogetherDoNotConfirmEachOther) {
  const auto is_confirmed = [this] {
    for (int second = 0; second < 6; ++second) {
      clock_.advance(1'000);
      for (ExchangeNode* node : {&a_, &b_, &c_}) node->exchange->tick();
      carry();
    }
    return a_.exchange->clocks()->is_confirmed(clock_.wall_ms(), clock_.monotonic_ms());
  };
  EXPECT_TRUE(is_confirmed());
  clock_.jump_wall(3'600'000);
  EXPECT_FALSE(is_confirmed());
  EXPECT_FALSE(a_.exchange->clocks()->is_in_doubt());
  clock_.jump_wall(-3'600'000);
  EXPECT_TRUE(is_confirmed());
}

// It takes its clock for right, and no longer knows that it was set.
TEST_F(ExchangeRounds, ANodeThatIsStartedAgainDoesNotConfirmClocksThatWereSet) {
  clock_.jump_wall(3'600'000);
  ExchangeNode third(kC, wires_, clock_);
  const auto is_confirmed_by = [this](std::initializer_list<ExchangeNode*> started_again) {
    clock_.advance(1'000);
    for (ExchangeNode* node : started_again) node->exchange->tick();
    a_.exchange->tick();
    carry();
    a_.exchange->tick();
    return a_.exchange->clocks()->is_confirmed(clock_.wall_ms(), clock_.monotonic_ms());
  };
  EXPECT_FALSE(is_confirmed_by({&third}));
  EXPECT_FALSE(a_.exchange->clocks()->is_in_doubt());
  ExchangeNode second(kB, wires_, clock_);
  EXPECT_TRUE(is_confirmed_by({&third, &second})) << "most of all others";
}

TEST_F(ExchangeRounds, ANodeThatIsCutOffSendsItsClientsAway) {
  wires_.up = false;
  for (int second = 0; second < 3; ++second) {
    a_.exchange->tick();
    clock_.advance(1'000);
  }
  EXPECT_EQ(a_.sessions->sent_away, 1);
}

// One link is broken: a majority is there, and what B leads is served for everybody but A's clients.
TEST_F(ExchangeRounds, WhoDoesNotReachALeaderThatOthersFollowSendsItsClientsToThem) {
  b_leads();
  const auto pass = [this](int seconds, bool c_follows) {
    for (int second = 0; second < seconds; ++second) {
      a_.exchange->tick();
      carry();
      for (const FromPeer& frame : std::exchange(c_.replica_->frames, {}))
        if (frame.topic == cluster::PeerTopic::kCluster && c_follows)
          c_.exchange->follows(kShard, {kB, Term(2)}, frame.from);
      carry();
      clock_.advance(1'000);
    }
  };
  pass(20, true);
  EXPECT_EQ(a_.sessions->sent_away, 0);
  wires_.broken.insert({kA, kB});
  pass(20, false);
  EXPECT_EQ(a_.sessions->sent_away, 0) << "nobody says that it lives";
  pass(5, true);
  EXPECT_EQ(a_.sessions->sent_away, 1);
  EXPECT_EQ(a_.sessions->to_a_and_b, std::pair(true, false));
  a_.exchange->leader_is(kShard, {kC, Term(3)});
  pass(20, true);
  EXPECT_EQ(a_.sessions->sent_away, 1);
}

// It would be followed for as long as nobody has noticed.
TEST_F(ExchangeRounds, WhoHearsNothingFromALeaderDoesNotSayThatItFollowsIt) {
  wires_.broken.insert({kB, kC});
  c_.exchange->follows(kShard, {kB, Term(2)}, kA);
  EXPECT_TRUE(wires_.frames.empty());
  wires_.broken.clear();
  c_.exchange->follows(kShard, {kB, Term(2)}, kA);
  EXPECT_EQ(wires_.frames.size(), 1u);
}

TEST_F(ExchangeRounds, ANodeThatHasNotComeYetIsNotNeededForAMajority) {
  wires_.up = false;
  a_.exchange->set_nodes({kB}, {kB});
  for (int second = 0; second < 20; ++second) {
    a_.exchange->tick();
    clock_.advance(1'000);
  }
  EXPECT_EQ(a_.sessions->sent_away, 0);
  a_.exchange->set_nodes({kB});
  for (int second = 0; second < 3; ++second) {
    a_.exchange->tick();
    clock_.advance(1'000);
  }
  EXPECT_EQ(a_.sessions->sent_away, 1);
}

TEST_F(ExchangeRounds, TheLeaderForgetsTheSessionsOfANodeThatIsGone) {
  b_leads();
  wires_.up = false;
  b_.exchange->tick();
  clock_.advance(limits::kNodeGoneMs);
  for (int second = 0; second < 3; ++second) b_.exchange->tick();
  std::set<NodeId> gone;
  for (const FromPeer& frame : b_.replica_->frames) {
    ASSERT_EQ(frame.topic, cluster::PeerTopic::kCluster);
    EXPECT_EQ(decode_registrations(*frame.body).value(), RegistrationDigest());
    gone.insert(frame.from);
  }
  EXPECT_EQ(gone, (std::set<NodeId>{kA, kC}));
}

// It is in nobody's list any more, and so nobody would notice for how long it is gone.
TEST_F(ExchangeRounds, TheLeaderForgetsTheSessionsOfANodeThatIsRemovedAtOnce) {
  b_leads();
  b_.exchange->set_nodes({kA});
  for (int second = 0; second < 9; ++second) b_.exchange->tick();
  ASSERT_EQ(b_.replica_->frames.size(), 1u);
  EXPECT_EQ(b_.replica_->frames[0].from, kC);
  EXPECT_EQ(decode_registrations(*b_.replica_->frames[0].body).value(), RegistrationDigest());
}

}  // namespace
}  // namespace earshot::actors
