#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/keys.hpp"
#include "tests/unit/cluster/shard_machine_life_fixture.hpp"

namespace earshot::cluster {
namespace {

using ShardMachineExpiry = ShardMachineLife;

// What the overlay makes of a record that it changes; nothing: it erases it.
std::optional<std::string_view> changed(const storage::FrozenOverlay& overlay, const std::string& key) {
  const auto* const change = overlay.changes.find(key);
  EXPECT_NE(change, nullptr);
  return change != nullptr ? change->value() : std::nullopt;
}

TEST_F(ShardMachineExpiry, MessageEndsWhenItsTimeHasPassedAndIsSaidToBeLost) {
  send(kStart, 500), send(kStart), send(kStart, 100);
  EXPECT_EQ(replica().fetch(bob).messages[0].expires_at_ms, kStart + 500);
  EXPECT_EQ(replica()->next_due_ms(), kStart + 100);
  EXPECT_EQ(ended(tick(kStart + 99)), "");
  EXPECT_EQ(box(), "1 2 3");
  EXPECT_EQ(ended(tick(kStart + 100)), "lost 3..3 expired;");
  EXPECT_EQ(box(), "1 2 lost 3..3 expired");
  EXPECT_EQ(replica()->next_due_ms(), kStart + 500);
  EXPECT_EQ(ended(tick(kStart + 500)), "lost 1..1 expired;");
  EXPECT_EQ(box(), "2 lost 1..1 expired lost 3..3 expired");
  EXPECT_EQ(box(1), "2 lost 3..3 expired");
  replica().flush_and_reopen();
  EXPECT_EQ(box(), "2 lost 1..1 expired lost 3..3 expired");
}

TEST_F(ShardMachineExpiry, DueMessageIsNotShownBeforeItIsSwept) {
  limits.expiries_per_entry_max = 1;
  send(kStart, 100), send(kStart, 100), send(kStart, 100);
  EXPECT_EQ(ended(tick(kStart + 100)), "lost 1..1 expired;");
  EXPECT_EQ(box(), "lost 1..3 expired");
  EXPECT_EQ(replica()->history(bob, Sequence(), 10, 1 << 20)->lost, replica().fetch(bob).lost);
  EXPECT_EQ(replica()->next_due_ms(), kStart + 100) << "there is more to do";
  EXPECT_EQ(ended(tick(kStart + 100)), "lost 2..2 expired;");
  EXPECT_EQ(ended(tick(kStart + 100)), "lost 3..3 expired;");
  EXPECT_GT(replica()->next_due_ms(), kStart + 100);
}

TEST_F(ShardMachineExpiry, CommandWithoutATickEndsNothing) {
  send(kStart, 100);
  replica().apply(TouchCommand{});
  EXPECT_EQ(box(), "1");
}

TEST_F(ShardMachineExpiry, TombstoneKeepsIdAndTimesButNoBody) {
  send(kStart), send(kStart, 100, std::string(10'000, 'b'));
  replica().flush();
  tick(kStart + 150);
  const auto overlay = replica().freeze();
  const auto stored = changed(*overlay, storage::keys::message(bob, Sequence(2)));
  const MailboxRecord record = decode_mailbox_record(*stored).value();
  EXPECT_TRUE(record.body.empty());
  EXPECT_EQ(record.ended, LostReason::kExpired);
  EXPECT_EQ(record.ended_at_ms, kStart + 150);
  EXPECT_EQ(record.id, id_of(2));
  EXPECT_EQ(record.stored_at_ms, kStart);
  EXPECT_FALSE(changed(*overlay, storage::keys::expiry({kStart + 100, bob, Sequence(2)})).has_value());
}

TEST_F(ShardMachineExpiry, FrontOfTombstonesGoesForGood) {
  send(kStart, 300), send(kStart, 100), send(kStart, 200), send(kStart);
  tick(kStart + 200);
  EXPECT_EQ(box(), "1 4 lost 2..3 expired");
  tick(kStart + 300);
  EXPECT_EQ(box(), "4 lost 1..3 expired") << "all that is gone has expired";
  const auto overlay = replica().freeze();
  for (std::uint64_t n : {1, 2, 3}) {
    EXPECT_FALSE(changed(*overlay, storage::keys::message(bob, Sequence(n))).has_value());
  }
  const auto head = decode_mailbox_head(*changed(*overlay, storage::keys::mailbox_head(bob))).value();
  EXPECT_EQ(head.first, Sequence(4));
  EXPECT_EQ(head.gone_reason, LostReason::kExpired);
}

TEST_F(ShardMachineExpiry, WhatWasTrimmedAmongTheExpiredIsCalledTrimmed) {
  send(kStart, 100), send(kStart), send(kStart);
  tick(kStart + 100);
  ASSERT_TRUE(set_policy(bob, Policy{0, 1, 0, 0}).has_value());
  send(kStart + 200);
  EXPECT_EQ(ended(last_), "lost 2..3 trimmed;");
  EXPECT_EQ(box(), "4 lost 1..3 trimmed");
}

TEST_F(ShardMachineExpiry, MessageThatWasLateAlreadyUsesUpItsNumberAndStoresNothing) {
  OutgoingMessage message = outgoing(bob, 1, "");
  message.expired = true;
  const SendAnswer answer = replica().send(ProducerId(5), alice, message);
  const auto& error = std::get<SendAnswer::Refused>(answer.value).error;
  EXPECT_EQ(error.code, ErrorCode::kExpired);
  EXPECT_EQ(error.field, "ttlMs");
  EXPECT_EQ(replica().send(ProducerId(5), alice, message), answer) << "a repeat gets its first answer";
  EXPECT_TRUE(std::holds_alternative<Stored>(replica().send(ProducerId(5), alice, outgoing(bob, 2)).value));
}

TEST_F(ShardMachineExpiry, TimeToLiveIsNotCountedFromNoTime) {
  storage::ModelDisk fresh(1);
  TestReplica unborn([&] { return fresh.open(); });
  OutgoingMessage message = outgoing(bob, 1);
  message.ttl_ms = 1'000;
  EXPECT_TRUE(std::get<SendAnswer::Held>(unborn.send(ProducerId(5), alice, message).value).error.is_temporary());
  EXPECT_EQ(unborn->next_due_ms(), 0u);
}

TEST_F(ShardMachineExpiry, TimeGoesOnWhileTheLeaderDoubtsItsClock) {
  constexpr std::uint64_t kHour = 3'600'000;
  constexpr std::uint64_t kLate = kStart + 10 * kHour;  // no tick for so long
  const UserId stranger = user_in(kOtherShard, 0);
  ASSERT_TRUE(set_policy(bob, Policy{kHour, 0, 0, 0}).has_value());
  OutgoingMessage message = outgoing(carol, 1);
  message.ttl_ms = kHour, message.copy_to_self = true;
  doubt(kLate, SendCommand{ProducerId(5), stranger, device("phone"), {SendItem{message, std::nullopt}}});
  doubt(kLate, SendCommand{ProducerId(6), alice, device("phone"), {SendItem{outgoing(bob, 1), std::nullopt}}});
  replica().flush_and_reopen();
  doubt(kLate - kHour);  // another leader's clock
  const Batch kept = replica().fetch(carol);
  EXPECT_EQ(kept.messages.at(0).stored_at_ms, kLate);
  EXPECT_EQ(kept.messages.at(0).expires_at_ms, kLate + kHour);
  EXPECT_EQ(replica()->outbox(kOtherShard, 1, 9, 1 << 20)->at(0).message.expires_at_ms, kHour) << "all of its time";
  EXPECT_EQ(replica()->tick_ms(), kStart) << "nothing ends by a clock in doubt";

  EXPECT_EQ(ended(tick(kLate + kHour / 12)), "") << "five minutes old";
  EXPECT_EQ(box(), "1");
  EXPECT_EQ(ended(tick(kLate + kHour)), "lost 1..1 expired;lost 1..1 trimmed;") << "carol's, then bob's";
  EXPECT_EQ(box(), "lost 1..1 trimmed");
}

TEST_F(ShardMachineExpiry, CopyThatComesBeforeTheTimeIsKnownDoesNotEndAtTheFirstTick) {
  storage::ModelDisk fresh(1);
  TestReplica unborn([&] { return fresh.open(); });
  OutboxRecord record{OutboxCause::kCopyToSelf, {bob}, {}, {}};
  record.message.sender = alice, record.message.sender_device = device("phone");
  record.message.checksum = checksum_of("");
  record.message.expires_at_ms = 1'000;
  unborn.apply(TransferCommand{kOtherShard, Epoch(1), 1, {record}});
  CommandBatch doubted;
  doubted.now_ms = kStart;
  doubted.commands.push_back(TransferCommand{kOtherShard, Epoch(1), 2, {record}});
  unborn.apply(doubted);
  EXPECT_THAT(unborn.apply(TouchCommand{}, kStart + 500).ended, IsEmpty());
  EXPECT_EQ(ended(unborn.apply(TouchCommand{}, kStart + 1'000)), "lost 2..2 expired;");
}

TEST_F(ShardMachineExpiry, OwnCopyLivesAsLongWhereverItIsKept) {
  const UserId stranger = user_in(kOtherShard, 0);
  OutgoingMessage message = outgoing(bob, 1);
  message.ttl_ms = 1'000, message.copy_to_self = true;
  replica().send(ProducerId(6), stranger, message);
  replica().send(ProducerId(7), carol, message);
  EXPECT_EQ(replica().fetch(carol).messages.at(0).expires_at_ms, kStart + 1'000);
  tick(kStart + 400);  // it waits in the outbox
  const auto records = replica()->outbox(kOtherShard, 1, 9, 1 << 20).value();
  EXPECT_EQ(records.at(0).message.expires_at_ms, 600u) << "what is left to live";
  storage::ModelDisk other_disk(1);
  TestReplica target([&] { return other_disk.open(); }, {}, kOtherShard);
  target.apply(TransferCommand{kTestShard, Epoch(1), 1, records}, kStart + 5'000);  // another clock
  EXPECT_EQ(target.fetch(stranger).messages.at(0).expires_at_ms, kStart + 5'600);
  tick(kStart + 2'000);
  EXPECT_EQ(replica()->outbox(kOtherShard, 1, 9, 1 << 20)->at(0).message.expires_at_ms, 1u)
      << "ends where it is seen, not on the way";
}

// ---- retention

TEST_F(ShardMachineExpiry, OldestGoWhenThereAreMoreThanThePolicyKeeps) {
  fill(3);
  send(kStart, 60'000);
  ASSERT_TRUE(set_policy(bob, Policy{0, 4, 0, 0}).has_value());
  send(kStart);
  EXPECT_EQ(ended(last_), "lost 1..1 trimmed;");
  EXPECT_EQ(box(), "2 3 4 5 lost 1..1 trimmed");
  fill(3);
  EXPECT_EQ(box(), "5 6 7 8 lost 1..4 trimmed");
  const std::uint64_t due = replica()->next_due_ms();
  EXPECT_NE(due, kStart + 60'000) << "with message 4 its expiry went";
}

TEST_F(ShardMachineExpiry, AppendPushesOutABoundedNumberAndTheSweepTheRest) {
  limits.trims_per_append_max = 3;
  limits.sweep_records_per_entry_max = 8;
  fill(40);
  ASSERT_TRUE(set_policy(bob, Policy{0, 2, 0, 0}).has_value());
  send(kStart);
  EXPECT_EQ(ended(last_), "lost 1..10 trimmed;") << "7 by the round that the policy began, 3 by the append";
  EXPECT_EQ(replica()->next_due_ms(), kStart) << "the round has only begun";
  EXPECT_EQ(ended(tick(kStart)), "lost 11..17 trimmed;") << "one entry may not do it all";
  for (std::size_t steps = 0; replica()->next_due_ms() == kStart; ++steps) {
    ASSERT_LT(steps, 10u) << box();
    tick(kStart);
  }
  EXPECT_EQ(box(), "40 41 lost 1..39 trimmed");
}

TEST_F(ShardMachineExpiry, MessageOlderThanThePolicyIsTrimmedAndBeforeThatNotShown) {
  ASSERT_TRUE(set_policy(UserId(), Policy{20'000, 0, 0, 0}).has_value());
  tick(kStart);  // the round that the new policy wants
  send(kStart + 1), send(kStart + 1), send(kStart + 5'000);
  tick(kStart + 20'001);
  EXPECT_EQ(box(), "3 lost 1..2 trimmed");
  send(kStart + 25'000);
  EXPECT_EQ(box(), "4 lost 1..3 trimmed");
}

TEST_F(ShardMachineExpiry, MailboxThatNobodyWritesToOrReadsIsTrimmedInTime) {
  ASSERT_TRUE(set_policy(UserId(), Policy{32'000, 0, 0, 0}).has_value());
  send(kStart + 1);
  std::string all;
  for (const Effects& effects : let_pass(kStart + 1 + 32'000 + 2'000)) all += ended(effects);
  EXPECT_EQ(all, "lost 1..1 trimmed;") << "at most a sixteenth of the age late";
}

TEST_F(ShardMachineExpiry, PolicyOfAMailboxGoesBeforeTheDefaultAndCanBeGivenUp) {
  ASSERT_TRUE(set_policy(UserId(), Policy{0, 2, 0, 0}).has_value());
  ASSERT_TRUE(set_policy(bob, Policy{0, 5, 0, 0}).has_value());
  EXPECT_EQ(replica()->policy(bob).value(), (PolicyInfo{Policy{0, 5, 0, 0}, false}));
  EXPECT_EQ(replica()->policy(carol).value(), (PolicyInfo{Policy{0, 2, 0, 0}, true}));
  fill(5);
  EXPECT_EQ(box(), "1 2 3 4 5");
  replica().flush_and_reopen();
  ASSERT_TRUE(set_policy(bob, std::nullopt).has_value());
  EXPECT_EQ(replica()->policy(bob).value(), (PolicyInfo{Policy{0, 2, 0, 0}, true}));
  send(kStart);
  EXPECT_EQ(box(), "5 6 lost 1..4 trimmed");
  EXPECT_EQ(set_policy(user_in(kOtherShard, 0), Policy{}).error().code, ErrorCode::kUnavailable);
}

TEST_F(ShardMachineExpiry, DamagedPolicyEndsNothing) {
  ASSERT_TRUE(set_policy(UserId(), Policy{0, 1, 0, 0}).has_value());
  ASSERT_TRUE(set_policy(bob, Policy{0, 9, 0, 0}).has_value());
  replica().flush();
  replica().reopen_after([&] {
    ASSERT_TRUE(disk.damage(storage::kStateTable, storage::state_key(kTestShard, storage::keys::policy(bob)), 301));
  });
  send(kStart);
  EXPECT_EQ(last_.damaged, 1u) << "this replica may differ from now on";
  send(kStart);
  EXPECT_EQ(box(), "1 2");
}

TEST_F(ShardMachineExpiry, DamagedFrontIsNotInTheWayOfWhatIsTooOldBehindIt) {
  ASSERT_TRUE(set_policy(bob, Policy{20'000, 0, 0, 0}).has_value());
  fill(4);
  replica().flush();
  for (std::uint64_t n : {1, 2}) {
    const std::string key = storage::keys::message(bob, Sequence(n));
    ASSERT_TRUE(disk.damage(storage::kStateTable, storage::state_key(kTestShard, key), 301));
  }
  tick(kStart + 10'000);
  EXPECT_EQ(box(), "3 4 lost 1..2 corrupt") << "alone it is kept and said";
  send(kStart + 20'000);
  EXPECT_EQ(ended(last_), "lost 1..4 trimmed;");
  EXPECT_EQ(box(), "5 lost 1..4 trimmed");
}

TEST_F(ShardMachineExpiry, RoundsAreRareUntilAShortTimeIsInForce) {
  EXPECT_EQ(replica()->next_due_ms(), kStart + limits.sweep_interval_ms);
  ASSERT_TRUE(set_policy(carol, Policy{160'000, 0, 0, 0}).has_value());
  EXPECT_LE(replica()->next_due_ms(), kStart);
  tick(kStart + 7);
  EXPECT_EQ(replica()->next_due_ms(), kStart + 7 + 10'000);
  replica().flush_and_reopen();
  EXPECT_EQ(replica()->next_due_ms(), kStart + 7 + 10'000);
  ASSERT_TRUE(set_policy(carol, std::nullopt).has_value());
  tick(kStart + 8);
  EXPECT_EQ(replica()->next_due_ms(), kStart + 8 + limits.sweep_interval_ms);
}

}  // namespace
}  // namespace earshot::cluster
