#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actors/shard_batcher.hpp"
#include "actors/shard_flush.hpp"
#include "actors/shard_waiters.hpp"
#include "tests/support/shard_ports.hpp"

namespace earshot::actors {
namespace {

using testing::IsEmpty;
using testing::SizeIs;
using tests::RecordingSession;

// ---- waiters

Waiters::Entry entry(std::uint64_t index, std::uint64_t term) { return {LogIndex(index), Term(term), {}, 10}; }

TEST(ShardWaitersTest, EntryIsExpectedOnlyUnderItsOwnTerm) {
  Waiters waiters;
  waiters.add(entry(5, 2));
  waiters.add(entry(7, 2));
  EXPECT_TRUE(waiters.expects(LogIndex(5), Term(2)));
  EXPECT_FALSE(waiters.expects(LogIndex(5), Term(3))) << "another leader's entry took its place";
  EXPECT_FALSE(waiters.expects(LogIndex(6), Term(2)));
}

TEST(ShardWaitersTest, EntriesWhosePlaceWasPassedOverComeOutToo) {
  Waiters waiters;
  waiters.add(entry(5, 2));
  waiters.add(entry(6, 2));
  waiters.add(entry(9, 2));
  EXPECT_EQ(waiters.pop_through(LogIndex(4)), std::nullopt);
  EXPECT_EQ(waiters.pop_through(LogIndex(6))->index, LogIndex(5)) << "a barrier stands where it was";
  EXPECT_EQ(waiters.pop_through(LogIndex(6))->index, LogIndex(6));
  EXPECT_EQ(waiters.pop_through(LogIndex(8)), std::nullopt);
  EXPECT_EQ(waiters.size(), 1u);
}

TEST(ShardWaitersTest, LossOfLeadershipGivesUpWhatWasSubmittedBefore) {
  Waiters waiters;
  waiters.add(entry(5, 2));
  waiters.add(entry(6, 3));
  EXPECT_THAT(waiters.take_other_than(Term(3)), SizeIs(1));
  EXPECT_TRUE(waiters.expects(LogIndex(6), Term(3)));
  EXPECT_THAT(waiters.take_other_than(Term()), SizeIs(1)) << "a follower waits for nothing";
  EXPECT_TRUE(waiters.empty());
}

TEST(ShardWaitersTest, RefusalHoldsEveryMessageAndFailsTheRest) {
  const auto port = std::make_shared<RecordingSession>();
  const Error error{ErrorCode::kUnavailable, "", "the leader has changed", 100};
  refuse(SendWaiter{port, 1, 3}, error);
  refuse(LoginWaiter{port, 2}, error);
  refuse(AckWaiter{port, 3}, error);
  refuse(TransferWaiter{ShardId(0), Epoch(1)}, error);
  refuse(NobodyWaits{}, error);
  ASSERT_THAT(port->sends, SizeIs(1));
  ASSERT_THAT(port->sends[0].answers, SizeIs(3));
  for (const auto& answer : port->sends[0].answers) {
    EXPECT_TRUE(std::holds_alternative<SendAnswer::Held>(answer.value))
        << "the outcome is unknown: never a final refusal";
  }
  EXPECT_EQ(port->logins.at(0).outcome.error(), error);
  EXPECT_EQ(port->acks.at(0).cursor.error(), error);
}

// ---- batcher

Command confirm(std::uint64_t number) { return ConfirmCommand{ShardId(0), number}; }
std::uint64_t number_of(const Command& command) { return std::get<ConfirmCommand>(command).up_to; }

TEST(ShardBatcherTest, EntriesAreBoundedInBytesAndCommandsAndKeepTheOrder) {
  Batcher batcher(BatcherLimits{1'000, 1'000'000, 3, 100});
  for (std::uint64_t number = 1; number <= 4; ++number) batcher.add(confirm(number), NobodyWaits{}, 10);
  batcher.add(confirm(5), NobodyWaits{}, 90);
  batcher.add(confirm(6), NobodyWaits{}, 1);
  batcher.add(confirm(7), NobodyWaits{}, 500);
  batcher.add(confirm(8), NobodyWaits{}, 1);
  std::vector<std::size_t> sizes;
  std::uint64_t expected = 0;
  while (!batcher.empty()) {
    const auto gathered = batcher.take();
    sizes.push_back(gathered.waiters.size());
    for (const auto& command : gathered.batch.commands) EXPECT_EQ(number_of(command), ++expected);
  }
  EXPECT_THAT(sizes, testing::ElementsAre(3, 2, 1, 1, 1)) << "what is larger than an entry goes alone";
  EXPECT_EQ(batcher.bytes(), 0u);
  EXPECT_EQ(batcher.commands(), 0u);
}

// A replica refuses an entry that is larger, with all that stands in it.
TEST(ShardBatcherTest, AFullEntryIsNotLargerThanAnEntryMayBeOnceItIsEncoded) {
  SendCommand send{ProducerId(1), UserId::trusted("alice"), DeviceId::trusted("phone"), {SendItem{}}};
  send.items[0].message.recipient = UserId::trusted("bob");
  const std::size_t body_bytes = limits::kBodyBytesMax - size_of(Command(send));
  send.items[0].message.body.assign(body_bytes, 'x');
  const Command command(send);
  ASSERT_EQ(limits::kEntryBytesMax % size_of(command), 0u) << "so many fill an entry to the last byte";
  Batcher batcher;
  for (std::size_t bytes = 0; bytes < limits::kEntryBytesMax; bytes += size_of(command))
    batcher.add(command, NobodyWaits{}, size_of(command));
  while (!batcher.empty()) EXPECT_LE(encode(batcher.take().batch).size(), limits::kEntryBytesMax);
}

TEST(ShardBatcherTest, PendingIsBoundedInBytesAndCommands) {
  Batcher by_count(BatcherLimits{2, 1'000, 10, 1'000});
  by_count.add(confirm(1), NobodyWaits{}, 1);
  EXPECT_TRUE(by_count.has_room());
  by_count.add(confirm(2), NobodyWaits{}, 1);
  EXPECT_FALSE(by_count.has_room());
  by_count.take();
  EXPECT_TRUE(by_count.has_room());
  Batcher by_bytes(BatcherLimits{100, 50, 10, 1'000});
  by_bytes.add(confirm(1), NobodyWaits{}, 60);
  EXPECT_FALSE(by_bytes.has_room());
}

// ---- flush schedule

TEST(ShardFlushTest, ShardsOfAGroupThatChangeAtDifferentTimesAreDueTogether) {
  FlushSchedule early(ShardId(1), 1'000, 1'000'000);
  FlushSchedule late(ShardId(1 + FlushSchedule::kGroups), 1'000, 1'000'000);
  early.note_change(5'130);
  late.note_change(6'120);
  EXPECT_EQ(early.due_at(), 6'125u);
  EXPECT_EQ(late.due_at(), 6'125u);
  EXPECT_FALSE(early.is_due(6'124, 10));
  EXPECT_TRUE(early.is_due(6'125, 10));
}

TEST(ShardFlushTest, GroupsAreSpreadOverTheInterval) {
  std::set<std::uint64_t> due;
  for (std::uint16_t shard = 0; shard < FlushSchedule::kGroups; ++shard) {
    FlushSchedule schedule(ShardId(shard), 800, 1'000'000);
    schedule.note_change(8'000);
    due.insert(schedule.due_at() - 8'000);
  }
  EXPECT_THAT(due, testing::ElementsAre(100, 200, 300, 400, 500, 600, 700, 800));
}

TEST(ShardFlushTest, TheShortestIntervalIsKept) {
  FlushSchedule schedule(ShardId(5), 1, 1'000'000);
  schedule.note_change(7);
  EXPECT_EQ(schedule.due_at(), 8u);
}

TEST(ShardFlushTest, ManyBytesAreDueAtOnceAndNothingNever) {
  FlushSchedule schedule(ShardId(0), 1'000, 100);
  EXPECT_EQ(schedule.due_at(), 0u);
  EXPECT_FALSE(schedule.is_due(1'000'000, 0));
  schedule.note_change(10);
  schedule.note_change(500);
  EXPECT_EQ(schedule.due_at(), 1'000u) << "counted from the first change";
  EXPECT_TRUE(schedule.is_due(20, 100));
  schedule.note_frozen();
  EXPECT_EQ(schedule.due_at(), 0u);
}

}  // namespace
}  // namespace earshot::actors
