#include "actors/shard_outbox.hpp"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schema/commands.hpp"
#include "storage/shard_state.hpp"
#include "tests/support/shard_world.hpp"

namespace earshot::actors {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using tests::RecordingSession;
using tests::ShardWorld;

// A shard as origin: copies for the sender's own devices, which live in another shard.
class ShardOutboxTest : public testing::Test {
 protected:
  ShardOutboxTest() { world.settle(); }

  void send_with_copies(std::uint64_t first, std::uint64_t count = 1) {
    world.send(port, world.alice, first, count, true);
    world.settle();
  }
  std::vector<TransferCommand>& transfers() { return world.others.at(ShardWorld::kOther.value)->transfers; }
  void committed_by_target(std::uint64_t last, std::uint64_t epoch = 1) {
    world->handle(ShardTransferred{ShardWorld::kOther, Epoch(epoch), last});
  }

  ShardWorld world;
  std::shared_ptr<RecordingSession> port = std::make_shared<RecordingSession>();
};

TEST_F(ShardOutboxTest, WhatIsWrittenWhileATransferIsUnderWayGoesIntoTheNext) {
  send_with_copies(1);
  ASSERT_THAT(transfers(), SizeIs(1));
  EXPECT_EQ(transfers()[0].origin, ShardWorld::kShard);
  EXPECT_EQ(transfers()[0].first, 1u);
  EXPECT_THAT(transfers()[0].records, SizeIs(1));
  send_with_copies(2);
  send_with_copies(3);
  EXPECT_THAT(transfers(), SizeIs(1)) << "one at a time";
  committed_by_target(1);
  ASSERT_THAT(transfers(), SizeIs(2));
  EXPECT_EQ(transfers()[1].first, 2u);
  EXPECT_THAT(transfers()[1].records, SizeIs(2));
}

TEST_F(ShardOutboxTest, ATransferIsBoundedInRecordsAndBytesAndTheRestFollows) {
  send_with_copies(1);
  send_with_copies(2, limits::kOutboxWindowMax);
  send_with_copies(limits::kOutboxWindowMax + 2);
  committed_by_target(1);
  ASSERT_THAT(transfers(), SizeIs(2));
  EXPECT_THAT(transfers()[1].records, SizeIs(limits::kOutboxWindowMax));
  committed_by_target(limits::kOutboxWindowMax + 1);
  ASSERT_THAT(transfers(), SizeIs(3));
  EXPECT_THAT(transfers()[2].records, SizeIs(1));

  const std::uint64_t next = limits::kOutboxWindowMax + 3;
  for (std::uint64_t number = next; number < next + 3; ++number) {
    SendCommand command{ProducerId(7), world.sender, tests::device("phone"), {}};
    OutgoingMessage message = tests::outgoing(world.alice, number, std::string(limits::kTransferBytesMax / 2, 'x'));
    message.copy_to_self = true;
    command.items.push_back(SendItem{std::move(message), std::nullopt});
    world->handle(ShardSend{port, ++world.requests, std::move(command)});
    world.settle();
  }
  committed_by_target(next - 1);
  ASSERT_THAT(transfers(), SizeIs(4));
  EXPECT_THAT(transfers()[3].records, SizeIs(testing::Lt(3u)));
}

TEST_F(ShardOutboxTest, OutboxIsDrainedAfterRestart) {
  send_with_copies(1, 5);
  world.restart();
  ASSERT_THAT(transfers(), SizeIs(1)) << "the new leader drains what it finds";
  EXPECT_EQ(transfers()[0].first, 1u);
  EXPECT_THAT(transfers()[0].records, SizeIs(5));
  committed_by_target(5);
  world.settle();
  world.restart();
  EXPECT_THAT(transfers(), IsEmpty()) << "the confirmation went through the log";
}

TEST_F(ShardOutboxTest, ConfirmationLostInACrashIsMadeUpFor) {
  send_with_copies(1, 3);
  committed_by_target(3);
  world.gather();   // the confirmation is under way …
  world.restart();  // … and lost
  ASSERT_THAT(transfers(), SizeIs(1));
  EXPECT_THAT(transfers()[0].records, SizeIs(3)) << "sent again; the target knows it by its numbers";
  committed_by_target(3);
  world.settle();
  world.restart();
  EXPECT_THAT(transfers(), IsEmpty());
}

// After a crash only a part is sent again, and the target says that it has more than that.
TEST_F(ShardOutboxTest, TargetAheadOfWhatWasSentIsBelieved) {
  send_with_copies(1, limits::kOutboxWindowMax);
  send_with_copies(limits::kOutboxWindowMax + 1, 10);
  ASSERT_THAT(transfers(), SizeIs(1));
  committed_by_target(limits::kOutboxWindowMax + 5);
  ASSERT_THAT(transfers(), SizeIs(2));
  EXPECT_EQ(transfers()[1].first, limits::kOutboxWindowMax + 6);
  committed_by_target(1'000'000);
  EXPECT_THAT(transfers(), SizeIs(2)) << "never beyond what exists";
  send_with_copies(limits::kOutboxWindowMax + 11);
  ASSERT_THAT(transfers(), SizeIs(3));
  EXPECT_EQ(transfers()[2].first, limits::kOutboxWindowMax + 11);
}

TEST_F(ShardOutboxTest, TransferWithoutAnswerIsSentAgainWithBackOff) {
  send_with_copies(1);
  ASSERT_THAT(transfers(), SizeIs(1));
  world.advance(100);
  EXPECT_THAT(transfers(), SizeIs(1));
  std::size_t repeats = 0;
  for (int second = 0; second < 120; ++second) {
    world.advance(1'000);
    while (world.write_overlay()) world.settle();
  }
  repeats = transfers().size() - 1;
  EXPECT_GE(repeats, 4u);
  EXPECT_LE(repeats, 20u) << "back-off";
  EXPECT_EQ(transfers().back().first, 1u);
  committed_by_target(1);
  world.settle();
  world.advance(limits::kFlushIntervalMs);
  while (world.write_overlay()) world.settle();
  EXPECT_GT(world.wake_at_ms, world.clock.monotonic_ms() + limits::kSweepIntervalMs / 2)
      << "answered: no timer is left";
}

TEST_F(ShardOutboxTest, AnswersOfAnotherEpochAndRepeatsAreIgnored) {
  send_with_copies(1, 2);
  committed_by_target(2, 9);
  EXPECT_FALSE(world.gather_asked());
  committed_by_target(1);
  ASSERT_THAT(transfers(), SizeIs(2));
  EXPECT_EQ(transfers()[1].first, 2u) << "only a part was committed: the rest goes again";
  committed_by_target(1);
  EXPECT_THAT(transfers(), SizeIs(2)) << "no progress, nothing to do";
}

TEST_F(ShardOutboxTest, ConfirmationsOfAShardAreMerged) {
  send_with_copies(1, 3);
  committed_by_target(1);
  committed_by_target(2);
  committed_by_target(3);
  ASSERT_TRUE(world.gather());
  EXPECT_EQ(world.entries_waiting(), 1u);
  world.settle();
  EXPECT_FALSE(world.gather_asked());
}

// A leader of a group of several: when it is elected it has not applied yet all that its log holds of an earlier one.
class NewLeadersOutboxTest : public testing::Test {
 protected:
  static constexpr ShardId kSelf = ShardWorld::kShard;
  static constexpr ShardId kTarget = ShardWorld::kOther;

  NewLeadersOutboxTest() {
    for (auto& shard : shards) shard = std::make_shared<tests::RecordingShard>();
    router.emplace(std::vector<std::shared_ptr<ShardInbox>>(shards.begin(), shards.end()));
  }

  void apply(Command command) {
    CommandBatch batch;
    batch.commands.push_back(std::move(command));
    machine->apply(LogIndex(++applied), Term(1), encode(batch));
  }
  // An entry that writes so many records, as number first and on.
  void apply_records(std::uint64_t first, std::uint64_t count) {
    SendCommand command{ProducerId(7), tests::user_in(kTarget), tests::device("phone"), {}};
    for (std::uint64_t number = first; number < first + count; ++number) {
      OutgoingMessage message = tests::outgoing(tests::user_in(kSelf), number);
      message.copy_to_self = true;
      command.items.push_back(SendItem{std::move(message), std::nullopt});
    }
    apply(std::move(command));
  }
  void begin() { ASSERT_TRUE(drain.begin(*router, 0, false).has_value()); }
  void committed_by_target(std::uint64_t last) {
    drain.transferred(ShardTransferred{kTarget, machine->epoch(), last}, *router, 0);
  }
  std::vector<TransferCommand>& transfers() { return shards.at(kTarget.value)->transfers; }

  storage::ModelDisk disk{storage::state_tables().size()};
  std::unique_ptr<storage::Environment> environment = disk.open();
  storage::ShardState state{*environment, kSelf};
  std::unique_ptr<cluster::ShardMachine> machine =
      cluster::ShardMachine::open(state, kSelf, tests::kShardCount).value();
  std::uint64_t applied = 0;
  std::vector<std::shared_ptr<tests::RecordingShard>> shards{tests::kShardCount};
  std::optional<Router> router;
  OutboxDrain drain{kSelf, *machine, BackoffPolicy{1'000, 30'000}, Random(1)};
};

TEST_F(NewLeadersOutboxTest, WhatAnEarlierLeaderDrainedIsPassedOverWhenItsConfirmationIsApplied) {
  apply_records(1, 2);
  begin();
  committed_by_target(3);
  EXPECT_TRUE(drain.has_confirms()) << "of 2, the last that is known of here";
  apply_records(3, 1);
  apply(ConfirmCommand{kTarget, 3});
  drain.written(kTarget, *router, 0);
  ASSERT_THAT(transfers(), SizeIs(1));
  EXPECT_EQ(drain.wake_at(), 0u) << "nothing is left";
  EXPECT_FALSE(drain.has_confirms()) << "the log says more already";

  apply_records(4, 1);
  drain.written(kTarget, *router, 0);
  ASSERT_THAT(transfers(), SizeIs(2));
  EXPECT_EQ(transfers()[1].first, 4u);
  committed_by_target(4);
  EXPECT_THAT(drain.take_confirms(), ElementsAre(ConfirmCommand{kTarget, 4}));
}

TEST_F(NewLeadersOutboxTest, ALostTransferGoesAgainWithoutWhatIsConfirmedByNow) {
  apply_records(1, 3);
  begin();
  apply(ConfirmCommand{kTarget, 2});
  drain.wake(*router, drain.wake_at());
  ASSERT_THAT(transfers(), SizeIs(2));
  EXPECT_EQ(transfers()[1].first, 3u);
  EXPECT_THAT(transfers()[1].records, SizeIs(1));
  EXPECT_FALSE(drain.has_confirms());
  committed_by_target(3);
  EXPECT_THAT(drain.take_confirms(), ElementsAre(ConfirmCommand{kTarget, 3}));
}

// A shard as target.
class ShardInboundTest : public ShardOutboxTest {
 protected:
  void transfer(std::uint64_t first, std::uint64_t last) {
    TransferCommand command{ShardWorld::kOther, Epoch(1), first, {}};
    for (std::uint64_t number = first; number <= last; ++number) {
      OutboxRecord record;
      record.recipients = {world.alice};
      record.message.sender = world.alice;
      record.message.sender_device = tests::device("phone");
      record.message.id = MessageId{number, number};
      record.message.body = "copy " + std::to_string(number);
      record.message.checksum = checksum_of(record.message.body);
      record.message.copy_of = world.sender;
      command.records.push_back(std::move(record));
    }
    world->handle(ShardTransfer{std::move(command)});
  }
  std::vector<std::uint64_t> answers() {
    std::vector<std::uint64_t> lasts;
    for (const auto& answer : world.others.at(ShardWorld::kOther.value)->answers) lasts.push_back(answer.last);
    return lasts;
  }
};

TEST_F(ShardInboundTest, TransferIsAnsweredWhenCommitted) {
  transfer(1, 2);
  world.gather();
  EXPECT_THAT(answers(), IsEmpty());
  world.settle();
  EXPECT_THAT(answers(), ElementsAre(2));
  EXPECT_THAT(world.bodies(world.alice), ElementsAre("copy 1", "copy 2"));
}

TEST_F(ShardInboundTest, TransferRepeatIsHarmless) {
  transfer(1, 2);
  transfer(1, 2);
  world.settle();
  transfer(1, 3);
  world.settle();
  EXPECT_THAT(answers(), ElementsAre(2, 2, 3));
  EXPECT_THAT(world.bodies(world.alice), ElementsAre("copy 1", "copy 2", "copy 3"));
  world.restart();
  transfer(2, 3);
  world.settle();
  EXPECT_THAT(answers(), ElementsAre(3));
  EXPECT_THAT(world.bodies(world.alice), SizeIs(3));
}

TEST_F(ShardInboundTest, GapIsAnsweredWithTheLastNumberTaken) {
  transfer(1, 1);
  world.settle();
  transfer(3, 4);
  world.settle();
  EXPECT_THAT(answers(), ElementsAre(1, 1));
  EXPECT_THAT(world.bodies(world.alice), ElementsAre("copy 1"));
}

TEST_F(ShardInboundTest, TransferRefusedForWantOfRoomGetsNoAnswer) {
  world.budgets->disk.set_log_full(true);
  transfer(1, 1);
  world.settle();
  EXPECT_THAT(answers(), IsEmpty()) << "the origin sends it again";
  world.budgets->disk.set_log_full(false);
  transfer(1, 1);
  world.settle();
  EXPECT_THAT(answers(), ElementsAre(1));
}

}  // namespace
}  // namespace earshot::actors
