#include <string>
#include <utility>

#include "tests/unit/cluster/replica_fixture.hpp"

// What a leader keeps in memory and sends to its followers, and what a replica reads back from its log.
namespace earshot::cluster {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ReplicaFollowersTest : public ReplicaTest {
 protected:
  // A leader of three with a megabyte in each of `count` entries, which node 2 has and node 3 has not.
  void start_leader_with(int count) {
    start_leader();
    for (int i = 0; i < count; ++i) {
      const LogIndex index = submit(std::string(1 << 20, 'x'));
      persist_all();
      acknowledge(2, index);
    }
    host.sent.clear();
    host.reads.clear();
  }
};

TEST_F(ReplicaFollowersTest, MemoryOfWhatIsAppliedIsBounded) {
  start_leader_with(20);
  EXPECT_EQ(replica->applied_index(), replica->last_index());
  EXPECT_LE(replica->log_bytes(), limits::kRaftTailBytesMax + (1 << 10));
  EXPECT_GT(replica->log_bytes(), limits::kRaftTailBytesMax / 2);
}

TEST_F(ReplicaFollowersTest, WhatIsNotSyncedOrNotAppliedStaysInMemory) {
  start_leader();
  for (int i = 0; i < 8; ++i) submit(std::string(1 << 20, 'x'));
  EXPECT_GT(replica->log_bytes(), 8u << 20);
  persist_all();
  EXPECT_GT(replica->log_bytes(), 8u << 20) << "not committed";
}

TEST_F(ReplicaFollowersTest, FollowerThatLagsIsFedFromTheDisk) {
  start_leader_with(20);
  acknowledge(3, LogIndex(1));
  auto sent = sent_of<AppendEntries>(3);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].previous_index, LogIndex(1));
  EXPECT_FALSE(sent[0].entries.empty());
  EXPECT_EQ(host.reads.size(), 1u);
}

TEST_F(ReplicaFollowersTest, NothingIsReadForAFollowerThatIsSilent) {
  start_leader_with(20);
  for (int i = 0; i < 100; ++i) {
    acknowledge(2, replica->last_index());
    tick_when_due();
  }
  EXPECT_LE(host.reads.size(), limits::kRaftBytesInFlightMax / limits::kRaftReadBytesMax) << "once";
  EXPECT_GT(sent_of<AppendEntries>(3).size(), 50u) << "but it hears from its leader";
}

TEST_F(ReplicaFollowersTest, FailedReadIsTriedAgain) {
  start_leader_with(20);
  host.reads_fail = true;
  acknowledge(3, LogIndex(1));
  for (const auto& append : sent_of<AppendEntries>(3)) EXPECT_THAT(append.entries, IsEmpty());
  host.reads_fail = false;
  std::size_t entries = 0;
  for (int i = 0; i < 5; ++i) {
    acknowledge(2, replica->last_index());
    tick_when_due();
    for (const auto& append : sent_of<AppendEntries>(3)) entries += append.entries.size();
  }
  EXPECT_GT(entries, 0u);
}

TEST_F(ReplicaFollowersTest, EntriesOfAnotherLogAreNotSent) {
  start_leader_with(20);
  for (auto& [index, entry] : host.stored) entry.term = Term(77);
  acknowledge(3, LogIndex(1));
  for (const auto& append : sent_of<AppendEntries>(3)) EXPECT_THAT(append.entries, IsEmpty());
}

TEST_F(ReplicaFollowersTest, BytesOnTheirWayToOneFollowerAreBounded) {
  start_leader();
  acknowledge(3, LogIndex(1));
  for (int i = 0; i < 40; ++i) submit(std::string(1 << 20, 'x'));
  persist_all();
  std::size_t bytes = 0;
  for (const auto& append : sent_of<AppendEntries>(3)) {
    for (const auto& entry : append.entries) bytes += entry.data->size();
  }
  EXPECT_LE(bytes, limits::kRaftBytesInFlightMax + kAppendBytesMax);
  // The rest follows as the first are acknowledged.
  std::size_t rounds = 0;
  for (LogIndex stored(1); stored < replica->last_index() && rounds < 100; ++rounds) {
    stored = LogIndex(std::min(stored.value + 8, replica->last_index().value));
    acknowledge(3, stored);
    for (const auto& append : sent_of<AppendEntries>(3)) {
      for (const auto& entry : append.entries) bytes += entry.data->size();
    }
  }
  EXPECT_EQ(bytes, 40u << 20) << "each exactly once";
}

// ---- applying what is on the disk only

TEST_F(ReplicaFollowersTest, StateThatComesBackIsBroughtUpFromTheDiskPieceByPiece) {
  start(3, {{Term(2), {}}, {}, {configuration(3)}}, std::nullopt);
  for (std::uint64_t index = 2; index <= 21; ++index) {
    replica->receive(append(2, 2, index - 1, index == 2 ? 1 : 2, {command(index, 2, std::string(1 << 20, 'x'))}, index),
                     ++now);
    persist_all();
  }
  EXPECT_LE(replica->log_bytes(), limits::kRaftTailBytesMax + (1 << 10));
  ASSERT_TRUE(replica->state_ready(LogIndex(1), ++now));
  for (int i = 0; i < 100 && replica->applied_index() < LogIndex(21); ++i) tick_when_due();
  EXPECT_EQ(replica->applied_index(), LogIndex(21));
  EXPECT_EQ(host.applied.size(), 20u);
}

TEST_F(ReplicaFollowersTest, ApplyingGoesOnAfterAReadThatFailed) {
  start(3, {{Term(2), {}}, {}, {configuration(3)}}, std::nullopt);
  for (std::uint64_t index = 2; index <= 11; ++index) {
    replica->receive(append(2, 2, index - 1, index == 2 ? 1 : 2, {command(index, 2, std::string(1 << 20, 'x'))}, index),
                     ++now);
    persist_all();
  }
  host.reads_fail = true;
  ASSERT_TRUE(replica->state_ready(LogIndex(1), ++now));
  EXPECT_THAT(host.applied, IsEmpty());
  const std::size_t reads = host.reads.size();
  replica->persisted(0, now);
  EXPECT_EQ(host.reads.size(), reads) << "not at every turn";
  host.reads_fail = false;
  for (int i = 0; i < 100 && replica->applied_index() < LogIndex(11); ++i) tick_when_due();
  EXPECT_EQ(host.applied.size(), 10u);
}

}  // namespace
}  // namespace earshot::cluster
