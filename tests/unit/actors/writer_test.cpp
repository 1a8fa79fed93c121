#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actors/disk_watch.hpp"
#include "actors/log_writer.hpp"
#include "actors/state_writer.hpp"
#include "storage/model_environment.hpp"
#include "storage/state_store.hpp"
#include "tests/support/model_disk_space.hpp"

namespace earshot::actors {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class WriterTest : public testing::Test {
 protected:
  WriterTest() : log_environment(log_disk.open()), state_environment(state_disk.open()) {
    store = std::move(storage::LogStore::open(*log_environment).value());
  }
  storage::LogWrite append(ShardId shard, std::uint64_t index, std::size_t bytes = 100) {
    storage::LogWrite write;
    write.group = shard;
    write.ticket = ++tickets;
    write.entries.push_back(storage::LogEntry{LogIndex(index), Term(1), storage::EntryType::kCommand,
                                              std::make_shared<const std::string>(bytes, 'x')});
    return write;
  }
  storage::LogWrite cut(ShardId shard, std::uint64_t through) {
    storage::LogWrite write;
    write.group = shard;
    write.ticket = ++tickets;
    write.snapshot = storage::SnapshotMetadata{LogIndex(through), Term(1), "", LogIndex(0)};
    write.cut_through = LogIndex(through);
    return write;
  }
  std::size_t stored(ShardId shard) { return store->load(shard).value().entries.size(); }
  std::shared_ptr<const storage::FrozenOverlay> overlay(ShardId shard, std::size_t bytes = 100) {
    auto made = std::make_shared<storage::FrozenOverlay>();
    made->shard = shard;
    made->applied = LogIndex(1);
    made->changes.put("key", std::string(bytes, 'v'));
    return made;
  }

  storage::ModelDisk log_disk{storage::LogStore::tables().size()};
  storage::ModelDisk state_disk{storage::state_tables().size()};
  std::unique_ptr<storage::Environment> log_environment;
  std::unique_ptr<storage::Environment> state_environment;
  std::unique_ptr<storage::LogStore> store;
  ManualClock clock;
  DiskState disk;
  std::uint64_t tickets = 0;
};

TEST_F(WriterTest, EachShardIsToldOncePerCommitInOrder) {
  LogWriter writer(*store, disk, clock, Random(1));
  writer.add(append(ShardId(2), 1));  // ticket 1
  writer.add(append(ShardId(0), 1));  // ticket 2
  writer.add(append(ShardId(2), 2));  // ticket 3
  const auto told = writer.commit();
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0].group, ShardId(2));
  EXPECT_THAT(told[0].tickets, ElementsAre(1, 3));
  EXPECT_THAT(told[1].tickets, ElementsAre(2));
  EXPECT_TRUE(writer.empty());
  EXPECT_EQ(stored(ShardId(2)), 2u);
}

TEST_F(WriterTest, WhatWasCutIsErasedAtTheEnd) {
  const auto records = [this] { return log_environment->begin_read().value()->count(0).value(); };
  LogWriter writer(*store, disk, clock, Random(1));
  writer.add(append(ShardId(1), 1));
  writer.add(append(ShardId(0), 1));
  writer.commit();
  writer.add(cut(ShardId(0), 1));
  writer.commit();
  EXPECT_EQ(records(), 2u) << "another shard's entry comes before it";
  writer.finish();
  EXPECT_EQ(records(), 1u);
}

TEST_F(WriterTest, TransactionIsBoundedAndTheRestFollows) {
  LogWriter writer(*store, disk, clock, Random(1), 1'000);
  for (std::uint64_t index = 1; index <= 3; ++index) writer.add(append(ShardId(0), index, 500));
  EXPECT_THAT(writer.commit().at(0).tickets, ElementsAre(1));
  EXPECT_EQ(stored(ShardId(0)), 1u);
  EXPECT_EQ(writer.retry_after_ms(), 0u) << "what is left is not due to the disk";
  EXPECT_THAT(writer.commit().at(0).tickets, ElementsAre(2));
  EXPECT_THAT(writer.commit().at(0).tickets, ElementsAre(3));
}

TEST_F(WriterTest, WriteLargerThanATransactionGoesAlone) {
  LogWriter writer(*store, disk, clock, Random(1), 1'000);
  writer.add(append(ShardId(0), 1, 5'000));
  writer.add(append(ShardId(0), 2, 10));
  EXPECT_THAT(writer.commit().at(0).tickets, ElementsAre(1));
  EXPECT_THAT(writer.commit().at(0).tickets, ElementsAre(2));
}

TEST_F(WriterTest, FullDiskKeepsAdmittedWritesUntilThereIsRoom) {
  LogWriter writer(*store, disk, clock, Random(1));
  log_disk.set_capacity(200);
  writer.add(append(ShardId(0), 1, 1'000));
  EXPECT_THAT(writer.commit(), IsEmpty());
  EXPECT_TRUE(disk.is_full());
  EXPECT_FALSE(writer.empty());
  const auto first_wait_ms = writer.retry_after_ms();
  EXPECT_GT(first_wait_ms, 0u);
  writer.add(append(ShardId(0), 2));
  for (int i = 0; i < 5; ++i) EXPECT_THAT(writer.commit(), IsEmpty());
  EXPECT_GT(writer.retry_after_ms(), first_wait_ms) << "attempts become rarer";

  log_disk.set_capacity(0);
  EXPECT_THAT(writer.commit().at(0).tickets, ElementsAre(1, 2)) << "in their order";
  EXPECT_FALSE(disk.is_full());
  EXPECT_EQ(writer.retry_after_ms(), 0u);
  EXPECT_EQ(stored(ShardId(0)), 2u);
}

TEST_F(WriterTest, CutDoesNotWaitBehindAnAppendThatDoesNotFit) {
  LogWriter writer(*store, disk, clock, Random(1));
  writer.add(append(ShardId(0), 1, 1'000));  // ticket 1
  writer.add(append(ShardId(1), 1, 1'000));  // ticket 2
  ASSERT_EQ(writer.commit().size(), 2u);
  log_disk.set_capacity(log_environment->usage().used_bytes);
  writer.add(append(ShardId(1), 2, 800));  // ticket 3: fits only where shard 0 has made room
  writer.add(cut(ShardId(0), 1));          // ticket 4
  writer.add(append(ShardId(0), 2, 10));   // ticket 5
  const auto told = writer.commit();
  ASSERT_EQ(told.size(), 2u) << "the cut goes first, alone";
  EXPECT_THAT(told[0].tickets, ElementsAre(3));
  EXPECT_THAT(told[1].tickets, ElementsAre(4, 5)) << "each group's in order";
  EXPECT_EQ(stored(ShardId(1)), 2u);
  const auto loaded = store->load(ShardId(0)).value();
  EXPECT_EQ(loaded.snapshot->index, LogIndex(1));
  ASSERT_EQ(loaded.entries.size(), 1u);
  EXPECT_EQ(loaded.entries[0].index, LogIndex(2));
}

TEST_F(WriterTest, CutOfOneGroupSurvivesThoughTheAppendStillDoesNotFit) {
  LogWriter writer(*store, disk, clock, Random(1));
  writer.add(append(ShardId(0), 1, 1'000));
  writer.add(append(ShardId(1), 1, 1'000));
  ASSERT_EQ(writer.commit().size(), 2u);
  log_disk.set_capacity(log_environment->usage().used_bytes);
  writer.add(append(ShardId(1), 2, 5'000));
  writer.add(cut(ShardId(0), 1));
  EXPECT_THAT(writer.commit(), IsEmpty());
  EXPECT_EQ(stored(ShardId(0)), 0u);
  EXPECT_TRUE(disk.is_full());
  log_disk.set_capacity(0);
  EXPECT_EQ(writer.commit().size(), 2u);
  EXPECT_EQ(stored(ShardId(1)), 2u);
}

// Behind a snapshot that replaces the log, a cut is one of the new log: before it, it would cut the old one.
TEST_F(WriterTest, CutOfALogThatIsReplacedFirstWaitsForIt) {
  LogWriter writer(*store, disk, clock, Random(1));
  for (std::uint64_t index = 1; index <= 3; ++index) writer.add(append(ShardId(0), index, 500));
  ASSERT_EQ(writer.commit().size(), 1u);
  log_disk.set_capacity(log_environment->usage().used_bytes);
  writer.add(append(ShardId(1), 1, 5'000));
  storage::LogWrite replacing = cut(ShardId(0), 10);
  replacing.drop_log = true;
  replacing.cut_through.reset();
  writer.add(std::move(replacing));
  writer.add(cut(ShardId(0), 12));
  EXPECT_THAT(writer.commit(), IsEmpty());
  EXPECT_EQ(stored(ShardId(0)), 3u) << "not before the snapshot that replaces it";
  log_disk.set_capacity(0);
  EXPECT_EQ(writer.commit().size(), 2u);
  EXPECT_EQ(stored(ShardId(0)), 0u);
}

TEST_F(WriterTest, BallastMakesRoomForWhatWasAdmitted) {
  tests::ModelDiskSpace space(100'000, 1'000);
  NodeBudgets budgets;
  const auto watch =
      std::make_shared<DiskWatch>(DiskWatch::Options{.reserve_bytes = 10'000}, space, *log_environment, budgets, clock);
  watch->look();
  ASSERT_TRUE(space.has_ballast());
  LogWriter writer(*store, budgets.disk, clock, Random(1), limits::kLogTransactionBytesMax, watch);
  log_disk.set_capacity(200);
  space.free = 0;
  space.on_release = [this] { log_disk.set_capacity(2'000); };
  writer.add(append(ShardId(0), 1, 1'000));
  EXPECT_THAT(writer.commit().at(0).tickets, ElementsAre(1)) << "at once, not after a pause";
  EXPECT_FALSE(space.has_ballast());
  writer.look();
  EXPECT_TRUE(budgets.disk.is_tight());
  EXPECT_FALSE(budgets.disk.is_full());
}

TEST_F(WriterTest, BallastMakesRoomForStateToo) {
  tests::ModelDiskSpace space(100'000, 1'000);
  NodeBudgets budgets;
  const auto watch =
      std::make_shared<DiskWatch>(DiskWatch::Options{.reserve_bytes = 10'000}, space, *log_environment, budgets, clock);
  watch->look();
  StateWriter writer(*state_environment, budgets.disk, clock, Random(1), limits::kStateTransactionBytesMax, watch);
  state_disk.set_capacity(200);
  space.free = 0;
  space.on_release = [this] { state_disk.set_capacity(2'000); };
  writer.add(overlay(ShardId(0), 1'000));
  const auto told = writer.commit();
  ASSERT_EQ(told.size(), 1u) << "at once, not after a pause";
  EXPECT_EQ(told[0].shard, ShardId(0));
  EXPECT_FALSE(space.has_ballast());
  EXPECT_FALSE(budgets.disk.is_full());
  writer.add(overlay(ShardId(1), 5'000));
  EXPECT_THAT(writer.commit(), IsEmpty()) << "nothing is left to give up";
  EXPECT_TRUE(budgets.disk.is_full());
}

TEST_F(WriterTest, SmallOverlayFitsWhereAllTogetherDoNot) {
  StateWriter writer(*state_environment, disk, clock, Random(1));
  state_disk.set_capacity(600);
  writer.add(overlay(ShardId(0), 5'000));
  writer.add(overlay(ShardId(1), 300));
  const auto told = writer.commit();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].shard, ShardId(1));
  EXPECT_THAT(writer.commit(), IsEmpty());
  EXPECT_TRUE(disk.is_full());
  state_disk.set_capacity(0);
  EXPECT_EQ(writer.commit().at(0).shard, ShardId(0));
}

TEST_F(WriterTest, FullDiskKeepsOverlaysUntilThereIsRoom) {
  StateWriter writer(*state_environment, disk, clock, Random(1));
  state_disk.set_capacity(50);
  writer.add(overlay(ShardId(3)));
  EXPECT_THAT(writer.commit(), IsEmpty());
  EXPECT_TRUE(disk.is_full());
  EXPECT_GT(writer.retry_after_ms(), 0u);
  state_disk.set_capacity(0);
  const auto told = writer.commit();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].shard, ShardId(3));
  EXPECT_FALSE(disk.is_full());
}

TEST_F(WriterTest, OverlaysOfSeveralShardsShareATransaction) {
  StateWriter writer(*state_environment, disk, clock, Random(1), 1'000);
  writer.add(overlay(ShardId(0), 300));
  writer.add(overlay(ShardId(1), 300));
  writer.add(overlay(ShardId(2), 300));
  EXPECT_EQ(writer.commit().size(), 2u);
  EXPECT_EQ(writer.commit().size(), 1u);
  EXPECT_TRUE(writer.empty());
}

TEST_F(WriterTest, DamagedDiskStopsTheProcess) {
  WriterRetry retry("log writer", clock, Random(1));
  EXPECT_DEATH(retry.failed(Error{ErrorCode::kInternal, "", "input/output error"}), "input/output error");
}

}  // namespace
}  // namespace earshot::actors
