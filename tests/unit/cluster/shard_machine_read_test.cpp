#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/shard_machine.hpp"
#include "storage/keys.hpp"
#include "tests/unit/cluster/shard_machine_fixture.hpp"

namespace earshot::cluster {
namespace {

namespace keys = storage::keys;

const ProducerId kProducer{77};

LostRange lost(std::uint64_t first, std::uint64_t last, LostReason reason) {
  return {Sequence(first), Sequence(last), reason};
}

std::vector<std::uint64_t> sequences(const Batch& batch) {
  std::vector<std::uint64_t> all;
  for (const auto& message : batch.messages) all.push_back(message.sequence.value);
  return all;
}

using testing::ElementsAre;
using testing::IsEmpty;

// Reading mailboxes, sound ones and damaged ones.
class ShardMachineReadTest : public testing::Test {
 protected:
  // Messages 1..count for bob, flushed.
  void fill(TestReplica& replica, std::uint64_t count) {
    for (std::uint64_t n = 1; n <= count; ++n) {
      ASSERT_TRUE(std::holds_alternative<Stored>(replica.send(kProducer, alice, outgoing(bob, n)).value));
    }
    replica.flush();
  }
  Batch history(TestReplica& replica, std::uint64_t before, std::uint32_t limit) {
    return replica->history(bob, Sequence(before), limit, 1 << 20).value();
  }
  bool damage(const std::string& key) {
    return disk.damage(storage::kStateTable, storage::state_key(kTestShard, key), 301);
  }
  // Loses or changes records behind the machine's back, then starts it again.
  void tamper(TestReplica& replica, const std::function<void(storage::ShardState&)>& change) {
    replica.reopen_after([&] {
      auto environment = disk.open();
      storage::ShardState state(*environment, kTestShard);
      change(state);
      auto overlay = state.freeze(LogIndex(1));
      ASSERT_TRUE(storage::write_overlays(*environment, {&overlay, 1}).has_value());
    });
  }
  // As retention does: everything below `first` is gone.
  void trim(TestReplica& replica, std::uint64_t first, std::uint64_t last) {
    tamper(replica, [&](storage::ShardState& state) {
      for (std::uint64_t n = 1; n < first; ++n) state.erase(keys::message(bob, Sequence(n)));
      state.put(keys::mailbox_head(bob), encode(MailboxHead{Sequence(first), Sequence(last), 0}));
    });
  }

  storage::ModelDisk disk{1};
  TestReplica::OpenEnvironment open = [this] { return disk.open(); };
  UserId alice = user_in(kTestShard, 0);
  UserId bob = user_in(kTestShard, 1);
};

TEST_F(ShardMachineReadTest, UnknownUserHasAnEmptyMailbox) {
  TestReplica replica(open);
  for (const Batch& batch : {replica.fetch(bob), history(replica, 0, 10), replica.fetch(bob, 99)}) {
    EXPECT_EQ(batch.epoch, Epoch(1));
    EXPECT_THAT(batch.messages, IsEmpty());
    EXPECT_THAT(batch.lost, IsEmpty());
    EXPECT_EQ(batch.last_sequence, Sequence(0));
  }
}

TEST_F(ShardMachineReadTest, FetchGoesOnBehindWhatTheReaderHas) {
  TestReplica replica(open);
  fill(replica, 10);
  EXPECT_THAT(sequences(replica.fetch(bob, 0, 4)), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(sequences(replica.fetch(bob, 4, 4)), ElementsAre(5, 6, 7, 8));
  EXPECT_THAT(sequences(replica.fetch(bob, 8, 4)), ElementsAre(9, 10));
  EXPECT_THAT(sequences(replica.fetch(bob, 10, 4)), IsEmpty());
  EXPECT_THAT(sequences(replica.fetch(bob, UINT64_MAX, 4)), IsEmpty());
  EXPECT_THAT(sequences(replica.fetch(bob, 0, 0)), IsEmpty());
  EXPECT_EQ(replica.fetch(bob, 0, 4).last_sequence, Sequence(10));
}

TEST_F(ShardMachineReadTest, BatchIsBoundedByBytesButNeverEmptyHanded) {
  TestReplica replica(open);
  fill(replica, 5);  // bodies of 5 bytes
  EXPECT_THAT(sequences(replica->fetch(bob, Sequence(1), 9, 11).value()), ElementsAre(2, 3));
  EXPECT_THAT(sequences(replica->fetch(bob, Sequence(1), 9, 1).value()), ElementsAre(2));
  EXPECT_THAT(sequences(replica->history(bob, Sequence(0), 9, 11).value()), ElementsAre(4, 5));
}

TEST_F(ShardMachineReadTest, HistoryIsTheNewestAscending) {
  TestReplica replica(open);
  fill(replica, 10);
  EXPECT_THAT(sequences(history(replica, 0, 3)), ElementsAre(8, 9, 10));
  EXPECT_THAT(sequences(history(replica, 8, 3)), ElementsAre(5, 6, 7));
  EXPECT_THAT(sequences(history(replica, 2, 3)), ElementsAre(1));
  EXPECT_THAT(sequences(history(replica, 1, 3)), IsEmpty());
  EXPECT_THAT(sequences(history(replica, 99, 2)), ElementsAre(9, 10));
  EXPECT_THAT(history(replica, 1, 3).lost, IsEmpty());
}

TEST_F(ShardMachineReadTest, NameThatBeginsLikeAnotherIsAnotherMailbox) {
  TestReplica replica(open);
  // "user-1" and "user-1…" in one shard.
  std::string longer = bob.text();
  for (char c = '0'; shard_of(longer, kTestShards) != kTestShard || longer == bob.text(); ++c) longer = bob.text() + c;
  const UserId other = UserId::trusted(longer);
  EXPECT_EQ(replica.send(kProducer, alice, outgoing(bob, 1)), (SendAnswer{Stored{Sequence(1), Epoch(1)}}));
  EXPECT_EQ(replica.send(kProducer, alice, outgoing(other, 2)), (SendAnswer{Stored{Sequence(1), Epoch(1)}}));
  EXPECT_EQ(replica.fetch(bob).messages.size(), 1u);
  EXPECT_EQ(history(replica, 0, 9).messages.size(), 1u);
}

TEST_F(ShardMachineReadTest, DamagedRecordIsNeverServed) {
  TestReplica replica(open);
  fill(replica, 9);
  for (std::uint64_t n : {3, 4, 7}) ASSERT_TRUE(damage(keys::message(bob, Sequence(n))));
  const Batch all = replica.fetch(bob);
  EXPECT_THAT(sequences(all), ElementsAre(1, 2, 5, 6, 8, 9));
  EXPECT_THAT(all.lost, ElementsAre(lost(3, 4, LostReason::kCorrupt), lost(7, 7, LostReason::kCorrupt)));
  const Batch newest = history(replica, 0, 6);
  EXPECT_THAT(sequences(newest), ElementsAre(5, 6, 8, 9));
  EXPECT_THAT(newest.lost, ElementsAre(lost(4, 4, LostReason::kCorrupt), lost(7, 7, LostReason::kCorrupt)));
  EXPECT_FALSE(replica->digest().has_value());
}

TEST_F(ShardMachineReadTest, BodyThatDoesNotFitItsChecksumIsNeverServed) {
  TestReplica replica(open);
  OutgoingMessage message = outgoing(bob, 1);
  message.body[0] ^= 1;  // behind the door's back
  replica.send(kProducer, alice, message);
  EXPECT_THAT(replica.fetch(bob).messages, IsEmpty());
  EXPECT_THAT(replica.fetch(bob).lost, ElementsAre(lost(1, 1, LostReason::kCorrupt)));
}

TEST_F(ShardMachineReadTest, MissingRecordIsSaidWhereverItWas) {
  TestReplica replica(open);
  fill(replica, 9);
  tamper(replica, [&](storage::ShardState& state) {
    for (std::uint64_t n : {1, 2, 5, 9}) state.erase(keys::message(bob, Sequence(n)));
  });
  const auto at_start = lost(1, 2, LostReason::kUnknown), inside = lost(5, 5, LostReason::kUnknown),
             at_end = lost(9, 9, LostReason::kUnknown);
  EXPECT_THAT(sequences(replica.fetch(bob)), ElementsAre(3, 4, 6, 7, 8));
  EXPECT_THAT(replica.fetch(bob).lost, ElementsAre(at_start, inside, at_end));
  EXPECT_THAT(sequences(history(replica, 0, 100)), ElementsAre(3, 4, 6, 7, 8));
  EXPECT_THAT(history(replica, 0, 100).lost, ElementsAre(at_start, inside, at_end));
  EXPECT_THAT(replica.fetch(bob, 8).lost, ElementsAre(at_end));
  EXPECT_THAT(replica.fetch(bob, 3, 2).lost, ElementsAre(inside));
  EXPECT_THAT(replica.fetch(bob, 2, 2).lost, IsEmpty()) << "not asked for";
}

TEST_F(ShardMachineReadTest, TrimmedMessagesAreSaidOnlyAsFarAsAskedFor) {
  TestReplica replica(open);
  fill(replica, 9);
  trim(replica, 6, 9);
  EXPECT_THAT(replica.fetch(bob).lost, ElementsAre(lost(1, 5, LostReason::kTrimmed)));
  EXPECT_THAT(sequences(replica.fetch(bob)), ElementsAre(6, 7, 8, 9));
  EXPECT_THAT(replica.fetch(bob, 3).lost, ElementsAre(lost(4, 5, LostReason::kTrimmed)));
  EXPECT_THAT(replica.fetch(bob, 5).lost, IsEmpty());
  EXPECT_THAT(history(replica, 0, 4).lost, IsEmpty());
  EXPECT_THAT(history(replica, 0, 6).lost, ElementsAre(lost(4, 5, LostReason::kTrimmed)));
  EXPECT_THAT(history(replica, 4, 2).lost, ElementsAre(lost(2, 3, LostReason::kTrimmed)));
  EXPECT_THAT(history(replica, 4, 99).lost, ElementsAre(lost(1, 3, LostReason::kTrimmed)));
  trim(replica, 10, 9);
  EXPECT_THAT(replica.fetch(bob).lost, ElementsAre(lost(1, 9, LostReason::kTrimmed)));
  EXPECT_THAT(history(replica, 0, 2).lost, ElementsAre(lost(8, 9, LostReason::kTrimmed)));
}

TEST_F(ShardMachineReadTest, MailboxWhoseHeadIsGoneIsNotTakenForAnEmptyOne) {
  TestReplica replica(open);
  fill(replica, 3);
  tamper(replica, [this](storage::ShardState& state) { state.erase(keys::mailbox_head(bob)); });
  EXPECT_EQ(replica->fetch(bob, Sequence(0), 10, 1 << 20).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(replica->history(bob, Sequence(0), 10, 1 << 20).error().code, ErrorCode::kCorrupt);
  const LoginCommand phone_of_bob{bob, device("phone"), {}, {}, {}};
  // Stored as number 1, it would take the place of another.
  SendCommand command{kProducer, alice, device("phone"), {}};
  command.items.push_back({outgoing(bob, 4), std::nullopt});
  const Effects effects = replica.apply(std::move(command));
  const auto& answer = std::get<SendResult>(effects.results[0]).answers.at(0);
  ASSERT_TRUE(std::holds_alternative<SendAnswer::Refused>(answer.value));
  EXPECT_EQ(std::get<SendAnswer::Refused>(answer.value).error.code, ErrorCode::kCorrupt);
  EXPECT_EQ(effects.damaged, 1u) << "the node's log tells of it";
  EXPECT_EQ(replica.login(phone_of_bob).error().code, ErrorCode::kCorrupt);
}

TEST_F(ShardMachineReadTest, UserWhoOnlyLoggedInAndWhoseHeadIsGoneIsNotTakenForANewOne) {
  TestReplica replica(open);
  const LoginCommand phone_of_bob{bob, device("phone"), {}, {}, {}};
  ASSERT_TRUE(replica.login(phone_of_bob).has_value());
  replica.flush();
  tamper(replica, [this](storage::ShardState& state) { state.erase(keys::mailbox_head(bob)); });
  EXPECT_EQ(replica.login(phone_of_bob).error().code, ErrorCode::kCorrupt);
}

TEST_F(ShardMachineReadTest, DamagedMailboxHeadTakesNothingAndSaysSo) {
  TestReplica replica(open);
  fill(replica, 3);
  replica.reopen_after([&] { ASSERT_TRUE(damage(keys::mailbox_head(bob))); });
  EXPECT_EQ(replica->fetch(bob, Sequence(), 9, 99).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(replica->history(bob, Sequence(), 9, 99).error().code, ErrorCode::kCorrupt);
  SendCommand command{kProducer, alice, device("phone"), {}};
  command.items.push_back({outgoing(bob, 4), std::nullopt});
  command.items.push_back({outgoing(alice, 5), std::nullopt});
  const Effects effects = replica.apply(std::move(command));
  const auto& answers = std::get<SendResult>(effects.results[0]).answers;
  EXPECT_EQ(std::get<SendAnswer::Refused>(answers[0].value).error.code, ErrorCode::kCorrupt);
  EXPECT_EQ(answers[1], (SendAnswer{Stored{Sequence(1), Epoch(1)}})) << "other mailboxes go on";
  EXPECT_EQ(effects.damaged, 1u);
}

TEST_F(ShardMachineReadTest, DamagedLaneAsksForANewProducerAndStoresNothingTwice) {
  TestReplica replica(open);
  fill(replica, 3);
  replica.reopen_after([&] { ASSERT_TRUE(damage(keys::lane(kProducer))); });
  for (std::uint64_t n : {1, 3, 4}) {
    const SendAnswer answer = replica.send(kProducer, alice, outgoing(bob, n));
    EXPECT_EQ(std::get<SendAnswer::Held>(answer.value).error.code, ErrorCode::kProducerReset);
  }
  EXPECT_EQ(replica.fetch(bob).last_sequence, Sequence(3));
}

TEST_F(ShardMachineReadTest, DamagedCursorStartsAgainAtTheOldestMessage) {
  TestReplica replica(open);
  fill(replica, 5);
  LoginCommand login{bob, device("phone"), ProducerId(), Epoch(), Sequence(), StartAt::kNewest};
  const auto first = replica.login(login).value();
  EXPECT_EQ(first.cursor, Sequence(5));
  replica.flush();
  replica.reopen_after([&] { ASSERT_TRUE(damage(keys::cursor(bob, device("phone")))); });
  EXPECT_EQ(replica.ack(bob, 5).error().code, ErrorCode::kCorrupt);
  login.producer = first.producer;
  const auto again = replica.login(login).value();
  EXPECT_EQ(again.cursor, Sequence(0)) << "redelivered and dropped by the device, rather than skipped";
  EXPECT_TRUE(again.new_producer);
  EXPECT_EQ(replica.ack(bob, 5), Sequence(5));
}

TEST_F(ShardMachineReadTest, DamagedHeadsOfTheShardDoNotOpen) {
  const UserId stranger = user_in(kOtherShard, 0);
  for (const std::string& key : {keys::shard_head(), keys::outbox_head(kOtherShard), keys::inbound_head(kOtherShard)}) {
    storage::ModelDisk broken(1);
    {
      TestReplica replica([&] { return broken.open(); });
      OutgoingMessage message = outgoing(bob, 1);
      message.copy_to_self = true;
      replica.send(kProducer, stranger, message);
      OutboxRecord record;
      record.message.sender = stranger;
      record.message.sender_device = device("phone");
      record.recipients = {bob};
      replica.apply(TransferCommand{kOtherShard, Epoch(1), 1, {record}});
      replica.flush();
    }
    ASSERT_TRUE(broken.damage(storage::kStateTable, storage::state_key(kTestShard, key), 301));
    auto environment = broken.open();
    storage::ShardState state(*environment, kTestShard);
    const auto opened = ShardMachine::open(state, kTestShard, kTestShards);
    ASSERT_FALSE(opened.has_value());
    EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
  }
}

TEST_F(ShardMachineReadTest, DamagedOutboxRecordIsSentAsLostAndHoldsUpNoOther) {
  const UserId stranger = user_in(kOtherShard, 0);
  TestReplica replica(open);
  for (std::uint64_t n = 1; n <= 5; ++n) {
    OutgoingMessage message = outgoing(bob, n);
    message.copy_to_self = true;
    replica.send(kProducer, stranger, message);
  }
  replica.flush();
  ASSERT_TRUE(damage(keys::outbox(kOtherShard, 2)));
  tamper(replica, [&](storage::ShardState& state) {
    state.erase(keys::outbox(kOtherShard, 3));
    state.erase(keys::outbox(kOtherShard, 5));
  });
  const auto records = replica->outbox(kOtherShard, 1, 9, 1 << 20).value();
  ASSERT_EQ(records.size(), 5u) << "the numbers stay contiguous";
  for (std::size_t i : {1, 2, 4}) EXPECT_EQ(records[i], OutboxRecord{OutboxCause::kLost});
  EXPECT_EQ(records[3].message.id, id_of(4)) << "damaged, gone, and there";
  EXPECT_EQ(replica->outbox(kOtherShard, 2, 9, 1 << 20)->size(), 4u);
  EXPECT_EQ(replica->outbox(kOtherShard, 3, 1, 1 << 20)->size(), 1u);

  storage::ModelDisk other_disk(1);
  TestReplica target([&] { return other_disk.open(); }, {}, kOtherShard);
  const Effects effects = target.apply(TransferCommand{kTestShard, Epoch(1), 1, records});
  EXPECT_EQ(std::get<TransferResult>(effects.results[0]).last, 5u);
  EXPECT_EQ(effects.dropped, 3u) << "said, not silent";
  EXPECT_EQ(effects.delivered.size(), 2u);
}

TEST_F(ShardMachineReadTest, BatchOfManyLostRangesEndsEarlyInsteadOfGrowingBeyondWhatACallMayBring) {
  MachineLimits limits;
  limits.lost_ranges_max = 6;
  TestReplica replica(open, limits);
  fill(replica, 40);
  for (std::uint64_t n = 1; n <= 40; n += 2) ASSERT_TRUE(damage(keys::message(bob, Sequence(n))));
  Sequence after;
  std::size_t calls = 0, messages = 0;
  for (; after < Sequence(40); ++calls) {
    const Batch batch = replica.fetch(bob, after.value);
    EXPECT_LE(batch.lost.size(), 6u);
    ASSERT_FALSE(batch.messages.empty() && batch.lost.empty());
    messages += batch.messages.size();
    const Sequence told = batch.lost.empty() ? Sequence() : batch.lost.back().last;
    after = std::max(told, batch.messages.empty() ? Sequence() : batch.messages.back().sequence);
  }
  EXPECT_EQ(messages, 20u) << "nothing is passed over";
  EXPECT_GT(calls, 2u);
  EXPECT_LE(history(replica, 0, 40).lost.size(), 6u);
}

}  // namespace
}  // namespace earshot::cluster
