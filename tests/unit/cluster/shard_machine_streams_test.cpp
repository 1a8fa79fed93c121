#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/shard_machine.hpp"
#include "tests/unit/cluster/shard_machine_fixture.hpp"

namespace earshot::cluster {
namespace {

const ProducerId kProducer{77};

// Outbox records between shards: what this shard owes others, and what it takes from them.
class ShardMachineStreamsTest : public testing::Test {
 protected:
  // A user of another shard writes to a user of this one and wants a copy.
  SendAnswer send_with_copy(TestReplica& replica, std::uint64_t number) {
    OutgoingMessage message = outgoing(bob, number, "copied " + std::to_string(number));
    message.copy_to_self = true;
    return replica.send(kProducer, stranger, message);
  }
  OutboxRecord record(std::uint64_t number, std::vector<UserId> recipients) {
    OutboxRecord record;
    record.recipients = std::move(recipients);
    record.message.sender = stranger;
    record.message.sender_device = device("phone");
    record.message.id = id_of(number);
    record.message.body = "record " + std::to_string(number);
    record.message.checksum = checksum_of(record.message.body);
    record.message.copy_of = bob;
    return record;
  }
  TransferCommand transfer(std::uint64_t first, std::uint64_t last, std::uint64_t epoch = 1) {
    TransferCommand command{kOtherShard, Epoch(epoch), first, {}};
    for (std::uint64_t n = first; n <= last; ++n) command.records.push_back(record(n, {alice}));
    return command;
  }
  static std::uint64_t last_of(const Effects& effects) { return std::get<TransferResult>(effects.results.at(0)).last; }

  storage::ModelDisk disk{1};
  TestReplica::OpenEnvironment open = [this] { return disk.open(); };
  UserId alice = user_in(kTestShard, 0);
  UserId bob = user_in(kTestShard, 1);
  UserId stranger = user_in(kOtherShard, 0);
};

TEST_F(ShardMachineStreamsTest, CopyForAnotherShardWaitsInTheOutbox) {
  TestReplica replica(open);
  OutgoingMessage message = outgoing(bob, 1, "far copy");
  message.copy_to_self = true;
  SendCommand command{kProducer, stranger, device("phone"), {}};
  command.items.push_back({message, std::nullopt});
  const Effects effects = replica.apply(std::move(command), 5'000);
  EXPECT_THAT(effects.outbox_targets, testing::ElementsAre(kOtherShard));
  ASSERT_EQ(effects.delivered.size(), 1u) << "only the recipient lives here";

  replica.flush_and_reopen();
  const auto heads = replica->outbox_heads().value();
  ASSERT_EQ(heads.size(), 1u);
  EXPECT_EQ(heads[0].first, kOtherShard);
  EXPECT_EQ(heads[0].second, (OutboxHead{2, 0}));
  const auto records = replica->outbox(kOtherShard, 1, 10, 1 << 20).value();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].recipients, std::vector<UserId>{stranger});
  EXPECT_EQ(records[0].message.body, "far copy");
  EXPECT_EQ(records[0].message.copy_of, bob);
  EXPECT_EQ(records[0].message.sender, stranger);
}

TEST_F(ShardMachineStreamsTest, RepeatWritesNoSecondOutboxRecord) {
  TestReplica replica(open);
  send_with_copy(replica, 1);
  replica.flush_and_reopen();
  send_with_copy(replica, 1);
  EXPECT_EQ(replica->outbox(kOtherShard, 1, 10, 1 << 20)->size(), 1u);
}

TEST_F(ShardMachineStreamsTest, ConfirmedRecordsAreGoneAndTheRestKeepTheirNumbers) {
  TestReplica replica(open);
  for (std::uint64_t n = 1; n <= 5; ++n) send_with_copy(replica, n);
  replica.flush();
  replica.apply(ConfirmCommand{kOtherShard, 2});
  replica.apply(ConfirmCommand{kOtherShard, 1});  // late, and without effect
  for (int round = 0; round < 2; ++round) {
    const auto records = replica->outbox(kOtherShard, 3, 10, 1 << 20).value();
    ASSERT_EQ(records.size(), 3u);
    EXPECT_EQ(records[0].message.body, "copied 3");
    const auto drained = replica->outbox(kOtherShard, 2, 10, 1 << 20);
    ASSERT_FALSE(drained.has_value()) << "another record than the one asked for would be numbered wrongly";
    EXPECT_EQ(drained.error().expected, 3u);
    replica.flush_and_reopen();
  }
}

TEST_F(ShardMachineStreamsTest, ConfirmBeyondWhatWasSentStopsThere) {
  TestReplica replica(open);
  send_with_copy(replica, 1);
  replica.apply(ConfirmCommand{kOtherShard, 1'000'000});
  replica.apply(ConfirmCommand{ShardId(3), 7});
  EXPECT_TRUE(replica->outbox_heads()->empty());
  send_with_copy(replica, 2);
  const auto records = replica->outbox(kOtherShard, 2, 10, 1 << 20).value();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].message.body, "copied 2");
}

TEST_F(ShardMachineStreamsTest, OutboxReadsAreBoundedButNeverEmptyHanded) {
  TestReplica replica(open);
  for (std::uint64_t n = 1; n <= 5; ++n) send_with_copy(replica, n);
  EXPECT_EQ(replica->outbox(kOtherShard, 1, 3, 1 << 20)->size(), 3u);
  EXPECT_EQ(replica->outbox(kOtherShard, 1, 3, 17)->size(), 2u);
  EXPECT_EQ(replica->outbox(kOtherShard, 1, 3, 0)->size(), 1u);
  EXPECT_TRUE(replica->outbox(kOtherShard, 6, 3, 1 << 20)->empty());
  EXPECT_TRUE(replica->outbox(ShardId(3), 1, 3, 1 << 20)->empty());
}

TEST_F(ShardMachineStreamsTest, FullOutboxHoldsWithoutStoringHalf) {
  MachineLimits limits;
  limits.outbox_records_max = 2;
  TestReplica replica(open, limits);
  send_with_copy(replica, 1), send_with_copy(replica, 2);
  replica.flush_and_reopen();
  const SendAnswer answer = send_with_copy(replica, 3);
  ASSERT_TRUE(std::holds_alternative<SendAnswer::Held>(answer.value));
  EXPECT_EQ(std::get<SendAnswer::Held>(answer.value).error.code, ErrorCode::kOverloaded);
  EXPECT_EQ(replica.fetch(bob).last_sequence, Sequence(2)) << "the message waits together with its copy";
  replica.apply(ConfirmCommand{kOtherShard, 1});
  EXPECT_EQ(send_with_copy(replica, 3), (SendAnswer{Stored{Sequence(3), Epoch(1)}}));
}

TEST_F(ShardMachineStreamsTest, TransferTwiceStoresOnce) {
  TestReplica replica(open);
  EXPECT_EQ(last_of(replica.apply(transfer(1, 3))), 3u);
  replica.flush_and_reopen();
  EXPECT_EQ(last_of(replica.apply(transfer(1, 3))), 3u);
  EXPECT_EQ(last_of(replica.apply(transfer(2, 5))), 5u);
  const Batch batch = replica.fetch(alice);
  ASSERT_EQ(batch.messages.size(), 5u);
  for (std::uint64_t n = 1; n <= 5; ++n) EXPECT_EQ(batch.messages[n - 1].body, "record " + std::to_string(n));
  EXPECT_EQ(batch.messages[0].copy_of, bob);
}

TEST_F(ShardMachineStreamsTest, GapInTransferIsNotSkipped) {
  TestReplica replica(open);
  EXPECT_EQ(last_of(replica.apply(transfer(2, 3))), 0u);
  EXPECT_EQ(last_of(replica.apply(transfer(1, 1))), 1u);
  EXPECT_EQ(last_of(replica.apply(transfer(3, 4))), 1u);
  EXPECT_EQ(last_of(replica.apply(transfer(2, 4))), 4u);
  EXPECT_EQ(replica.fetch(alice).messages.size(), 4u);
}

TEST_F(ShardMachineStreamsTest, NewEpochBeginsAgainAndTheOldOneIsIgnored) {
  TestReplica replica(open);
  EXPECT_EQ(last_of(replica.apply(transfer(1, 3, 1))), 3u);
  EXPECT_EQ(last_of(replica.apply(transfer(2, 2, 2))), 0u) << "the new life begins with 1";
  EXPECT_EQ(last_of(replica.apply(transfer(1, 1, 2))), 1u);
  EXPECT_EQ(last_of(replica.apply(transfer(4, 4, 1))), 1u);
  EXPECT_EQ(replica.fetch(alice).messages.size(), 4u);
}

TEST_F(ShardMachineStreamsTest, TransferReachesEveryRecipientWithTheShardsTime) {
  TestReplica replica(open);
  TransferCommand command{kOtherShard, Epoch(1), 1, {record(1, {alice, bob, stranger})}};
  const Effects effects = replica.apply(std::move(command), 7'000);
  EXPECT_EQ(effects.delivered.size(), 2u);
  EXPECT_EQ(effects.dropped, 1u) << "a user of another shard has no mailbox here";
  for (const auto& user : {alice, bob}) {
    const Batch batch = replica.fetch(user);
    ASSERT_EQ(batch.messages.size(), 1u);
    EXPECT_EQ(batch.messages[0].body, "record 1");
    EXPECT_EQ(batch.messages[0].stored_at_ms, 7'000u);
  }
}

TEST_F(ShardMachineStreamsTest, TransferIntoAFullMailboxIsCountedAndDoesNotStopTheStream) {
  MachineLimits limits;
  limits.mailbox_messages_max = 2;
  TestReplica replica(open, limits);
  const Effects effects = replica.apply(transfer(1, 5));
  EXPECT_EQ(last_of(effects), 5u);
  EXPECT_EQ(effects.dropped, 3u);
  EXPECT_EQ(replica.fetch(alice).messages.size(), 2u);
}

}  // namespace
}  // namespace earshot::cluster
