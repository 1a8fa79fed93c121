#include <string>
#include <utility>

#include "tests/unit/cluster/replica_fixture.hpp"

// A replica without its state: what it still does for its group, and how it comes back.
namespace earshot::cluster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

class PassiveReplicaTest : public ReplicaTest {
 protected:
  // A voter of three whose state is not there; its log ends at 3 in term 2.
  void start_passive() {
    start(3, {{Term(2), {}}, {}, {configuration(3), command(2, 1, "a"), command(3, 2, "b")}}, std::nullopt);
    host.take_sent();
  }
};

TEST_F(PassiveReplicaTest, StoresAndAcknowledgesButAppliesNothing) {
  start_passive();
  EXPECT_TRUE(replica->is_passive());
  replica->receive(append(2, 2, 3, 2, {command(4, 2, "c")}, 4), ++now);
  persist_all();
  EXPECT_EQ(sent_of<AppendEntriesResult>().back().last_index, LogIndex(4));
  EXPECT_EQ(replica->commit_index(), LogIndex(4));
  EXPECT_THAT(host.applied, IsEmpty());
}

TEST_F(PassiveReplicaTest, Votes) {
  start_passive();
  replica->receive(from(3, 3, RequestVote{LogIndex(3), Term(2), false, false}), ++now);
  persist_all();
  EXPECT_TRUE(sent_of<RequestVoteResult>().back().granted);
}

// libraft forgets a leader only by standing itself; a voter that remembers one for ever lets nobody else be elected.
TEST_F(PassiveReplicaTest, VotesAgainSomeTimeAfterItsLeaderFellSilent) {
  start_passive();
  replica->receive(append(2, 2, 3, 2, {}, 1), ++now);
  replica->receive(from(3, 3, RequestVote{LogIndex(3), Term(2), false, true}), ++now);
  EXPECT_FALSE(sent_of<RequestVoteResult>().back().granted);
  tick_when_due();
  EXPECT_EQ(replica->leader(), NodeId(0));
  replica->receive(from(3, 3, RequestVote{LogIndex(3), Term(2), false, true}), ++now);
  EXPECT_TRUE(sent_of<RequestVoteResult>().back().granted);
}

TEST_F(PassiveReplicaTest, NeverStandsForElection) {
  start_passive();
  for (int i = 0; i < 20; ++i) tick_when_due();
  EXPECT_EQ(replica->role(), Role::kFollower);
  EXPECT_THAT(host.sent, IsEmpty());
}

TEST_F(PassiveReplicaTest, RefusesToTakeLeadershipOver) {
  start_passive();
  replica->receive(append(2, 2, 3, 2, {}, 1), ++now);
  replica->receive(from(2, 2, TimeoutNow{LogIndex(3), Term(2)}), ++now);
  EXPECT_EQ(replica->role(), Role::kFollower);
  // With its state it does.
  ASSERT_TRUE(replica->state_ready(LogIndex(3), ++now));
  replica->receive(from(2, 2, TimeoutNow{LogIndex(3), Term(2)}), ++now);
  EXPECT_EQ(replica->role(), Role::kCandidate);
}

TEST_F(PassiveReplicaTest, GoesOnWhereTheStateStands) {
  start_passive();
  replica->receive(append(2, 2, 3, 2, {command(4, 2, "c"), command(5, 2, "d")}, 5), ++now);
  persist_all();
  ASSERT_TRUE(replica->state_ready(LogIndex(3), ++now));
  EXPECT_FALSE(replica->is_passive());
  EXPECT_THAT(host.applied, ElementsAre("4:c", "5:d"));
}

TEST_F(PassiveReplicaTest, StateAboveTheLogsEndIsNotAppliedAgain) {
  start_passive();
  ASSERT_TRUE(replica->state_ready(LogIndex(5), ++now));
  EXPECT_EQ(replica->applied_index(), LogIndex(5));
  replica->receive(append(2, 2, 3, 2, {command(4, 2, "c"), command(5, 2, "d"), command(6, 2, "e")}, 6), ++now);
  persist_all();
  EXPECT_THAT(host.applied, ElementsAre("6:e"));
}

TEST_F(PassiveReplicaTest, StateBelowWhatTheLogStillHasIsRefused) {
  start(3, {{Term(4), {}}, snapshot_at(50, 4, 3), {command(50, 4, "x"), command(51, 4, "y")}}, std::nullopt);
  EXPECT_EQ(replica->state_ready(LogIndex(49), ++now).error().code, ErrorCode::kInvalidArgument);
  EXPECT_TRUE(replica->is_passive());
  EXPECT_TRUE(replica->state_ready(LogIndex(50), ++now));
}

TEST_F(PassiveReplicaTest, CutsNothing) {
  start_passive();
  replica->receive(append(2, 2, 3, 2, {command(4, 2, "c"), command(5, 2, "d")}, 5), ++now);
  persist_all();
  const std::size_t writes = host.writes.size();
  replica->snapshot_flushed(LogIndex(4), ++now);
  EXPECT_EQ(host.writes.size(), writes);
}

// ---- a state that is lost while it runs

TEST_F(PassiveReplicaTest, LostStateIsNotAppliedToAndNotCutFor) {
  start_follower();
  replica->receive(append(2, 2, 1, 1, {command(2, 2, "a"), command(3, 2, "b")}, 3), ++now);
  persist_all();
  ASSERT_TRUE(replica->state_lost(++now));
  EXPECT_EQ(replica->applied_index(), LogIndex(0));
  const std::size_t writes = host.writes.size();
  replica->snapshot_flushed(LogIndex(3), ++now);
  EXPECT_EQ(host.writes.size(), writes);
  replica->receive(append(2, 2, 3, 2, {command(4, 2, "c")}, 4), ++now);
  persist_all();
  EXPECT_THAT(host.applied, ElementsAre("2:a", "3:b"));
  ASSERT_TRUE(replica->state_ready(LogIndex(2), ++now));
  EXPECT_THAT(host.applied, ElementsAre("2:a", "3:b", "3:b", "4:c"));
}

TEST_F(PassiveReplicaTest, LeaderWithoutStateHandsOverToAVoterThatHasEverything) {
  start_leader();
  const LogIndex index = submit("a");
  persist_all();
  replica->receive(from(3, 2, AppendEntriesResult{{}, index, 0, 0}), ++now);
  host.take_sent();
  ASSERT_TRUE(replica->state_lost(++now));
  EXPECT_EQ(replica->role(), Role::kFollower);
  EXPECT_EQ(replica->term(), Term(3));
  ASSERT_EQ(host.sent.size(), 1u);
  EXPECT_EQ(host.sent[0].to, NodeId(3));
  EXPECT_TRUE(std::holds_alternative<TimeoutNow>(host.take_sent()[0].content));
  // And votes for it.
  replica->receive(from(3, 3, RequestVote{index, Term(2), true, false}), ++now);
  persist_all();
  EXPECT_TRUE(sent_of<RequestVoteResult>().back().granted);
}

TEST_F(PassiveReplicaTest, LeaderWithoutStateStepsDownAlsoWhenNobodyHasEverything) {
  start_leader();
  submit("a");
  host.take_sent();
  ASSERT_TRUE(replica->state_lost(++now));
  EXPECT_EQ(replica->role(), Role::kFollower);
  EXPECT_EQ(replica->submit({bytes("b")}, now).error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(sent_of<TimeoutNow>(), IsEmpty());
}

TEST_F(PassiveReplicaTest, CandidateWithoutStateGivesUp) {
  start_follower();
  tick_when_due();
  ASSERT_EQ(replica->role(), Role::kCandidate);
  ASSERT_TRUE(replica->state_lost(++now));
  replica->receive(from(2, 2, RequestVoteResult{true, true, 0, 0}), ++now);
  persist_all();
  EXPECT_EQ(replica->role(), Role::kFollower);
}

// ---- a sole voter

TEST_F(PassiveReplicaTest, SoleVoterWithoutStateAndWithACutLogIsCorrupt) {
  EXPECT_THAT(start_error(1, {{Term(2), {}}, snapshot_at(2, 1, 1), {command(3, 2, "b")}}, std::nullopt),
              HasSubstr("state is not there"));
}

TEST_F(PassiveReplicaTest, SoleVoterWithAWholeLogMakesItsStateAnew) {
  start(1, {{Term(2), {}}, {}, {configuration(1), command(2, 1, "a"), command(3, 2, "b")}}, std::nullopt);
  EXPECT_FALSE(replica->is_passive());
  EXPECT_THAT(host.applied, ElementsAre("2:a", "3:b"));
}

TEST_F(PassiveReplicaTest, SoleVoterCannotGoOnWithoutItsState) {
  start(1);
  EXPECT_EQ(replica->state_lost(++now).error().code, ErrorCode::kCorrupt);
}

// ---- and an install

TEST_F(PassiveReplicaTest, InstallAsksForAStateAlthoughOneWasThereOnce) {
  start(3, {{Term(2), {}}, {}, {configuration(3)}}, LogIndex(95));
  ASSERT_TRUE(replica->state_lost(++now));
  replica->receive(from(2, 2, InstallSnapshot{snapshot_at(90, 2, 3)}), ++now);
  persist_all();
  EXPECT_EQ(host.installs.size(), 1u);
  EXPECT_EQ(replica->state_ready(LogIndex(89), ++now).error().code, ErrorCode::kInvalidArgument);
  ASSERT_TRUE(replica->state_ready(LogIndex(91), ++now));
  persist_all();
  EXPECT_EQ(replica->snapshot_index(), LogIndex(90));
  EXPECT_EQ(replica->applied_index(), LogIndex(91));
  EXPECT_FALSE(replica->is_passive());
}

// An install takes as long as the state takes to fetch. Its replica is wanted as a voter meanwhile, and as one of those
// a leader hears from.
TEST_F(PassiveReplicaTest, VotesDuringAnInstallOnceItsLeaderFellSilent) {
  start_follower();
  replica->receive(from(2, 4, InstallSnapshot{snapshot_at(90, 3, 3)}), ++now);
  persist_all();
  tick_when_due();
  replica->receive(from(3, 5, RequestVote{LogIndex(89), Term(3), false, false}), ++now);
  persist_all();
  EXPECT_FALSE(sent_of<RequestVoteResult>().back().granted) << "it lacks entries of the snapshot";
  replica->receive(from(3, 6, RequestVote{LogIndex(90), Term(3), false, false}), ++now);
  persist_all();
  EXPECT_TRUE(sent_of<RequestVoteResult>().back().granted);
  replica->snapshot_installed(LogIndex(90), ++now);
  persist_all();
  EXPECT_EQ(replica->snapshot_index(), LogIndex(90));
}

TEST_F(PassiveReplicaTest, AnswersALeaderDuringAnInstallWithoutAcknowledgingAnything) {
  start_follower();
  replica->receive(from(2, 4, InstallSnapshot{snapshot_at(90, 3, 3)}), ++now);
  persist_all();
  // Another leader, which does not know of the install.
  replica->receive(append(3, 5, 90, 3, {command(91, 5, "a")}, 91), ++now);
  persist_all();
  const auto answers = sent_of<AppendEntriesResult>();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].last_index, LogIndex(0));
  EXPECT_EQ(answers[0].rejected, LogIndex(0));
}

// ---- who leads

TEST_F(PassiveReplicaTest, ChangesOfTheLeaderAreTold) {
  start_follower();
  replica->receive(append(2, 2, 1, 1, {}, 1), ++now);
  replica->receive(append(2, 2, 1, 1, {}, 1), ++now);
  EXPECT_THAT(host.leaders, ElementsAre(Pair(2, 2)));
  // The same node in another term.
  replica->receive(append(2, 4, 1, 1, {}, 1), ++now);
  EXPECT_EQ(host.leaders.back(), std::pair(2ul, 4ul));
  // A vote of its successor's takes it away.
  replica->receive(from(3, 5, RequestVote{LogIndex(1), Term(1), true, false}), ++now);
  EXPECT_EQ(host.leaders.back(), std::pair(0ul, 5ul));
  replica->receive(append(3, 5, 1, 1, {}, 1), ++now);
  EXPECT_EQ(host.leaders.back(), std::pair(3ul, 5ul));
  persist_all();
  tick_when_due();
  EXPECT_EQ(host.leaders.back(), std::pair(0ul, 5ul));
}

TEST_F(PassiveReplicaTest, LeaderTellsItself) {
  start(1);
  EXPECT_THAT(host.leaders, ElementsAre(Pair(1, 1)));
}

}  // namespace
}  // namespace earshot::cluster
