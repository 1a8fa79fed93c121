#include <string>
#include <utility>

#include "cluster/group_view.hpp"
#include "tests/unit/cluster/replica_fixture.hpp"

// Who belongs to the group, how it changes, and whether a leader still leads.
namespace earshot::cluster {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

class ReplicaMembershipTest : public ReplicaTest {
 protected:
  static Member standby(std::uint64_t node) { return {NodeId(node), "node-" + std::to_string(node), false}; }
  // A sole voter with a standby that is committed.
  void start_with_standby() {
    start(1);
    submit("a");
    persist_all();
    ASSERT_TRUE(replica->add(standby(2), ++now));
    persist_all();
    host.sent.clear();
  }
  // A leader of three that has committed an entry of its term.
  void start_leader_that_committed() {
    start_leader();
    const LogIndex index = submit("a");
    persist_all();
    acknowledge(2, index);
    ASSERT_EQ(replica->commit_index(), index);
    host.sent.clear();
  }
};

TEST_F(ReplicaMembershipTest, MembersAreTold) {
  start(3);
  EXPECT_EQ(replica->members(), members(3));
  EXPECT_TRUE(replica->members_committed());
  EXPECT_THAT(host.changes, ElementsAre("1! 1 2 3"));
}

// ---- a sole voter gets company

TEST_F(ReplicaMembershipTest, StandbyIsToldAtOnceAndCommittedByTheVotersAlone) {
  start(1);
  submit("a");
  persist_all();
  ASSERT_TRUE(replica->add(standby(2), ++now));
  EXPECT_THAT(host.changes, ElementsAre("1! 1", "3? 1 2s"));
  EXPECT_FALSE(replica->members_committed());
  EXPECT_FALSE(host.sent.empty()) << "the standby is told";
  persist_all();
  EXPECT_EQ(host.changes.back(), "3! 1 2s");
}

TEST_F(ReplicaMembershipTest, SoleVoterKeepsATimerOnceItHasCompany) {
  start(1);
  submit("a");
  persist_all();
  EXPECT_THAT(host.wakes, IsEmpty());
  now += 100'000;
  ASSERT_TRUE(replica->add(standby(2), ++now));
  persist_all();
  ASSERT_FALSE(host.wakes.empty());
  for (int i = 0; i < 10; ++i) tick_when_due();
  EXPECT_EQ(replica->role(), Role::kLeader);
}

// What a sole voter had applied it did not keep in memory.
TEST_F(ReplicaMembershipTest, NewcomerGetsFromTheDiskWhatIsNotInMemory) {
  start(1);
  for (const char* text : {"a", "b", "c"}) submit(text);
  persist_all();
  ASSERT_EQ(replica->log_bytes(), 0u);
  ASSERT_TRUE(replica->add(standby(2), ++now));
  persist_all();
  const auto asked = sent_of<AppendEntries>(2);
  ASSERT_FALSE(asked.empty());
  replica->receive(from(2, 1, AppendEntriesResult{asked[0].previous_index, LogIndex(0), 0, 0}), ++now);
  const auto sent = sent_of<AppendEntries>(2);
  ASSERT_EQ(sent.size(), 1u);
  ASSERT_EQ(sent[0].entries.size(), 5u);
  EXPECT_EQ(*sent[0].entries[1].data, "a");
  EXPECT_EQ(*sent[0].entries[3].data, "c");
}

TEST_F(ReplicaMembershipTest, StandbyBecomesAVoterOnceItHasEverything) {
  start_with_standby();
  acknowledge(2, LogIndex(1));
  ASSERT_TRUE(replica->promote(NodeId(2), ++now));
  EXPECT_EQ(replica->catch_up(NodeId(2)), CatchUp::kRunning);
  EXPECT_EQ(replica->add(standby(3), ++now).error().code, ErrorCode::kConflict);
  EXPECT_EQ(host.changes.back(), "3! 1 2s");
  acknowledge(2, replica->last_index());
  EXPECT_EQ(host.changes.back(), "4? 1 2");
  persist_all();
  EXPECT_FALSE(replica->members_committed()) << "one of two is no majority";
  acknowledge(2, LogIndex(4));
  EXPECT_EQ(host.changes.back(), "4! 1 2");
}

// libraft looks at the progress of a catch-up only when the standby moves.
TEST_F(ReplicaMembershipTest, StandbyThatHasEverythingAlreadyIsPromotedAtOnce) {
  start_with_standby();
  acknowledge(2, replica->last_index());
  ASSERT_TRUE(replica->promote(NodeId(2), ++now));
  EXPECT_EQ(host.changes.back(), "4? 1 2");
}

TEST_F(ReplicaMembershipTest, StandbyThatDoesNotComeUpStaysAStandby) {
  start_with_standby();
  acknowledge(2, LogIndex(1));
  ASSERT_TRUE(replica->promote(NodeId(2), ++now));
  for (int i = 0; i < 200; ++i) tick_when_due();
  EXPECT_EQ(replica->catch_up(NodeId(2)), CatchUp::kFailed);
  EXPECT_EQ(host.changes.back(), "3! 1 2s");
  EXPECT_TRUE(replica->promote(NodeId(2), ++now)) << "it may try again";
}

// ---- removal

TEST_F(ReplicaMembershipTest, RemovedMemberGetsNothingMore) {
  start_leader_that_committed();
  ASSERT_TRUE(replica->remove(NodeId(3), ++now));
  EXPECT_EQ(host.changes.back(), "4? 1 2");
  host.sent.clear();
  submit("b");
  EXPECT_THAT(sent_of<AppendEntries>(3), IsEmpty());
  persist_all();
  acknowledge(2, replica->last_index());
  EXPECT_EQ(host.changes.back(), "4! 1 2");
}

TEST_F(ReplicaMembershipTest, LeaderThatRemovesItselfStepsDownWhenThatIsCommitted) {
  start_leader_that_committed();
  ASSERT_TRUE(replica->remove(NodeId(1), ++now));
  persist_all();
  acknowledge(2, replica->last_index());
  EXPECT_EQ(replica->role(), Role::kLeader) << "one of the two that stay";
  acknowledge(3, replica->last_index());
  EXPECT_EQ(replica->role(), Role::kFollower);
  EXPECT_EQ(host.changes.back(), "4! 2 3");
  for (int i = 0; i < 10; ++i) tick_when_due();
  EXPECT_EQ(replica->role(), Role::kFollower);
}

// libraft makes the only voter leader of the term that the one who left had led.
TEST_F(ReplicaMembershipTest, WhoIsLeftAloneLeadsInATermOfItsOwn) {
  start(2);
  persist_all();
  std::vector<Member> left = {members(2)[0]};
  const LogEntry leaves{LogIndex(2), Term(5), EntryType::kConfiguration, bytes(encode_members(left))};
  replica->receive(append(2, 5, 1, 1, {leaves}, 1), ++now);
  persist_all();
  for (int i = 0; i < 5 && replica->role() != Role::kLeader; ++i) tick_when_due();
  ASSERT_EQ(replica->role(), Role::kLeader);
  EXPECT_EQ(replica->term(), Term(6));
  EXPECT_EQ(host.writes.back().hard_state, (storage::HardState{Term(6), NodeId(1)}));
}

// It would neither vote for the other, whose log is behind, nor stand itself, once it is not of its own members.
TEST_F(ReplicaMembershipTest, OneOfTwoVotersDoesNotRemoveItselfWhileItLeads) {
  start_with_standby();
  acknowledge(2, replica->last_index());
  ASSERT_TRUE(replica->promote(NodeId(2), ++now));
  persist_all();
  acknowledge(2, replica->last_index());
  EXPECT_EQ(replica->remove(NodeId(1), ++now).error().code, ErrorCode::kConflict);
  EXPECT_TRUE(replica->remove(NodeId(2), ++now));
}

// Whoever asks counts by its own members (thesis, section 4.1): it may know already that this one is a voter.
TEST_F(ReplicaMembershipTest, VotesForOneWhoseMembersItDoesNotKnowYet) {
  start(1, {{Term(1), {}},
            {},
            {{LogIndex(1), Term(1), EntryType::kConfiguration,
              bytes(encode_members(std::vector{standby(1), members(2)[1]}))}}});
  replica->receive(from(2, 2, RequestVote{LogIndex(2), Term(1), false, false}), ++now);
  persist_all();
  EXPECT_TRUE(sent_of<RequestVoteResult>(2).at(0).granted);
}

// ---- what is refused

TEST_F(ReplicaMembershipTest, NonsenseIsRefused) {
  start_leader_that_committed();
  EXPECT_EQ(replica->add({NodeId(2), "elsewhere", false}, ++now).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(replica->add({NodeId(4), "node-2", false}, ++now).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(replica->add({NodeId(4), "", false}, ++now).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(replica->add({NodeId(4), "node-4", true}, ++now).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(replica->add({NodeId(0), "node-0", false}, ++now).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(replica->promote(NodeId(2), ++now).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(replica->promote(NodeId(4), ++now).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(replica->remove(NodeId(4), ++now).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(replica->transfer(NodeId(1), ++now).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(replica->transfer(NodeId(4), ++now).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(ReplicaMembershipTest, LastVoterStays) {
  start_with_standby();
  EXPECT_EQ(replica->remove(NodeId(1), ++now).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(ReplicaMembershipTest, AddressAtItsLimitPassesAndOneByteMoreIsRefused) {
  start_leader_that_committed();
  Member newcomer{NodeId(4), std::string(limits::kMemberAddressBytesMax + 1, 'x'), false};
  EXPECT_EQ(replica->add(newcomer, ++now).error().code, ErrorCode::kInvalidArgument);
  newcomer.address.pop_back();
  EXPECT_TRUE(replica->add(newcomer, ++now));
}

TEST_F(ReplicaMembershipTest, GroupAtItsLimitTakesNobodyMore) {
  start(1);
  submit("a");
  persist_all();
  for (std::uint64_t node = 2; node <= limits::kGroupMembersMax; ++node) {
    ASSERT_TRUE(replica->add(standby(node), ++now));
    persist_all();
  }
  EXPECT_EQ(replica->add(standby(limits::kGroupMembersMax + 1), ++now).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(ReplicaMembershipTest, OnlyTheLeaderChangesMembers) {
  start_follower();
  EXPECT_EQ(replica->add(standby(4), ++now).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(replica->remove(NodeId(2), ++now).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(replica->transfer(NodeId(2), ++now).error().code, ErrorCode::kUnavailable);
}

TEST_F(ReplicaMembershipTest, OneChangeAtATime) {
  start_leader_that_committed();
  ASSERT_TRUE(replica->add(standby(4), ++now));
  EXPECT_EQ(replica->add(standby(5), ++now).error().code, ErrorCode::kConflict);
  EXPECT_EQ(replica->remove(NodeId(3), ++now).error().code, ErrorCode::kConflict);
}

// Else two leaders' changes may each be in force at a majority that knows nothing of the other's.
TEST_F(ReplicaMembershipTest, LeaderCommitsAnEntryOfItsTermBeforeItChangesMembers) {
  start_leader();
  if (replica->last_index() == LogIndex(1)) {
    EXPECT_EQ(replica->add(standby(4), ++now).error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(host.writes.back().entries.at(0).type, EntryType::kBarrier) << "it sees to it";
  }
  EXPECT_EQ(replica->add(standby(4), ++now).error().code, ErrorCode::kUnavailable);
  persist_all();
  acknowledge(2, replica->last_index());
  EXPECT_TRUE(replica->add(standby(4), ++now));
}

// The next one says that it is committed, also while the commit index does not.
TEST_F(ReplicaMembershipTest, ConfigurationBeforeAnotherIsCommittedAndIsFallenBackTo) {
  start_follower();
  const std::vector<Member> four = members(4);
  const std::vector<Member> five = members(5);
  const LogEntry adds_four{LogIndex(2), Term(2), EntryType::kConfiguration, bytes(encode_members(four))};
  const LogEntry adds_five{LogIndex(3), Term(2), EntryType::kConfiguration, bytes(encode_members(five))};
  replica->receive(append(2, 3, 1, 1, {adds_four, adds_five}, 1), ++now);
  persist_all();
  EXPECT_EQ(replica->members().size(), 5u);
  // Another leader never had the second one.
  replica->receive(append(3, 4, 2, 2, {command(3, 4, "a")}, 1), ++now);
  persist_all();
  EXPECT_EQ(host.changes.back(), "2? 1 2 3 4");
  replica->receive(append(3, 4, 3, 4, {}, 3), ++now);
  EXPECT_EQ(host.changes.back(), "2! 1 2 3 4");
  // For the engine, too.
  host.sent.clear();
  tick_when_due();
  EXPECT_EQ(sent_of<RequestVote>().size(), 3u);
}

// ---- handing over

TEST_F(ReplicaMembershipTest, LeadershipIsHandedOverOnceTheOtherHasEverything) {
  start_leader_that_committed();
  submit("b");
  const LogIndex last = submit("c");
  persist_all();
  host.sent.clear();
  ASSERT_TRUE(replica->transfer(NodeId(3), ++now));
  EXPECT_EQ(replica->submit({bytes("d")}, now).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(replica->add(standby(4), ++now).error().code, ErrorCode::kConflict);
  EXPECT_EQ(replica->transfer(NodeId(2), ++now).error().code, ErrorCode::kConflict);
  EXPECT_THAT(sent_of<TimeoutNow>(3), IsEmpty());
  acknowledge(3, last.previous());
  EXPECT_THAT(sent_of<TimeoutNow>(3), IsEmpty()) << "it has not everything yet, and would not heed it";
  acknowledge(3, last);
  EXPECT_EQ(sent_of<TimeoutNow>(3).size(), 1u);
}

TEST_F(ReplicaMembershipTest, LeaderGoesOnWhenTheOtherDoesNotComeUp) {
  start_leader_that_committed();
  submit("b");
  ASSERT_TRUE(replica->transfer(NodeId(3), ++now));
  EXPECT_EQ(replica->leader(), NodeId(0));
  for (int i = 0; i < 12; ++i) {
    acknowledge(2, LogIndex(3));
    tick_when_due();
  }
  EXPECT_EQ(replica->leader(), NodeId(1));
  EXPECT_TRUE(replica->submit({bytes("c")}, now));
}

// libraft would have it stand again and again in new terms, with the right to disrupt whoever leads by then.
TEST_F(ReplicaMembershipTest, WhoWasToldToLeadAndFailsAsksInAdvanceTheNextTime) {
  start_follower();
  replica->receive(append(2, 2, 1, 1, {}, 1), ++now);
  persist_all();
  replica->receive(from(2, 2, TimeoutNow{LogIndex(1), Term(1)}), ++now);
  persist_all();
  const auto first = sent_of<RequestVote>(3);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_TRUE(first[0].disrupt_leader && !first[0].pre_vote);
  tick_when_due();
  persist_all();
  const auto second = sent_of<RequestVote>(3);
  ASSERT_EQ(second.size(), 1u);
  EXPECT_TRUE(second[0].pre_vote && !second[0].disrupt_leader);
  EXPECT_EQ(replica->term(), Term(3));
}

// ---- lag

TEST_F(ReplicaMembershipTest, LagOfAFollowerAndItsSilenceAreVisible) {
  start_leader_that_committed();
  EXPECT_EQ(replica->match_index(NodeId(2)), LogIndex(3));
  EXPECT_EQ(replica->match_index(NodeId(3)), LogIndex(0));
  EXPECT_EQ(replica->heard_ms(NodeId(2)), now);
  EXPECT_LT(replica->heard_ms(NodeId(3)), now);
  EXPECT_EQ(replica->match_index(NodeId(77)), LogIndex(0));
}

// The leader before it is dead, and was heard a moment ago: who stays after a removal would count on it.
TEST_F(ReplicaMembershipTest, WhoWasHeardBeforeItLedCountsAsSilentUntilItIsHeardAgain) {
  start_follower();
  replica->receive(append(2, 1, 1, 1, {}, 1), ++now);
  persist_all();
  ASSERT_EQ(replica->leader(), NodeId(2));
  tick_when_due();
  replica->receive(from(3, 2, RequestVoteResult{true, true, 0, 0}), ++now);
  persist_all();
  replica->receive(from(3, 2, RequestVoteResult{true, false, 0, 0}), ++now);
  persist_all();
  ASSERT_EQ(replica->role(), Role::kLeader);
  EXPECT_EQ(replica->heard_ms(NodeId(2)), 0u);
  EXPECT_EQ(replica->heard_ms(NodeId(3)), 0u);
  acknowledge(3, replica->last_index());
  EXPECT_EQ(replica->heard_ms(NodeId(2)), 0u);
  EXPECT_EQ(replica->heard_ms(NodeId(3)), now);
}

TEST_F(ReplicaMembershipTest, WhatAnEarlierTermSaidLateIsNotHeard) {
  start_leader_that_committed();
  replica->receive(append(3, 1, 1, 1, {}, 1), ++now);
  EXPECT_EQ(replica->heard_ms(NodeId(3)), 0u);
}

// It may have died with its last word: as one of two voters it would be needed for everything from then on.
TEST_F(ReplicaMembershipTest, WhoHasNoLinkOrIsSilentForSomeHeartbeatsIsNotCountedOnButMayBeThere) {
  start_leader_that_committed();
  bool linked = true;
  const auto is_heard = [&] {
    return view_of(
               *replica, NodeId(1), [&](NodeId) { return linked; }, now)
        .is_heard(NodeId(2));
  };
  EXPECT_TRUE(is_heard());
  linked = false;
  EXPECT_FALSE(is_heard());
  linked = true;
  now += 1'001;
  EXPECT_FALSE(is_heard());
  EXPECT_TRUE(may_be_there(*replica, NodeId(2), now));
  now += 2'000;
  EXPECT_FALSE(may_be_there(*replica, NodeId(2), now));
}

// ---- whether it still leads

TEST_F(ReplicaMembershipTest, SoleVoterIsSureAtOnce) {
  start(1);
  const auto check = replica->begin_check(++now);
  ASSERT_TRUE(check);
  EXPECT_TRUE(check->confirmed);
  EXPECT_THAT(host.checks, IsEmpty());
}

TEST_F(ReplicaMembershipTest, MajorityConfirmsACheck) {
  start_leader_that_committed();
  const auto check = replica->begin_check(++now);
  ASSERT_TRUE(check);
  EXPECT_FALSE(check->confirmed);
  EXPECT_EQ(check->index, LogIndex(3));
  EXPECT_EQ(sent_of<LeaderCheck>(3), (std::vector{LeaderCheck{check->number}}));
  replica->receive(from(3, 2, LeaderCheckResult{check->number}), ++now);
  EXPECT_THAT(host.checks, ElementsAre(Pair(check->number, true)));
}

TEST_F(ReplicaMembershipTest, AnswerFromAnotherTermConfirmsNothing) {
  start_leader_that_committed();
  const auto check = replica->begin_check(++now);
  ASSERT_TRUE(check);
  replica->receive(from(3, 1, LeaderCheckResult{check->number}), ++now);
  replica->receive(from(3, 9, LeaderCheckResult{check->number}), ++now);
  EXPECT_THAT(host.checks, IsEmpty());
}

TEST_F(ReplicaMembershipTest, ChecksOfALeaderThatIsNoneAnyMoreFail) {
  start_leader_that_committed();
  const auto check = replica->begin_check(++now);
  ASSERT_TRUE(check);
  replica->receive(append(2, 3, 3, 2, {}, 3), ++now);
  EXPECT_THAT(host.checks, ElementsAre(Pair(check->number, false)));
  EXPECT_EQ(replica->begin_check(++now).error().code, ErrorCode::kUnavailable);
}

TEST_F(ReplicaMembershipTest, FollowerAnswersItsLeaderInItsTermOnly) {
  start_follower();
  replica->receive(from(2, 1, LeaderCheck{7}), ++now);
  EXPECT_THAT(sent_of<LeaderCheckResult>(), IsEmpty()) << "it knows of no leader";
  replica->receive(append(2, 2, 1, 1, {}, 1), ++now);
  persist_all();
  host.sent.clear();
  replica->receive(from(2, 2, LeaderCheck{7}), ++now);
  EXPECT_EQ(sent_of<LeaderCheckResult>(2), (std::vector{LeaderCheckResult{7}}));
  replica->receive(from(3, 2, LeaderCheck{7}), ++now);
  replica->receive(from(2, 1, LeaderCheck{7}), ++now);
  replica->receive(from(2, 3, LeaderCheck{7}), ++now);
  EXPECT_THAT(sent_of<LeaderCheckResult>(), IsEmpty());
}

// What the leader before committed last may be beyond the commit index that this one knows of.
TEST_F(ReplicaMembershipTest, ReadOfANewLeaderWaitsForAllThatMayBeCommitted) {
  start_follower();
  replica->receive(append(2, 2, 1, 1, {command(2, 2, "a")}, 1), ++now);
  persist_all();
  tick_when_due();
  replica->receive(from(3, 3, RequestVoteResult{true, true, 0, 0}), ++now);
  persist_all();
  replica->receive(from(3, 3, RequestVoteResult{true, false, 0, 0}), ++now);
  ASSERT_EQ(replica->role(), Role::kLeader);
  EXPECT_EQ(replica->commit_index(), LogIndex(1));
  EXPECT_EQ(replica->begin_check(++now)->index, LogIndex(3));
}

}  // namespace
}  // namespace earshot::cluster
