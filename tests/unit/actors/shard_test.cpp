#include "actors/shard.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/raft_message.hpp"
#include "tests/support/shard_world.hpp"

namespace earshot::actors {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using tests::device;
using tests::RecordingSession;
using tests::ShardWorld;

class ShardTest : public testing::Test {
 protected:
  ShardTest() { world.settle(); }

  static std::shared_ptr<RecordingSession> session() { return std::make_shared<RecordingSession>(); }
  void subscribe(const std::shared_ptr<RecordingSession>& port, SessionId id, const UserId& user,
                 std::string_view name = "phone") {
    world->handle(ShardRegister{port, id, user, device(name), true});
  }
  void login(const std::shared_ptr<RecordingSession>& port, const UserId& user) {
    world->handle(
        ShardLogin{port, ++world.requests, LoginCommand{user, device("phone"), {}, {}, {}, StartAt::kOldest}});
  }

  ShardWorld world;
  std::shared_ptr<RecordingSession> port = session();
};

// It would be committed and then stop every replica that applies it, at each start.
TEST(ShardFollower, AnEntryThatIsNoCommandIsRefusedBeforeItIsStored) {
  ShardWorld world(false);
  world.founders = {{NodeId(1), "local", true}, {NodeId(2), "there", true}, {NodeId(3), "here", true}};
  world.start();
  world.settle();
  const auto append = [](const std::string& command) {
    const auto data = std::make_shared<const std::string>(command);
    cluster::RaftMessage message;
    message.term = Term(2);
    message.content = cluster::AppendEntries{
        LogIndex(1), Term(1), LogIndex(2), {{LogIndex(2), Term(2), storage::EntryType::kCommand, data}}};
    return cluster::PeerMessage{NodeId(2), NodeId(1), encode(message)};
  };
  world->receive(append("no command"));
  EXPECT_EQ(world.entries_waiting(), 0u);
  world.settle();
  world->receive(append(encode(CommandBatch{})));
  EXPECT_EQ(world.entries_waiting(), 1u);
  world.settle();
}

// It is about to give the state to the other, which has nothing yet.
TEST(ShardBesideAStandby, TheOnlyVoterKeepsAStateThatIsDamaged) {
  ShardWorld world(false);
  world.founders = {{NodeId(1), "local", true}, {NodeId(2), "there", false}};
  world.start();
  world.settle();
  const auto port = std::make_shared<RecordingSession>();
  world.send(port, world.alice, 1);
  world.send(port, world.bob, 2);
  world.settle();
  world.advance(limits::kFlushIntervalMs);
  ASSERT_TRUE(world.write_overlay());
  world.settle();
  world.crash();
  ASSERT_TRUE(world.state_disk.damage(
      storage::kStateTable, storage::state_key(ShardWorld::kShard, storage::keys::mailbox_head(world.bob)), 77));
  world.start();
  world.settle();
  EXPECT_THAT(world.bodies(world.alice), ElementsAre("body 1"));
  const auto damaged = world.fetch(world.bob);
  ASSERT_FALSE(damaged.has_value());
  EXPECT_EQ(damaged.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(world.bodies(world.alice), ElementsAre("body 1")) << "nobody could give it another";
}

TEST_F(ShardTest, AnswersOnlyAfterTheLogIsSynced) {
  auto receiver = session();
  subscribe(receiver, 1, world.alice);
  world.send(port, world.alice, 1);
  world.gather();
  EXPECT_EQ(world.entries_waiting(), 1u);
  EXPECT_THAT(port->sends, IsEmpty()) << "stored before said";
  EXPECT_THAT(receiver->pushes, IsEmpty());
  EXPECT_THAT(world.bodies(world.alice), IsEmpty());
  world.sync();
  EXPECT_THAT(port->stored(), ElementsAre(1));
  EXPECT_THAT(receiver->pushed(), ElementsAre(1));
}

TEST_F(ShardTest, RequestsGatherUntilTheMailboxIsEmpty) {
  world.send(port, world.alice, 1);
  world.send(port, world.alice, 2);
  world.send(port, world.bob, 3);
  world.gather();
  EXPECT_EQ(world.entries_waiting(), 1u) << "what had arrived goes into one entry";
  world.sync();
  EXPECT_THAT(port->stored(), ElementsAre(1, 2, 1));
}

TEST_F(ShardTest, RequestsGatherWhileTheDiskIsBusy) {
  std::uint64_t number = 0;
  for (std::uint32_t entry = 0; entry < limits::kEntriesInFlightMax; ++entry) {
    world.send(port, world.alice, ++number);
    ASSERT_TRUE(world.gather());
  }
  EXPECT_EQ(world.entries_waiting(), limits::kEntriesInFlightMax);
  for (int i = 0; i < 100; ++i) world.send(port, world.alice, ++number);
  EXPECT_FALSE(world.gather_asked()) << "no more entries while so many are under way";
  world.sync_one();
  ASSERT_TRUE(world.gather());
  EXPECT_EQ(world.entries_waiting(), limits::kEntriesInFlightMax) << "a hundred requests, one entry";
  world.settle();
  ASSERT_THAT(port->stored(), SizeIs(number));
  for (std::uint64_t i = 0; i < number; ++i) EXPECT_EQ(port->stored()[i], i + 1) << "a producer's order is kept";
}

TEST_F(ShardTest, EntriesAreBoundedAndSeveralGoOutTogether) {
  const std::size_t requests = limits::kEntryCommandsMax + 10;
  for (std::size_t i = 1; i <= requests; ++i) world.send(port, world.alice, i);
  world.gather();
  EXPECT_EQ(world.entries_waiting(), 2u);
  world.settle();
  EXPECT_THAT(port->stored(), SizeIs(requests));
}

TEST_F(ShardTest, RepeatedSendGetsItsFirstAnswer) {
  world.send(port, world.alice, 1, 3);
  world.settle();
  world.send(port, world.alice, 2, 2);
  world.settle();
  EXPECT_THAT(port->stored(), ElementsAre(1, 2, 3, 2, 3));
  EXPECT_THAT(world.bodies(world.alice), SizeIs(3));
}

TEST_F(ShardTest, RestartAppliesTheLogAgain) {
  for (std::uint64_t i = 1; i <= 50; ++i) world.send(port, world.alice, i), world.settle();
  ASSERT_FALSE(world.write_overlay()) << "nothing was ever flushed";
  const auto before = world.bodies(world.alice);
  world.restart();
  EXPECT_EQ(world.bodies(world.alice), before);
  world.send(port, world.alice, 50);
  world.send(port, world.alice, 51);
  world.settle();
  EXPECT_EQ(port->stored().back(), 51u);
  EXPECT_EQ(port->stored()[50], 50u) << "the repeat of a message from before the crash gets its answer";
}

TEST_F(ShardTest, RestartWithoutSyncForgetsOnlyWhatWasNotAnswered) {
  world.send(port, world.alice, 1);
  world.settle();
  world.send(port, world.alice, 2);
  world.gather();
  EXPECT_THAT(port->stored(), ElementsAre(1));
  world.restart();
  EXPECT_THAT(world.bodies(world.alice), ElementsAre("body 1"));
  world.send(port, world.alice, 2);
  world.settle();
  EXPECT_THAT(port->stored(), ElementsAre(1, 2));
}

TEST_F(ShardTest, OverlayDroppedOnlyAfterCommit) {
  world.send(port, world.alice, 1);
  world.settle();
  world.advance(limits::kFlushIntervalMs);
  ASSERT_TRUE(world.has_overlay());
  EXPECT_THAT(world.bodies(world.alice), ElementsAre("body 1")) << "readable while it is under way";
  world.send(port, world.alice, 2);
  world.settle();
  EXPECT_THAT(world.bodies(world.alice), ElementsAre("body 1", "body 2"));
  EXPECT_EQ(world.writes(), 0u) << "the log is not cut before the state is on disk";
  world.write_overlay();
  EXPECT_THAT(world.bodies(world.alice), ElementsAre("body 1", "body 2"));
  ASSERT_GT(world.writes(), 0u);
  EXPECT_TRUE(world.last_write().snapshot.has_value()) << "now the log may be cut";
  world.settle();
  world.restart();
  EXPECT_THAT(world.bodies(world.alice), ElementsAre("body 1", "body 2"));
}

TEST_F(ShardTest, CrashBetweenFlushAndCutIsHarmless) {
  world.send(port, world.alice, 1, 5);
  world.settle();
  world.advance(limits::kFlushIntervalMs);
  ASSERT_TRUE(world.write_overlay());
  world.restart();  // the write that cuts the log is lost
  EXPECT_THAT(world.bodies(world.alice), SizeIs(5));
  world.send(port, world.alice, 6);
  world.settle();
  EXPECT_EQ(port->stored().back(), 6u);
}

TEST_F(ShardTest, IdleShardWakesForTheRoundThroughItsRecordsAlone) {
  world.advance(limits::kFlushIntervalMs);
  while (world.write_overlay()) world.settle();
  EXPECT_EQ(world.wake_at_ms, 0u);
  world.send(port, world.alice, 1);
  world.settle();
  EXPECT_NE(world.wake_at_ms, 0u);
  EXPECT_LE(world.wake_at_ms, world.clock.monotonic_ms() + limits::kFlushIntervalMs);
  world.advance(limits::kFlushIntervalMs);
  world.write_overlay();
  world.settle();
  EXPECT_GT(world.wake_at_ms, world.clock.monotonic_ms() + limits::kSweepIntervalMs / 2) << "everything is flushed";
}

TEST_F(ShardTest, PressureOnTheNodesBudgetFlushesBeforeTheInterval) {
  world.budgets = std::make_shared<NodeBudgets>(2'000, limits::kLogQueueBytesMax);
  world.restart();
  world.send(port, world.alice, 1, 10);
  world.settle();
  EXPECT_TRUE(world.has_overlay());
}

TEST_F(ShardTest, ATightDiskOrALongLogFlushesBeforeTheInterval) {
  world.send(port, world.alice, 1);
  world.settle();
  EXPECT_FALSE(world.has_overlay());
  world.budgets->disk.set_flush_early(true);
  world.send(port, world.alice, 2);
  world.settle();
  ASSERT_TRUE(world.has_overlay());
  world.send(port, world.alice, 3);
  world.settle();
  world.write_overlay();
  EXPECT_TRUE(world.has_overlay()) << "and again, as long as room is short";
}

TEST_F(ShardTest, AFlushThatTakesLongerThanItsIntervalIsNotAskedForAgain) {
  world.send(port, world.alice, 1);
  world.settle();
  world.advance(limits::kFlushIntervalMs);
  ASSERT_TRUE(world.has_overlay());
  world.send(port, world.alice, 2);
  world.settle();
  world.advance(10 * limits::kFlushIntervalMs);
  world.send(port, world.alice, 3);
  world.settle();
  EXPECT_TRUE(world.wake_at_ms == 0 || world.wake_at_ms > world.clock.monotonic_ms()) << "the timer spins";
  world.write_overlay();
  EXPECT_TRUE(world.has_overlay()) << "what came meanwhile follows at once";
}

TEST_F(ShardTest, OverloadedWhileUnflushedStateIsAtItsBound) {
  world.budgets = std::make_shared<NodeBudgets>(2'000, limits::kLogQueueBytesMax);
  world.restart();
  std::uint64_t number = 0;
  while (port->held() != ErrorCode::kOverloaded && number < 1'000)
    world.send(port, world.alice, ++number), world.settle();
  ASSERT_EQ(port->held(), ErrorCode::kOverloaded);
  EXPECT_THAT(world.bodies(world.alice), SizeIs(number - 1)) << "reads go on";
  while (world.write_overlay()) world.settle();
  world.send(port, world.alice, number);
  world.settle();
  EXPECT_EQ(port->stored().back(), number);
}

TEST_F(ShardTest, PushesEachNewMessageOnceInOrder) {
  auto receiver = session();
  subscribe(receiver, 1, world.alice);
  for (std::uint64_t i = 1; i <= 20; ++i) {
    world.send(port, world.alice, 2 * i - 1);
    world.send(port, world.bob, 2 * i);
    if (i % 3 == 0) world.settle();
  }
  world.send(port, world.alice, 1);  // a repeat
  world.settle();
  std::vector<std::uint64_t> expected;
  for (std::uint64_t i = 1; i <= 20; ++i) expected.push_back(i);
  EXPECT_EQ(receiver->pushed(), expected);
}

TEST_F(ShardTest, NewerSessionEvictsOlder) {
  auto older = session();
  auto newer = session();
  subscribe(older, 1, world.alice);
  subscribe(newer, 2, world.alice);
  ASSERT_TRUE(older->evicted.has_value());
  EXPECT_EQ(older->evicted->code, ErrorCode::kSessionReplaced);
  world->handle(ShardUnregister{1, world.alice, device("phone")});
  world.send(port, world.alice, 1);
  world.settle();
  EXPECT_THAT(newer->pushed(), ElementsAre(1));
  EXPECT_THAT(older->pushed(), IsEmpty());
}

TEST_F(ShardTest, LoginAndAckAreAnsweredWhenCommitted) {
  login(port, world.alice);
  world.gather();
  EXPECT_THAT(port->logins, IsEmpty());
  world.settle();
  ASSERT_THAT(port->logins, SizeIs(1));
  ASSERT_TRUE(port->logins[0].outcome.has_value());
  EXPECT_NE(port->logins[0].outcome->producer, ProducerId());

  world.send(port, world.alice, 1, 3);
  world.settle();
  world->handle(ShardAck{port, ++world.requests, AckCommand{world.alice, device("phone"), Sequence(2), {}}});
  world.gather();
  EXPECT_THAT(port->acks, IsEmpty());
  world.settle();
  EXPECT_EQ(port->acks.at(0).cursor.value(), Sequence(2));
}

TEST_F(ShardTest, OverloadedAtThePendingBound) {
  for (std::size_t i = 1; i <= limits::kShardPendingCommandsMax; ++i) world.send(port, world.alice, i);
  EXPECT_THAT(port->sends, IsEmpty());
  auto refused = session();
  world.send(refused, world.alice, limits::kShardPendingCommandsMax + 1);
  EXPECT_EQ(refused->held(), ErrorCode::kOverloaded);
  const auto& held = std::get<SendAnswer::Held>(refused->sends.at(0).answers.at(0).value);
  EXPECT_GT(held.error.retry_after_ms, 0u);
  world.gather();
  EXPECT_EQ(world.entries_waiting(), limits::kEntriesInFlightMax) << "however much waits";
  world.settle();
  EXPECT_THAT(port->stored(), SizeIs(limits::kShardPendingCommandsMax)) << "what was let in is done";
}

TEST_F(ShardTest, OverloadedAtTheNodesAdmissionBoundAndGivesTheRoomBack) {
  world.budgets = std::make_shared<NodeBudgets>(limits::kOverlayBytesMax, 2'000);
  world.restart();
  std::uint64_t number = 0;
  while (port->held() != ErrorCode::kOverloaded && number < 1'000) world.send(port, world.alice, ++number);
  ASSERT_EQ(port->held(), ErrorCode::kOverloaded);
  world.settle();
  EXPECT_EQ(world.budgets->admitted.used(), 0u);
  world.send(port, world.alice, number);
  world.settle();
  EXPECT_EQ(port->stored().back(), number);
}

TEST_F(ShardTest, RoomOfWhatIsRefusedOrDiesWithTheShardIsGivenBack) {
  for (const bool stops : {true, false}) {
    world.restart();
    std::uint64_t number = 0;
    world.send(port, world.alice, ++number);
    world.settle();
    EXPECT_GT(world.budgets->overlay.used(), 0u);
    for (std::uint32_t entry = 0; entry < limits::kEntriesInFlightMax; ++entry) {
      world.send(port, world.alice, ++number);
      world.gather();
    }
    const std::size_t submitted = world.budgets->admitted.used();
    world.send(port, world.alice, ++number);  // waits for an entry
    EXPECT_GT(world.budgets->admitted.used(), submitted);
    if (stops) {
      world->stop();
      EXPECT_EQ(world.budgets->admitted.used(), submitted) << "what is in the log counts until it is applied";
    }
    world.crash();
    EXPECT_EQ(world.budgets->admitted.used(), 0u);
    EXPECT_EQ(world.budgets->overlay.used(), 0u);
    world.start();
  }
}

TEST_F(ShardTest, AReadRightAfterARestartMissesNothingThatWasAnswered) {
  world.send(port, world.alice, 1, 3);
  world.settle();
  world.crash();
  world.start();
  const auto early = world.fetch(world.alice);
  if (early.has_value()) {
    EXPECT_THAT(early->messages, SizeIs(3));
  } else {
    EXPECT_EQ(early.error().code, ErrorCode::kUnavailable);
  }
  world.settle();
  EXPECT_THAT(world.bodies(world.alice), SizeIs(3));
}

TEST_F(ShardTest, AReadIsBoundedWhoeverAsks) {
  const auto fetch = [&](const UserId& user, std::uint32_t limit, std::size_t bytes_max) {
    const auto reader = session();
    world->handle(ShardFetch{reader, 77, user, Sequence(0), limit, bytes_max});
    return std::move(reader->fetches.at(0).batch.value().messages);
  };
  world.send(port, world.alice, 1, limits::kFetchMessagesMax + 1);
  world.settle();
  EXPECT_THAT(fetch(world.alice, UINT32_MAX, SIZE_MAX), SizeIs(limits::kFetchMessagesMax));
  EXPECT_THAT(fetch(world.alice, 0, SIZE_MAX), SizeIs(1));
  for (std::uint64_t number = 1; number <= 5; ++number) {
    SendCommand command{ProducerId(8), world.sender, device("phone"), {}};
    command.items.push_back(
        SendItem{tests::outgoing(world.bob, number, std::string(limits::kBodyBytesMax, 'x')), std::nullopt});
    world->handle(ShardSend{port, ++world.requests, std::move(command)});
    world.settle();
  }
  EXPECT_THAT(fetch(world.bob, UINT32_MAX, SIZE_MAX), SizeIs(testing::Lt(5u)));
}

// Answers to reads count until the session has them: a thousand fetches at once must not each have 4 MiB read for it.
TEST_F(ShardTest, ReadsAreRefusedWhileTooManyAnswersAreUnderWay) {
  world.send(port, world.alice, 1);
  world.settle();
  world.budgets->reads.take(limits::kReadsBytesMax - 1);
  const auto fetch = [&](const auto& reader) {
    world->handle(ShardFetch{reader, 77, world.alice, Sequence(0), 1, 1 << 20});
    return reader->fetches.back().batch;
  };
  const auto first = session();
  EXPECT_TRUE(fetch(first).has_value()) << "one byte below the bound";
  const auto refused = fetch(session());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kOverloaded);
  EXPECT_EQ(refused.error().retry_after_ms, limits::kRetryAfterMs);
  first->fetches.clear();  // the session has it
  EXPECT_TRUE(fetch(session()).has_value());
}

TEST_F(ShardTest, StorageFullRefusesNewAndKeepsAdmitted) {
  world.send(port, world.alice, 1);
  world.gather();
  world.budgets->disk.set_log_full(true);
  auto refused = session();
  world.send(refused, world.alice, 2);
  EXPECT_EQ(refused->held(), ErrorCode::kStorageFull);
  login(refused, world.bob);
  EXPECT_EQ(refused->logins.at(0).outcome.error().code, ErrorCode::kStorageFull);
  EXPECT_TRUE(world.fetch(world.alice).has_value()) << "reads go on";
  EXPECT_THAT(port->sends, IsEmpty());
  world.sync();  // there is room again
  EXPECT_THAT(port->stored(), ElementsAre(1));
  world.budgets->disk.set_log_full(false);
  world.send(port, world.alice, 2);
  world.settle();
  EXPECT_THAT(port->stored(), ElementsAre(1, 2));
}

TEST_F(ShardTest, StateThatFindsNoRoomRefusesSendsOnly) {
  world.budgets->disk.set_state_full(true);
  world.send(port, world.alice, 1);
  EXPECT_EQ(port->held(), ErrorCode::kStorageFull);
  login(port, world.bob);
  world.settle();
  ASSERT_EQ(port->logins.size(), 1u);
  EXPECT_TRUE(port->logins.at(0).outcome.has_value()) << "the log still has room for what is small";
}

TEST_F(ShardTest, TightDiskRefusesSendsOnly) {
  world.budgets->disk.set_tight(true);
  world.send(port, world.alice, 1);
  EXPECT_EQ(port->held(), ErrorCode::kStorageFull);
  login(port, world.bob);
  world.settle();
  ASSERT_EQ(port->logins.size(), 1u);
  EXPECT_TRUE(port->logins.at(0).outcome.has_value()) << "who wants to read must get in";
  EXPECT_TRUE(world.fetch(world.alice).has_value());
  world.budgets->disk.set_tight(false);
  auto again = session();
  world.send(again, world.alice, 1);
  world.settle();
  EXPECT_THAT(again->stored(), ElementsAre(1));
}

TEST_F(ShardTest, StopRefusesFlushesAndDrains) {
  world.send(port, world.alice, 1);
  world.gather();
  auto waiting = session();
  world.send(waiting, world.alice, 2);
  world->stop();
  EXPECT_EQ(waiting->held(), ErrorCode::kUnavailable) << "what is not in the log yet is refused";
  EXPECT_FALSE(world->drained());
  auto late = session();
  world.send(late, world.alice, 3);
  EXPECT_EQ(late->held(), ErrorCode::kUnavailable);
  world.settle();
  EXPECT_THAT(port->stored(), ElementsAre(1)) << "what is in the log is answered";
  EXPECT_FALSE(world->drained()) << "not flushed";
  ASSERT_TRUE(world.write_overlay()) << "the flush does not wait for its interval";
  world.settle();
  EXPECT_TRUE(world->drained());
  EXPECT_EQ(world.wake_at_ms, 0u);
}

TEST_F(ShardTest, ClockThatJumpsGivesNoTick) {
  world.send(port, world.alice, 1);
  world.settle();
  const auto sane_ms = world.fetch(world.alice).value().messages.at(0).stored_at_ms;
  EXPECT_EQ(sane_ms, world.clock.wall_ms());
  world.clock.jump_wall(3'600'000);
  world.send(port, world.alice, 2);
  world.settle();
  EXPECT_EQ(world.fetch(world.alice).value().messages.at(1).stored_at_ms, sane_ms) << "time stands still";
  world.clock.jump_wall(-3'600'000 + 30'000);
  world.send(port, world.alice, 3);
  world.settle();
  EXPECT_EQ(world.fetch(world.alice).value().messages.at(2).stored_at_ms, sane_ms + 30'000)
      << "small steps are followed";
}

}  // namespace
}  // namespace earshot::actors
