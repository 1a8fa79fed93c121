#include <algorithm>
#include <string>

#include "cluster/pulse.hpp"
#include "tests/unit/cluster/replica_fixture.hpp"

// A replica in whose group nothing happens.
namespace earshot::cluster {
namespace {

constexpr std::uint64_t kBeatMs = limits::kHeartbeatMs;
constexpr std::uint64_t kRestMs = kBeatMs * limits::kRestBeats;

class ReplicaPulseTest : public ReplicaTest {
 protected:
  ReplicaPulseTest() { pulse = std::make_shared<GroupPulse>(); }

  // Both followers answer whatever the leader says.
  void answer() {
    for (const std::uint64_t node : {2, 3}) acknowledge(node, replica->last_index());
  }
  // The leader of three, whose followers have all and know it.
  void start_resting_leader() {
    start_leader();
    answer();
    persist_all();
    for (int i = 0; i < 6; ++i) {
      tick_when_due();
      answer();
    }
    tick_when_due();
    host.take_sent();
  }
  // … and whose nodes answer pulses.
  void start_quiet_leader() {
    start_resting_leader();
    answer();
    ++now;
    hear_followers();
    tick_when_due();
    host.take_sent();
  }
  [[nodiscard]] bool beats() const {
    GroupBeat beat;
    return pulse->beats_for(NodeId(2), now, beat) && beat.term == replica->term() && beat.last == replica->last_index();
  }
  // As node 2 and 3 answer to their node's pulse.
  void hear_followers() {
    for (const std::uint64_t node : {2, 3})
      ASSERT_TRUE(pulse->heard(NodeId(node), {{}, replica->term(), replica->last_index()}, false, now));
  }
  // A follower of node 2 in term 2, that has all.
  void start_resting_follower() {
    start_follower();
    replica->receive(append(2, 2, 1, 1, {command(2, 2, "a")}, 1), ++now);
    persist_all();
    hear_leader();
  }
  void hear_leader() { replica->receive(append(2, 2, 2, 2, {}, 2), ++now); }
};

TEST_F(ReplicaPulseTest, ALeaderInWhoseGroupNothingHappensSendsFewHeartbeats) {
  start_quiet_leader();
  EXPECT_TRUE(beats());
  constexpr std::uint64_t kRests = 10;
  for (const std::uint64_t end_ms = now + kRests * kRestMs; now < end_ms;) {
    answer();
    now = host.wakes.back() - 1;
    hear_followers();
    tick_when_due();
    EXPECT_EQ(now % kRestMs, 0u) << "with all others of its node";
  }
  EXPECT_LE(sent_of<AppendEntries>(2).size(), kRests + 1);
}

TEST_F(ReplicaPulseTest, ItDoesNotRestWhileAFollowerMisses) {
  start_leader();
  for (int i = 0; i < 6; ++i) {
    acknowledge(2, replica->last_index());
    persist_all();
    tick_when_due();
  }
  EXPECT_FALSE(beats());
  host.take_sent();
  const std::uint64_t before = now;
  tick_when_due();
  EXPECT_LE(now - before, kBeatMs);
}

TEST_F(ReplicaPulseTest, NorOnceItHasSomethingNew) {
  start_resting_leader();
  submit("news");
  EXPECT_FALSE(beats());
  EXPECT_LE(host.wakes.back() - now, kBeatMs);
}

TEST_F(ReplicaPulseTest, NorWhileItHandsOver) {
  start_resting_leader();
  answer();
  ASSERT_TRUE(replica->transfer(NodeId(2), ++now));
  EXPECT_FALSE(beats());
}

TEST_F(ReplicaPulseTest, AFollowerThatOnlyItsNodeIsHeardOfIsThere) {
  start_quiet_leader();
  for (int i = 0; i < 20; ++i) {
    now = host.wakes.back() - 1;
    hear_followers();
    tick_when_due();
    ASSERT_EQ(replica->role(), Role::kLeader) << "after " << i;
    EXPECT_GE(replica->heard_ms(NodeId(2)) + 2, now);
  }
}

TEST_F(ReplicaPulseTest, AnAnswerToAnEarlierLeadershipIsNotGivenAgain) {
  start_resting_leader();
  answer();
  const LogIndex next = replica->last_index().next();
  for (const std::uint64_t node : {2, 3})
    replica->receive(from(node, replica->term().value - 1, AppendEntriesResult{{}, LogIndex(next.value + 5), 0, 0}),
                     ++now);
  now += 10;
  hear_followers();
  submit("news");
  persist_all();
  EXPECT_EQ(replica->match_index(NodeId(2)), next.previous());
  EXPECT_EQ(replica->commit_index(), next.previous());
}

TEST_F(ReplicaPulseTest, UntilPulsesAreAnsweredItSendsAllHeartbeats) {
  start_resting_leader();
  answer();
  const std::uint64_t before = now;
  tick_when_due();
  EXPECT_LE(now - before, kBeatMs);
}

TEST_F(ReplicaPulseTest, ALeaderThatHearsNobodyStepsDown) {
  start_quiet_leader();
  const std::uint64_t before = now;
  while (replica->role() == Role::kLeader && now < before + 10'000) tick_when_due();
  EXPECT_EQ(replica->role(), Role::kFollower);
  EXPECT_LE(now - before, 3 * limits::kElectionTimeoutMs);
  EXPECT_FALSE(beats());
}

TEST_F(ReplicaPulseTest, AFollowerWhoseLeadersNodeIsHeardDoesNotStand) {
  start_resting_follower();
  const GroupBeat beat{{}, Term(2), LogIndex(2)};
  const std::uint64_t due_ms = host.wakes.back();
  ASSERT_TRUE(pulse->heard(NodeId(2), beat, true, now + kRestMs));
  now = due_ms;
  replica->tick(now);
  EXPECT_EQ(replica->role(), Role::kFollower);
  EXPECT_EQ(replica->leader(), NodeId(2));
  EXPECT_GE(host.wakes.back(), due_ms + kRestMs - 2) << "it waits from then on";
}

TEST_F(ReplicaPulseTest, OneThatHearsNothingStands) {
  start_resting_follower();
  tick_when_due();
  EXPECT_EQ(replica->leader(), NodeId());
  EXPECT_EQ(sent_of<RequestVote>(2).size(), 1u);
  EXPECT_FALSE(pulse->heard(NodeId(2), {{}, Term(2), LogIndex(2)}, true, now)) << "it has given that leader up";
}

TEST_F(ReplicaPulseTest, ANodeIsBelievedOnlySoLongWithoutTheReplica) {
  start_resting_follower();
  EXPECT_TRUE(pulse->heard(NodeId(2), {{}, Term(2), LogIndex(2)}, true, now + kRestMs));
  EXPECT_FALSE(pulse->heard(NodeId(2), {{}, Term(2), LogIndex(2)}, true, now + 2 * kRestMs));
}

TEST_F(ReplicaPulseTest, AFollowerThatIsBehindDoesNotRest) {
  start_follower();
  replica->receive(append(2, 2, 1, 1, {command(2, 2, "a")}, 1), ++now);
  hear_leader();
  EXPECT_FALSE(pulse->heard(NodeId(2), {{}, Term(2), LogIndex(2)}, true, now)) << "what it has is not synced";
  persist_all();
  hear_leader();
  EXPECT_TRUE(pulse->heard(NodeId(2), {{}, Term(2), LogIndex(2)}, true, now));
  replica->receive(append(2, 2, 2, 2, {command(3, 2, "b")}, 2), ++now);
  EXPECT_FALSE(pulse->heard(NodeId(2), {{}, Term(2), LogIndex(2)}, true, now)) << "there is more";
}

TEST_F(ReplicaPulseTest, OneThatEndsIsNotBeatenFor) {
  start_resting_leader();
  replica.reset();
  GroupBeat beat;
  EXPECT_FALSE(pulse->beats_for(NodeId(2), now, beat));
}

}  // namespace
}  // namespace earshot::cluster
