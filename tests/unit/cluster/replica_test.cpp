#include <string>
#include <utility>

#include "tests/unit/cluster/replica_fixture.hpp"

namespace earshot::cluster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// ---- a sole voter

TEST_F(ReplicaTest, SoleVoterLeadsAtOnce) {
  start(1);
  EXPECT_EQ(replica->role(), Role::kLeader);
  EXPECT_EQ(replica->leader(), NodeId(1));
  EXPECT_THAT(host.roles, ElementsAre(Role::kLeader));
}

TEST_F(ReplicaTest, SoleVoterNeedsNoTimer) {
  start(1);
  persist_all();
  submit("a");
  persist_all();
  EXPECT_THAT(host.wakes, IsEmpty());
}

TEST_F(ReplicaTest, NothingIsAppliedBeforeItIsSynced) {
  start(1);
  EXPECT_EQ(submit("a"), LogIndex(2));
  EXPECT_EQ(submit("b"), LogIndex(3));
  EXPECT_THAT(host.applied, IsEmpty());
  ASSERT_EQ(host.writes.size(), 3u);
  replica->persisted(host.writes[0].ticket, ++now);
  EXPECT_THAT(host.applied, IsEmpty());
  replica->persisted(host.writes[1].ticket, ++now);
  EXPECT_THAT(host.applied, ElementsAre("2:a"));
  replica->persisted(host.writes[2].ticket, ++now);
  EXPECT_THAT(host.applied, ElementsAre("2:a", "3:b"));
  EXPECT_EQ(replica->applied_index(), LogIndex(3));
}

TEST_F(ReplicaTest, LastTicketOfAGroupCommitCompletesAllBefore) {
  start(1);
  submit("a");
  submit("b");
  replica->persisted(host.writes.back().ticket, ++now);
  EXPECT_THAT(host.applied, ElementsAre("2:a", "3:b"));
}

TEST_F(ReplicaTest, SoleVoterKeepsNothingOnceApplied) {
  start(1);
  for (int i = 0; i < 100; ++i) submit(std::string(1'000, 'x'));
  EXPECT_GT(replica->log_bytes(), 100'000u);
  persist_all();
  EXPECT_EQ(replica->log_bytes(), 0u);
}

TEST_F(ReplicaTest, SubmissionsBeyondTheRulesAreRefused) {
  start(1);
  EXPECT_EQ(replica->submit({}, now).error().code, ErrorCode::kInvalidArgument);
  const auto large = replica->submit({bytes(std::string(limits::kEntryBytesMax + 1, 'x'))}, now);
  EXPECT_EQ(large.error().code, ErrorCode::kTooLarge);
}

TEST_F(ReplicaTest, RestartAppliesExactlyFromWhereTheStateStands) {
  start(1, {{Term(4), NodeId(1)}, {}, {configuration(1), command(2, 1, "a"), command(3, 2, "b"), command(4, 4, "c")}},
        LogIndex(2));
  EXPECT_EQ(replica->role(), Role::kLeader);
  EXPECT_THAT(host.applied, ElementsAre("3:b", "4:c"));
  EXPECT_EQ(submit("d"), LogIndex(5));
}

// libraft would lead again in the old term: (index, term) of an entry that a crash took back would come a second time.
TEST_F(ReplicaTest, EveryLifeOfASoleVoterHasItsOwnTerm) {
  start(1, {{Term(4), NodeId(1)}, {}, {configuration(1), command(2, 4, "a")}}, LogIndex(2));
  EXPECT_EQ(replica->term(), Term(5));
  ASSERT_EQ(host.writes.size(), 1u);
  EXPECT_EQ(host.writes[0].hard_state, (storage::HardState{Term(5), NodeId(1)}));
}

TEST_F(ReplicaTest, LogIsCutWhenTheSnapshotIsSyncedAndNotBefore) {
  start(1);
  submit("a");
  submit("b");
  persist_all();
  replica->snapshot_flushed(LogIndex(3), ++now);
  ASSERT_EQ(host.writes.size(), 4u);
  EXPECT_EQ(host.writes[3].snapshot, snapshot_at(3, 1, 1));
  EXPECT_EQ(host.writes[3].cut_through, LogIndex(3));
  EXPECT_EQ(replica->snapshot_index(), LogIndex(0));
  persist_all();
  EXPECT_EQ(replica->snapshot_index(), LogIndex(3));
  EXPECT_EQ(submit("c"), LogIndex(4));
  persist_all();
  EXPECT_THAT(host.applied, ElementsAre("2:a", "3:b", "4:c"));
}

TEST_F(ReplicaTest, FlushesDuringACutAreOneCut) {
  start(1);
  for (const char* text : {"a", "b", "c"}) submit(text);
  persist_all();
  for (std::uint64_t index = 2; index <= 4; ++index) replica->snapshot_flushed(LogIndex(index), ++now);
  EXPECT_EQ(host.writes.size(), 5u);
  persist_all();
  EXPECT_EQ(host.writes.size(), 6u);
  EXPECT_EQ(replica->snapshot_index(), LogIndex(4));
}

TEST_F(ReplicaTest, RestartFromSnapshotAloneGoesOn) {
  start(1, {{Term(2), NodeId(1)}, snapshot_at(50, 2, 1), {}}, LogIndex(50));
  EXPECT_THAT(host.applied, IsEmpty());
  EXPECT_EQ(submit("a"), LogIndex(51));
  persist_all();
  EXPECT_THAT(host.applied, ElementsAre("51:a"));
}

// ---- what the disk holds

TEST_F(ReplicaTest, EntriesThatDoNotJoinTheSnapshotAreDropped) {
  start(3, {{Term(4), {}}, snapshot_at(50, 4, 3), {configuration(3), command(2, 1, "old"), command(3, 1, "old")}},
        LogIndex(50));
  EXPECT_EQ(replica->last_index(), LogIndex(50));
  ASSERT_FALSE(host.writes.empty());
  EXPECT_TRUE(host.writes[0].drop_log);
  EXPECT_EQ(host.writes[0].snapshot, snapshot_at(50, 4, 3));
}

TEST_F(ReplicaTest, EntriesWithAnotherTermAtTheSnapshotAreDropped) {
  start(3, {{Term(4), {}}, snapshot_at(3, 4, 3), {command(3, 1, "old"), command(4, 1, "old")}}, LogIndex(3));
  EXPECT_EQ(replica->last_index(), LogIndex(3));
  EXPECT_TRUE(host.writes.at(0).drop_log);
}

TEST_F(ReplicaTest, HoleInTheLogIsSaid) {
  EXPECT_THAT(start_error(1, {{Term(1), {}}, {}, {configuration(1), command(3, 1, "a")}}, LogIndex(0)),
              HasSubstr("entry 3"));
  EXPECT_THAT(start_error(1, {{Term(1), {}}, snapshot_at(5, 1, 1), {command(7, 1, "a")}}, LogIndex(5)),
              HasSubstr("hole"));
  EXPECT_THAT(start_error(1, {{Term(1), {}}, {}, {command(4, 1, "a")}}, LogIndex(0)), HasSubstr("begin at 1"));
}

TEST_F(ReplicaTest, DamagedTermsAndConfigurationsAreSaid) {
  EXPECT_THAT(start_error(1, {{Term(1), {}}, {}, {configuration(1), command(2, 3, "a")}}, LogIndex(0)),
              HasSubstr("newer"));
  EXPECT_THAT(
      start_error(1, {{Term(3), {}}, {}, {configuration(1), command(2, 3, "a"), command(3, 2, "b")}}, LogIndex(0)),
      HasSubstr("goes back"));
  LogEntry damaged = configuration(1);
  damaged.data = bytes(damaged.data->substr(0, 8));
  EXPECT_THAT(start_error(1, {{Term(1), {}}, {}, {damaged}}, LogIndex(0)), HasSubstr("configuration is damaged"));
}

TEST_F(ReplicaTest, StateBelowItsSnapshotIsAsNone) {
  start(3, {{Term(1), {}}, snapshot_at(5, 1, 3), {}}, LogIndex(4));
  EXPECT_TRUE(replica->is_passive());
}

TEST_F(ReplicaTest, SoleVotersStateBelowItsSnapshotIsSaid) {
  EXPECT_THAT(start_error(1, {{Term(1), {}}, snapshot_at(5, 1, 1), {}}, LogIndex(4)), HasSubstr("below the snapshot"));
}

TEST_F(ReplicaTest, SoleVotersStateAheadOfItsLogIsSaid) {
  EXPECT_THAT(start_error(1, {{Term(1), {}}, {}, {configuration(1), command(2, 1, "a")}}, LogIndex(3)),
              HasSubstr("log ends at 2"));
  EXPECT_THAT(start_error(1, {}, LogIndex(3)), HasSubstr("log is empty"));
}

// What a crash between the swap of the state and the log write of an install leaves.
TEST_F(ReplicaTest, FollowersStateAheadOfItsLogIsNotAppliedAgain) {
  start(3, {{Term(2), {}}, {}, {configuration(3)}}, LogIndex(3));
  replica->receive(append(2, 2, 1, 1, {command(2, 2, "a"), command(3, 2, "b"), command(4, 2, "c")}, 4), ++now);
  persist_all();
  EXPECT_THAT(host.applied, ElementsAre("4:c"));
}

// ---- three voters

TEST_F(ReplicaTest, NotLeadingIsUnavailable) {
  start_follower();
  EXPECT_EQ(replica->submit({bytes("a")}, now).error().code, ErrorCode::kUnavailable);
}

TEST_F(ReplicaTest, NothingIsSaidBeforeTheFirstEntryIsSynced) {
  start(3);
  tick_when_due();
  EXPECT_THAT(host.sent, IsEmpty());
  persist_all();
  EXPECT_FALSE(host.sent.empty());
}

TEST_F(ReplicaTest, MessagesWaitForTermAndVote) {
  start_follower();
  tick_when_due();
  for (const auto& message : host.take_sent()) EXPECT_TRUE(std::get<RequestVote>(message.content).pre_vote);
  replica->receive(from(2, 2, RequestVoteResult{true, true, 0, 0}), ++now);
  EXPECT_EQ(replica->term(), Term(2));
  EXPECT_EQ(host.writes.back().hard_state, (storage::HardState{Term(2), NodeId(1)}));
  // A message of a later step, without a change of term or vote, must not pass either.
  replica->receive(append(3, 1, 1, 1, {}, 1), ++now);
  EXPECT_THAT(host.sent, IsEmpty());

  persist_all();
  const auto sent = host.take_sent();
  ASSERT_EQ(sent.size(), 3u);
  EXPECT_FALSE(std::get<RequestVote>(sent[0].content).pre_vote);
  EXPECT_FALSE(std::get<RequestVote>(sent[1].content).pre_vote);
  EXPECT_TRUE(std::holds_alternative<AppendEntriesResult>(sent[2].content));
}

TEST_F(ReplicaTest, GrantedVoteWaitsForItsWrite) {
  start_follower();
  replica->receive(from(2, 7, RequestVote{LogIndex(1), Term(1), false, false}), ++now);
  EXPECT_EQ(host.writes.back().hard_state, (storage::HardState{Term(7), NodeId(2)}));
  EXPECT_THAT(host.sent, IsEmpty());
  persist_all();
  const auto sent = host.take_sent();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(std::get<RequestVoteResult>(sent[0].content).granted);
}

TEST_F(ReplicaTest, WhoAsksInAdvanceInAnEarlierTermIsToldTheTerm) {
  start_follower();
  replica->receive(from(2, 7, RequestVote{LogIndex(1), Term(1), false, false}), ++now);
  persist_all();
  host.take_sent();
  replica->receive(from(3, 3, RequestVote{LogIndex(9), Term(2), false, true}), ++now);
  const auto sent = host.take_sent();
  ASSERT_EQ(sent.size(), 1u);
  const auto& result = std::get<RequestVoteResult>(sent[0].content);
  EXPECT_TRUE(result.pre_vote);
  EXPECT_FALSE(result.granted);
  EXPECT_EQ(sent[0].term, Term(7));
}

TEST_F(ReplicaTest, WhoIsToldALaterTermInAdvanceGoesOnFromThere) {
  start_follower();
  tick_when_due();
  host.take_sent();
  replica->receive(from(2, 7, RequestVoteResult{false, true, 0, 0}), ++now);
  EXPECT_EQ(replica->term(), Term(7));
  persist_all();
  tick_when_due();
  for (const auto& message : host.take_sent()) {
    EXPECT_TRUE(std::get<RequestVote>(message.content).pre_vote);
    EXPECT_EQ(message.term, Term(8));
  }
}

TEST_F(ReplicaTest, StaleCompletionAfterTruncationAcksNothing) {
  start_follower();
  replica->receive(
      append(2, 2, 1, 1, {command(2, 2, "a"), command(3, 2, "b"), command(4, 2, "c"), command(5, 2, "d")}, 1), ++now);
  const auto of_term_2 = host.writes.back();
  ASSERT_EQ(of_term_2.entries.size(), 4u);
  replica->receive(append(3, 3, 4, 2, {command(5, 3, "other")}, 1), ++now);
  const auto of_term_3 = host.writes.back();
  EXPECT_EQ(of_term_3.truncate_from, LogIndex(5));

  replica->persisted(of_term_2.ticket, ++now);
  EXPECT_LT(replica->synced_index(), LogIndex(5));
  for (const auto& message : host.take_sent()) {
    const auto& result = std::get<AppendEntriesResult>(message.content);
    EXPECT_TRUE(result.rejected.value != 0 || result.last_index < LogIndex(5));
  }
  replica->persisted(of_term_3.ticket, ++now);
  EXPECT_EQ(replica->synced_index(), LogIndex(5));
  EXPECT_EQ(std::get<AppendEntriesResult>(host.take_sent().back().content).last_index, LogIndex(5));
}

TEST_F(ReplicaTest, CommittedButUnsyncedEntriesWait) {
  start_follower();
  replica->receive(append(2, 2, 1, 1, {command(2, 2, "a"), command(3, 2, "b")}, 3), ++now);
  EXPECT_EQ(replica->commit_index(), LogIndex(3));
  EXPECT_THAT(host.applied, IsEmpty());
  persist_all();
  EXPECT_THAT(host.applied, ElementsAre("2:a", "3:b"));
}

TEST_F(ReplicaTest, AnEntryThatCouldNotBeAppliedIsNeitherStoredNorAcknowledged) {
  start_follower();
  const std::size_t writes = host.writes.size();
  replica->receive(append(2, 1, 1, 1, {command(2, 1, "a"), command(3, 1, "garbage")}, 3), ++now);
  persist_all();
  EXPECT_EQ(host.writes.size(), writes);
  EXPECT_THAT(host.sent, IsEmpty());
  EXPECT_EQ(replica->leader(), NodeId()) << "who sends it is not heard";
  EXPECT_EQ(counters->appends_unreadable, 1u);
  // Another one is elected, and has nothing of it.
  replica->receive(append(3, 2, 1, 1, {command(2, 2, "b")}, 2), ++now);
  persist_all();
  EXPECT_THAT(host.applied, ElementsAre("2:b"));
  EXPECT_EQ(counters->appends_unreadable, 1u);
}

// What is there is applied anyway, and to look at it again each time that it is sent would cost something.
TEST_F(ReplicaTest, AnEntryThatIsStoredIsNotLookedAtAgain) {
  start_follower();
  replica->receive(append(2, 2, 1, 1, {command(2, 2, "a")}, 1), ++now);
  persist_all();
  replica->receive(append(2, 2, 1, 1, {command(2, 2, "garbage")}, 2), ++now);
  persist_all();
  EXPECT_THAT(host.applied, ElementsAre("2:a"));
  EXPECT_EQ(counters->appends_unreadable, 0u);
}

// libraft takes min(leader_commit, last entry of the message), also when that is less than it knew.
TEST_F(ReplicaTest, CommitIndexNeverGoesBack) {
  start_follower();
  replica->receive(append(2, 2, 1, 1, {command(2, 2, "a"), command(3, 2, "b"), command(4, 2, "c")}, 3), ++now);
  replica->receive(append(2, 2, 1, 1, {command(2, 2, "a")}, 4), ++now);
  EXPECT_EQ(replica->commit_index(), LogIndex(3));
}

TEST_F(ReplicaTest, NewLeaderStoresABarrierAndSkipsItWhenApplying) {
  start_follower();
  replica->receive(append(2, 2, 1, 1, {command(2, 2, "a")}, 1), ++now);
  persist_all();
  tick_when_due();
  ASSERT_EQ(replica->role(), Role::kCandidate);
  replica->receive(from(2, 3, RequestVoteResult{true, true, 0, 0}), ++now);
  persist_all();
  replica->receive(from(2, 3, RequestVoteResult{true, false, 0, 0}), ++now);
  ASSERT_EQ(replica->role(), Role::kLeader);
  ASSERT_EQ(host.writes.back().entries.size(), 1u);
  EXPECT_EQ(host.writes.back().entries[0].type, EntryType::kBarrier);
  persist_all();
  replica->receive(from(2, 3, AppendEntriesResult{{}, LogIndex(3), 0, 0}), ++now);
  EXPECT_THAT(host.applied, ElementsAre("2:a"));
  EXPECT_EQ(replica->applied_index(), LogIndex(3));
}

// It would leave what an earlier leader had told nobody in that one's log, to be committed when that node leads again.
TEST_F(ReplicaTest, NewLeaderStoresABarrierThoughAllItHasIsCommitted) {
  start_leader();
  ASSERT_EQ(host.writes.back().entries.size(), 1u);
  EXPECT_EQ(host.writes.back().entries[0].type, EntryType::kBarrier);
  EXPECT_EQ(host.writes.back().entries[0].term, Term(2));
}

TEST_F(ReplicaTest, SoleVoterStoresNone) {
  start(1);
  persist_all();
  ASSERT_EQ(replica->role(), Role::kLeader);
  EXPECT_EQ(replica->last_index(), LogIndex(1));
}

TEST_F(ReplicaTest, TrailingEntriesAreKeptForOtherMembers) {
  start_follower();
  replica->receive(append(2, 2, 1, 1, {command(2, 2, "a"), command(3, 2, "b"), command(4, 2, "c")}, 4), ++now);
  persist_all();
  replica->snapshot_flushed(LogIndex(4), ++now);
  EXPECT_EQ(host.writes.back().cut_through, LogIndex(2));
  persist_all();
  EXPECT_EQ(replica->snapshot_index(), LogIndex(4));
  EXPECT_GT(replica->log_bytes(), 0u);
}

// libraft knows no terms below the cut and would put these entries at the log's end.
TEST_F(ReplicaTest, LateFirstEntriesAfterACutChangeNothing) {
  start_follower();
  const auto first = append(2, 2, 0, 0, {configuration(3), command(2, 2, "a")}, 1);
  replica->receive(first, ++now);
  replica->receive(append(2, 2, 2, 2, {command(3, 2, "b"), command(4, 2, "c")}, 4), ++now);
  persist_all();
  replica->snapshot_flushed(LogIndex(4), ++now);
  persist_all();
  const std::size_t writes = host.writes.size();
  replica->receive(first, ++now);
  EXPECT_EQ(host.writes.size(), writes);
  EXPECT_EQ(replica->last_index(), LogIndex(4));
}

// Its leader may know only of what it had stored when it fell silent, and begins there.
TEST_F(ReplicaTest, EntriesThatBeginBelowACutAreTakenFromTheSnapshotOn) {
  start_follower();
  std::vector<LogEntry> entries;
  for (std::uint64_t index = 2; index <= 12; ++index) entries.push_back(command(index, 2, "x"));
  const std::vector<LogEntry> some(entries.begin(), entries.begin() + 9);
  replica->receive(append(2, 2, 1, 1, some, 9), ++now);
  persist_all();
  replica->snapshot_flushed(LogIndex(9), ++now);
  persist_all();
  ASSERT_EQ(replica->snapshot_index(), LogIndex(9));
  host.take_sent();

  const auto from_below = [&] {
    return append(2, 2, 3, 2, std::vector<LogEntry>(entries.begin() + 2, entries.end()), 11);
  };
  replica->receive(from_below(), ++now);
  persist_all();
  auto answers = sent_of<AppendEntriesResult>(2);
  ASSERT_FALSE(answers.empty());
  EXPECT_EQ(answers.back().rejected, LogIndex(0));
  EXPECT_EQ(answers.back().last_index, LogIndex(12));
  EXPECT_EQ(replica->commit_index(), LogIndex(11));

  replica->receive(append(2, 2, 3, 2, {entries[2]}, 12), ++now);
  answers = sent_of<AppendEntriesResult>(2);
  ASSERT_EQ(answers.size(), 1u) << "nothing of that is new";
  EXPECT_EQ(answers[0].rejected, LogIndex(0));
  EXPECT_EQ(replica->commit_index(), LogIndex(11)) << "what stands behind it may not be the leader's";
}

TEST_F(ReplicaTest, MessagesThatMakeNoSenseAreDropped) {
  start_follower();
  const std::size_t writes = host.writes.size();
  PeerMessage damaged = append(2, 9, 1, 1, {command(2, 9, "a")}, 1);
  damaged.body[20] = static_cast<char>(damaged.body[20] ^ 1);
  replica->receive(damaged, ++now);
  PeerMessage for_another = append(2, 9, 1, 1, {command(2, 9, "a")}, 1);
  for_another.to = NodeId(3);
  replica->receive(for_another, ++now);
  replica->receive(append(1, 9, 1, 1, {command(2, 9, "a")}, 1), ++now);       // from itself
  replica->receive(append(2, 0, 1, 1, {}, 1), ++now);                         // no term
  replica->receive(append(2, 9, 1, 1, {command(2, 10, "a")}, 1), ++now);      // from the future
  replica->receive(append(2, 9, 1, 5, {command(2, 4, "a")}, 1), ++now);       // terms go back
  replica->receive(append(2, 9, 0, 0, {command(1, 9, "a")}, 1), ++now);       // no configuration first
  replica->receive(from(2, 9, RequestVoteResult{true, false, 0, 0}), ++now);  // unasked
  replica->receive(from(2, 9, InstallSnapshot{{LogIndex(5), Term(9), "x", LogIndex(1)}}), ++now);
  EXPECT_EQ(host.writes.size(), writes);
  EXPECT_EQ(replica->term(), Term(1));
  EXPECT_THAT(host.sent, IsEmpty());
}

// ---- installing a snapshot

TEST_F(ReplicaTest, InstallGoesStateThenLogThenLeader) {
  start_follower();
  replica->receive(from(2, 4, InstallSnapshot{snapshot_at(90, 3, 3)}), ++now);
  EXPECT_THAT(host.installs, IsEmpty()) << "the term is not on disk yet";
  persist_all();
  ASSERT_EQ(host.installs.size(), 1u);
  EXPECT_EQ(host.installs[0], snapshot_at(90, 3, 3));
  EXPECT_THAT(host.take_sent(), IsEmpty());

  replica->snapshot_installed(LogIndex(90), ++now);
  EXPECT_EQ(host.writes.back().snapshot, snapshot_at(90, 3, 3));
  EXPECT_TRUE(host.writes.back().drop_log);
  EXPECT_THAT(host.take_sent(), IsEmpty());
  persist_all();
  EXPECT_EQ(std::get<AppendEntriesResult>(host.take_sent().back().content).last_index, LogIndex(90));
  EXPECT_EQ(replica->snapshot_index(), LogIndex(90));
  EXPECT_EQ(replica->applied_index(), LogIndex(90));

  replica->receive(append(2, 4, 90, 3, {command(91, 4, "next")}, 91), ++now);
  persist_all();
  EXPECT_THAT(host.applied, ElementsAre("91:next"));
}

TEST_F(ReplicaTest, FetchedStateAboveItsSnapshotIsNotAppliedAgain) {
  start_follower();
  replica->receive(from(2, 4, InstallSnapshot{snapshot_at(90, 3, 3)}), ++now);
  persist_all();
  replica->snapshot_installed(LogIndex(92), ++now);
  persist_all();
  EXPECT_EQ(replica->last_index(), LogIndex(90));
  EXPECT_EQ(replica->applied_index(), LogIndex(92));
  replica->receive(append(2, 4, 90, 3, {command(91, 4, "a"), command(92, 4, "b"), command(93, 4, "c")}, 93), ++now);
  persist_all();
  EXPECT_THAT(host.applied, ElementsAre("93:c"));
}

// The state was swapped, the log not yet: the install begins again, and nothing is fetched a second time.
TEST_F(ReplicaTest, CrashBetweenStateAndLogOfAnInstallIsMadeGoodFromTheStateThatIsThere) {
  start(3, {{Term(4), {}}, {}, {configuration(3)}}, LogIndex(92));
  replica->receive(from(2, 4, InstallSnapshot{snapshot_at(90, 3, 3)}), ++now);
  persist_all();
  EXPECT_THAT(host.installs, IsEmpty());
  EXPECT_EQ(std::get<AppendEntriesResult>(host.take_sent().back().content).last_index, LogIndex(90));
  replica->receive(append(2, 4, 90, 3, {command(91, 4, "a"), command(92, 4, "b"), command(93, 4, "c")}, 93), ++now);
  persist_all();
  EXPECT_THAT(host.applied, ElementsAre("93:c"));
}

TEST_F(ReplicaTest, CompletionsFromBeforeAnInstallAreOfNoLog) {
  start_follower();
  replica->receive(append(2, 2, 1, 1, {command(2, 2, "a")}, 1), ++now);
  replica->receive(from(3, 3, InstallSnapshot{snapshot_at(90, 3, 3)}), ++now);
  persist_all();
  EXPECT_EQ(replica->synced_index(), LogIndex(0));
  replica->snapshot_installed(LogIndex(90), ++now);
  persist_all();
  EXPECT_EQ(replica->synced_index(), LogIndex(90));
}

TEST_F(ReplicaTest, SecondSnapshotDuringAnInstallIsIgnored) {
  start_follower();
  replica->receive(from(2, 4, InstallSnapshot{snapshot_at(90, 3, 3)}), ++now);
  persist_all();
  replica->receive(from(2, 4, InstallSnapshot{snapshot_at(95, 4, 3)}), ++now);
  persist_all();
  EXPECT_EQ(host.installs.size(), 1u);
}

TEST_F(ReplicaTest, StateThatHasTheSnapshotAlreadyIsKept) {
  start(3, {{Term(2), {}}, {}, {configuration(3)}}, LogIndex(95));
  replica->receive(from(2, 2, InstallSnapshot{snapshot_at(90, 2, 3)}), ++now);
  persist_all();
  EXPECT_THAT(host.installs, IsEmpty());
  EXPECT_EQ(replica->snapshot_index(), LogIndex(90));
  EXPECT_EQ(replica->applied_index(), LogIndex(95));
}

}  // namespace
}  // namespace earshot::cluster
