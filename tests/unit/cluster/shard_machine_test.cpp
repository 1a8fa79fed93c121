#include "cluster/shard_machine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/lmdb_environment.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/unit/cluster/shard_machine_fixture.hpp"

namespace earshot::cluster {
namespace {

const ProducerId kProducer{77};

SendAnswer stored(std::uint64_t sequence) { return SendAnswer{Stored{Sequence(sequence), Epoch(1)}}; }

// Error code of a held answer; kInternal when it is not held.
ErrorCode held_code(const SendAnswer& answer) {
  const auto* held = std::get_if<SendAnswer::Held>(&answer.value);
  return held != nullptr ? held->error.code : ErrorCode::kInternal;
}
ErrorCode refused_code(const SendAnswer& answer) {
  const auto* refused = std::get_if<SendAnswer::Refused>(&answer.value);
  return refused != nullptr ? refused->error.code : ErrorCode::kInternal;
}

std::vector<std::string> bodies(const Batch& batch) {
  std::vector<std::string> all;
  for (const auto& message : batch.messages) all.push_back(message.body);
  return all;
}

class ShardMachineTest : public testing::Test {
 protected:
  static MachineLimits small_limits() {
    MachineLimits limits;
    limits.lane_window_max = 4;
    limits.mailbox_messages_max = 6;
    limits.outbox_records_max = 2;
    return limits;
  }

  storage::ModelDisk disk{1};
  TestReplica::OpenEnvironment open = [this] { return disk.open(); };
  UserId alice = user_in(kTestShard, 0);
  UserId bob = user_in(kTestShard, 1);
  UserId stranger = user_in(kOtherShard, 0);  // a user of another shard
};

TEST_F(ShardMachineTest, StoresAMessageWithTheShardsTimeAndDeliversIt) {
  TestReplica replica(open);
  SendCommand command{kProducer, alice, device("phone"), {}};
  command.items.push_back({outgoing(bob, 1, "hi"), std::nullopt});
  const Effects effects = replica.apply(std::move(command), 5'000);
  EXPECT_EQ(std::get<SendResult>(effects.results.at(0)).answers.at(0), stored(1));

  const Batch batch = replica.fetch(bob);
  ASSERT_EQ(batch.messages.size(), 1u);
  const IncomingMessage expected{Sequence(1),       alice, device("phone"), id_of(1), "hi",
                                 checksum_of("hi"), 1001,  5'000,           1,        UserId()};
  EXPECT_EQ(batch.messages[0], expected);
  EXPECT_EQ(batch.last_sequence, Sequence(1));
  EXPECT_EQ(batch.epoch, Epoch(1));
  ASSERT_EQ(effects.delivered.size(), 1u);
  EXPECT_EQ(effects.delivered[0].user, bob);
  EXPECT_EQ(*effects.delivered[0].message, expected);
}

TEST_F(ShardMachineTest, RepeatGetsItsFirstAnswerAndStoresNothing) {
  TestReplica replica(open);
  EXPECT_EQ(replica.send(kProducer, alice, outgoing(bob, 1)), stored(1));
  EXPECT_EQ(replica.send(kProducer, alice, outgoing(bob, 2)), stored(2));
  EXPECT_EQ(replica.send(kProducer, alice, outgoing(bob, 1)), stored(1));
  EXPECT_EQ(replica.fetch(bob).messages.size(), 2u);
}

TEST_F(ShardMachineTest, RepeatGetsItsFirstAnswerAfterFlushAndReopen) {
  TestReplica replica(open);
  const Error rule{ErrorCode::kChecksumMismatch, "body", "altered on the way"};
  const SendAnswer first = replica.send(kProducer, alice, outgoing(bob, 1));
  const SendAnswer second = replica.send(kProducer, alice, outgoing(bob, 2), rule);
  replica.flush_and_reopen();
  EXPECT_EQ(replica.send(kProducer, alice, outgoing(bob, 1)), first);
  EXPECT_EQ(replica.send(kProducer, alice, outgoing(bob, 2)), second);
  EXPECT_EQ(second.value, (decltype(second.value)(SendAnswer::Refused{rule})));
  EXPECT_EQ(replica.send(kProducer, alice, outgoing(bob, 3)), stored(2));
}

TEST_F(ShardMachineTest, HoleIsRefusedAtApplyNotBefore) {
  TestReplica replica(open);
  SendCommand command{kProducer, alice, device("phone"), {}};
  for (std::uint64_t number : {1, 3, 2, 3}) command.items.push_back({outgoing(bob, number), std::nullopt});
  const auto answers = std::get<SendResult>(replica.apply(std::move(command)).results.at(0)).answers;
  ASSERT_EQ(answers.size(), 4u);
  EXPECT_EQ(answers[0], stored(1));
  EXPECT_EQ(held_code(answers[1]), ErrorCode::kOutOfOrder);
  EXPECT_EQ(std::get<SendAnswer::Held>(answers[1].value).error.expected, 2u);
  EXPECT_EQ(answers[2], stored(2));
  EXPECT_EQ(answers[3], stored(3));
}

TEST_F(ShardMachineTest, OlderRetryAfterNewerIsNotTakenForARepeat) {
  TestReplica replica(open);
  // Number 2 overtakes number 1 on the way; the retry of 1 must still be stored.
  EXPECT_EQ(held_code(replica.send(kProducer, alice, outgoing(bob, 2, "second"))), ErrorCode::kOutOfOrder);
  EXPECT_EQ(replica.send(kProducer, alice, outgoing(bob, 1, "first")), stored(1));
  EXPECT_EQ(replica.send(kProducer, alice, outgoing(bob, 2, "second")), stored(2));
  EXPECT_THAT(bodies(replica.fetch(bob)), testing::ElementsAre("first", "second"));
}

TEST_F(ShardMachineTest, FinalRefusalUsesUpItsNumber) {
  TestReplica replica(open);
  const Error rule{ErrorCode::kTooLarge, "body", "too long"};
  EXPECT_EQ(refused_code(replica.send(kProducer, alice, outgoing(bob, 1), rule)), ErrorCode::kTooLarge);
  EXPECT_EQ(replica.send(kProducer, alice, outgoing(bob, 2)), stored(1));
  // The repeat arrives sound, but its answer is given: it must not change.
  EXPECT_EQ(refused_code(replica.send(kProducer, alice, outgoing(bob, 1))), ErrorCode::kTooLarge);
  EXPECT_EQ(replica.fetch(bob).messages.size(), 1u);
}

TEST_F(ShardMachineTest, KnownNumberWithAnotherMessageResetsTheProducer) {
  TestReplica replica(open);
  EXPECT_EQ(replica.send(kProducer, alice, outgoing(bob, 1)), stored(1));
  OutgoingMessage other = outgoing(bob, 1);
  other.id = id_of(999);
  EXPECT_EQ(held_code(replica.send(kProducer, alice, other)), ErrorCode::kProducerReset);
  EXPECT_EQ(replica.fetch(bob).messages.size(), 1u);
}

TEST_F(ShardMachineTest, ForgottenAnswerIsNeverGuessed) {
  TestReplica replica(open);
  EXPECT_EQ(replica.send(kProducer, alice, outgoing(bob, 1)), stored(1));
  OutgoingMessage second = outgoing(bob, 2);
  second.answered_below = LaneNumber(2);
  EXPECT_EQ(replica.send(kProducer, alice, second), stored(2));
  replica.flush_and_reopen();
  EXPECT_EQ(held_code(replica.send(kProducer, alice, outgoing(bob, 1))), ErrorCode::kProducerReset);
  EXPECT_EQ(replica.send(kProducer, alice, outgoing(bob, 2)), stored(2));
}

TEST_F(ShardMachineTest, LaneOfAnotherDeviceIsNotUsed) {
  TestReplica replica(open);
  EXPECT_EQ(replica.send(kProducer, alice, outgoing(bob, 1)), stored(1));
  EXPECT_EQ(held_code(replica.send(kProducer, bob, outgoing(bob, 1))), ErrorCode::kProducerReset);
  EXPECT_EQ(held_code(replica.send(kProducer, bob, outgoing(bob, 2))), ErrorCode::kProducerReset);
  EXPECT_EQ(held_code(replica.send(ProducerId(), bob, outgoing(bob, 1))), ErrorCode::kProducerReset);
  EXPECT_EQ(replica.send(kProducer, alice, outgoing(bob, 2)), stored(2));
}

TEST_F(ShardMachineTest, FullLaneHoldsUntilAnswersAreReleased) {
  TestReplica replica(open, small_limits());
  for (std::uint64_t n = 1; n <= 4; ++n) EXPECT_EQ(replica.send(kProducer, alice, outgoing(bob, n)), stored(n));
  const SendAnswer full = replica.send(kProducer, alice, outgoing(bob, 5));
  EXPECT_EQ(held_code(full), ErrorCode::kOverloaded);
  EXPECT_GT(std::get<SendAnswer::Held>(full.value).error.retry_after_ms, 0u);
  // Held is not final: what comes behind it is out of order, and the held one goes in as soon as there is room.
  EXPECT_EQ(held_code(replica.send(kProducer, alice, outgoing(bob, 6))), ErrorCode::kOutOfOrder);
  EXPECT_EQ(replica.send(kProducer, alice, outgoing(bob, 1)), stored(1));
  OutgoingMessage fifth = outgoing(bob, 5);
  fifth.answered_below = LaneNumber(2);
  EXPECT_EQ(replica.send(kProducer, alice, fifth), stored(5));
}

TEST_F(ShardMachineTest, FullMailboxRefusesForGood) {
  MachineLimits limits = small_limits();
  limits.mailbox_messages_max = 2;
  TestReplica replica(open, limits);
  for (std::uint64_t n = 1; n <= 2; ++n) EXPECT_EQ(replica.send(kProducer, alice, outgoing(bob, n)), stored(n));
  EXPECT_EQ(refused_code(replica.send(kProducer, alice, outgoing(bob, 3))), ErrorCode::kMailboxFull);
  EXPECT_EQ(replica.send(kProducer, alice, outgoing(alice, 4)), stored(1));
  EXPECT_EQ(refused_code(replica.send(kProducer, alice, outgoing(bob, 3))), ErrorCode::kMailboxFull);
  EXPECT_EQ(replica.fetch(bob).messages.size(), 2u);
}

TEST_F(ShardMachineTest, NothingIsStoredInTheWrongShard) {
  TestReplica replica(open);
  EXPECT_EQ(held_code(replica.send(kProducer, alice, outgoing(stranger, 1))), ErrorCode::kUnavailable);
  EXPECT_EQ(replica.fetch(stranger).last_sequence, Sequence(0));
  EXPECT_EQ(replica.send(kProducer, alice, outgoing(bob, 1)), stored(1));
  const auto login = replica.login({stranger, device("phone"), ProducerId(), Epoch(), Sequence(), StartAt::kOldest});
  EXPECT_EQ(login.error().code, ErrorCode::kUnavailable);
}

TEST_F(ShardMachineTest, HeldItemsLeaveNoTrace) {
  TestReplica replica(open);
  const auto before = replica->digest().value();
  EXPECT_EQ(held_code(replica.send(kProducer, alice, outgoing(bob, 2))), ErrorCode::kOutOfOrder);
  TestReplica other([] {
    static storage::ModelDisk disk{1};
    return disk.open();
  });
  other.apply(ConfirmCommand{kOtherShard, 9});
  EXPECT_EQ(replica->digest().value(), other->digest().value());
  EXPECT_NE(replica->digest().value(), before);  // the applied index moved
}

TEST_F(ShardMachineTest, MailboxSequencesAreContiguousAcrossReopen) {
  TestReplica replica(open);
  for (std::uint64_t n = 1; n <= 30; ++n) {
    EXPECT_EQ(replica.send(kProducer, alice, outgoing(bob, n, "body " + std::to_string(n))), stored(n));
    if (n % 3 == 0) replica.flush();
    if (n % 4 == 0) replica.reopen();
  }
  const Batch batch = replica.fetch(bob);
  ASSERT_EQ(batch.messages.size(), 30u);
  EXPECT_TRUE(batch.lost.empty());
  for (std::uint64_t n = 1; n <= 30; ++n) {
    EXPECT_EQ(batch.messages[n - 1].sequence, Sequence(n));
    EXPECT_EQ(batch.messages[n - 1].body, "body " + std::to_string(n));
  }
}

TEST_F(ShardMachineTest, CopyToSelfInSameShardIsAtomic) {
  TestReplica replica(open);
  OutgoingMessage message = outgoing(bob, 1, "both of us");
  message.copy_to_self = true;
  SendCommand command{kProducer, alice, device("phone"), {}};
  command.items.push_back({message, std::nullopt});
  const Effects effects = replica.apply(std::move(command), 42);
  ASSERT_EQ(effects.delivered.size(), 2u);
  EXPECT_EQ(effects.delivered[0].user, bob);
  EXPECT_EQ(effects.delivered[1].user, alice);
  EXPECT_TRUE(effects.outbox_targets.empty());

  const Batch own = replica.fetch(alice);
  ASSERT_EQ(own.messages.size(), 1u);
  EXPECT_EQ(own.messages[0].copy_of, bob);
  EXPECT_EQ(own.messages[0].sender, alice);
  EXPECT_EQ(own.messages[0].id, id_of(1));
  EXPECT_EQ(own.messages[0].body, "both of us");
  EXPECT_EQ(own.messages[0].stored_at_ms, 42u);
  // A repeat stores neither of the two again.
  EXPECT_EQ(replica.send(kProducer, alice, message), stored(1));
  EXPECT_EQ(replica.fetch(alice).messages.size(), 1u);
  EXPECT_EQ(replica.fetch(bob).messages.size(), 1u);
  EXPECT_TRUE(replica.fetch(bob).messages[0].copy_of.empty());
}

TEST_F(ShardMachineTest, SenderToItselfGetsOneMessageNotTwo) {
  TestReplica replica(open);
  OutgoingMessage note = outgoing(alice, 1, "note to self");
  note.copy_to_self = true;
  EXPECT_EQ(replica.send(kProducer, alice, note), stored(1));
  EXPECT_EQ(replica.fetch(alice).messages.size(), 1u);
}

TEST_F(ShardMachineTest, CopyThatFindsAFullMailboxIsCounted) {
  MachineLimits limits = small_limits();
  limits.mailbox_messages_max = 1;
  TestReplica replica(open, limits);
  EXPECT_EQ(replica.send(kProducer, alice, outgoing(alice, 1)), stored(1));
  OutgoingMessage message = outgoing(bob, 2);
  message.copy_to_self = true;
  SendCommand command{kProducer, alice, device("phone"), {}};
  command.items.push_back({message, std::nullopt});
  const Effects effects = replica.apply(std::move(command));
  EXPECT_EQ(std::get<SendResult>(effects.results[0]).answers[0], stored(1));
  EXPECT_EQ(effects.dropped, 1u);
}

TEST_F(ShardMachineTest, TimeNeverGoesBack) {
  TestReplica replica(open);
  replica.apply(CommandBatch{9'000, {}});
  replica.apply(CommandBatch{4'000, {}});
  EXPECT_EQ(replica->tick_ms(), 9'000u);
  replica.flush_and_reopen();
  EXPECT_EQ(replica->tick_ms(), 9'000u);
  replica.send(kProducer, alice, outgoing(bob, 1));
  EXPECT_EQ(replica.fetch(bob).messages.at(0).stored_at_ms, 9'000u);
}

TEST_F(ShardMachineTest, FreezeSaysNothingWhenNothingChangedOrAFlushIsUnderWay) {
  TestReplica replica(open);
  EXPECT_EQ(replica.freeze(), nullptr);
  replica.send(kProducer, alice, outgoing(bob, 1));
  EXPECT_GT(replica->unflushed_bytes(), 0u);
  const auto overlay = replica.freeze();
  ASSERT_NE(overlay, nullptr);
  EXPECT_EQ(overlay->applied, LogIndex(1));
  replica.send(kProducer, alice, outgoing(bob, 2));
  EXPECT_EQ(replica.freeze(), nullptr);
  EXPECT_EQ(replica.fetch(bob).messages.size(), 2u);
  replica.write(overlay);
  EXPECT_GT(replica->unflushed_bytes(), 0u);
  replica.flush();
  EXPECT_EQ(replica.freeze(), nullptr);
  EXPECT_EQ(replica->unflushed_bytes(), 0u);
}

TEST_F(ShardMachineTest, EntriesAreAppliedInOrderOverBarriers) {
  TestReplica replica(open);
  const std::string entry = encode(CommandBatch{});
  replica->apply(LogIndex(3), Term(2), entry);
  replica->apply(LogIndex(7), Term(2), entry);
  EXPECT_EQ(replica->applied_index(), LogIndex(7));
  EXPECT_DEATH(replica->apply(LogIndex(7), Term(2), entry), "log order");
  EXPECT_DEATH(replica->apply(LogIndex(8), Term(1), entry), "terms");
}

TEST_F(ShardMachineTest, EntryThatCannotBeDecodedStopsTheProcess) {
  TestReplica replica(open);
  EXPECT_DEATH(replica->apply(LogIndex(1), Term(1), "no command batch"), "entry 1 of shard 1");
  EXPECT_DEATH(replica->apply(LogIndex(1), Term(1), ""), "entry 1 of shard 1");
}

TEST_F(ShardMachineTest, KeepsItsWordOnRealDisk) {
  tests::TemporaryDirectory directory;
  TestReplica replica([&] {
    storage::LmdbOptions options{directory / "state", storage::state_tables()};
    options.map_bytes = 64 << 20;
    return std::move(*storage::open_lmdb(options));
  });
  for (std::uint64_t n = 1; n <= 100; ++n) {
    EXPECT_EQ(replica.send(kProducer, alice, outgoing(bob, n, std::string(n * 10, 'x'))), stored(n));
    if (n % 20 == 0) replica.flush();
    if (n % 30 == 0) replica.reopen();
  }
  replica.flush_and_reopen();
  EXPECT_EQ(replica.send(kProducer, alice, outgoing(bob, 100, std::string(1000, 'x'))), stored(100));
  const Batch batch = replica.fetch(bob, 0, 1000);
  ASSERT_EQ(batch.messages.size(), 100u);
  EXPECT_EQ(batch.messages[49].body, std::string(500, 'x'));
}

}  // namespace
}  // namespace earshot::cluster
