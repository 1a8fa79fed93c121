#include "cluster/raft_counters.hpp"

#include "tests/unit/cluster/replica_fixture.hpp"

// What a replica counts of its work.
namespace earshot::cluster {
namespace {

class RaftCountersTest : public ReplicaTest {};

TEST_F(RaftCountersTest, AnElectionThatIsWonIsCountedOnceOfEachKind) {
  start_leader();
  EXPECT_EQ(counters->candidacies, 1u);
  EXPECT_EQ(counters->leaderships, 1u);
  EXPECT_EQ(counters->leaders_known, 1u);
}

TEST_F(RaftCountersTest, AFollowerCountsLeadersAndWhatComesFromThem) {
  start_follower();
  replica->receive(append(2, 2, 1, 1, {command(2, 2, "a"), command(3, 2, "b")}, 1), ++now);
  persist_all();
  replica->receive(append(2, 2, 3, 2, {}, 1), ++now);
  EXPECT_EQ(counters->leaders_known, 1u);
  EXPECT_EQ(counters->entries_received, 2u) << "a heartbeat has none";
  replica->receive(append(3, 4, 3, 2, {}, 1), ++now);
  persist_all();
  EXPECT_EQ(counters->leaders_known, 2u);
  EXPECT_EQ(counters->leaderships, 0u);
}

TEST_F(RaftCountersTest, ALeaderCountsWhatGoesToEachFollowerAndWhoRefuses) {
  start_leader();
  const std::uint64_t before = counters->entries_sent;
  acknowledge(2, replica->last_index());
  acknowledge(3, replica->last_index());
  submit("a");
  std::size_t sent = 0;
  for (const auto& append : sent_of<AppendEntries>()) sent += append.entries.size();
  EXPECT_EQ(counters->entries_sent - before, sent);
  EXPECT_GE(sent, 2u) << "at least one to each";
  EXPECT_EQ(counters->appends_refused, 0u);
  replica->receive(from(3, replica->term().value, AppendEntriesResult{replica->last_index(), LogIndex(1), 0, 0}),
                   ++now);
  EXPECT_EQ(counters->appends_refused, 1u);
}

}  // namespace
}  // namespace earshot::cluster
