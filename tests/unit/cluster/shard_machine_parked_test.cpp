#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/keys.hpp"
#include "tests/unit/cluster/shard_machine_life_fixture.hpp"

namespace earshot::cluster {
namespace {

class ShardMachineParked : public ShardMachineLife {
 protected:
  // `count` messages, a phone that has logged in, and a policy that parks after so many deliveries.
  void prepare(std::uint64_t count, std::uint32_t deliveries_max) {
    ASSERT_TRUE(set_policy(bob, Policy{0, 0, 0, deliveries_max}).has_value());
    fill(count);
    login(kStart);
  }
  std::vector<ParkedMessage> parked(std::string_view name = "phone", std::uint64_t after = 0, std::uint32_t limit = 100,
                                    std::size_t bytes_max = 1 << 20) {
    const DeviceId one = name.empty() ? DeviceId() : device(name);
    return replica()->parked(bob, one, Sequence(after), limit, bytes_max).value();
  }
  static std::vector<std::uint64_t> sequences(const std::vector<ParkedMessage>& parked) {
    std::vector<std::uint64_t> all;
    for (const auto& one : parked) all.push_back(one.sequence.value);
    return all;
  }
  DeviceFate fate(std::uint64_t sequence) {
    return replica()->explain(bob, Sequence(sequence), MessageId())->devices.at(0);
  }
  static std::vector<Sequence> of(std::vector<std::uint64_t> numbers) { return {numbers.begin(), numbers.end()}; }
};

TEST_F(ShardMachineParked, MessageIsParkedAfterSoManyFruitlessDeliveries) {
  prepare(3, 3);
  EXPECT_THAT(attempt(1, 2, 2), IsEmpty());
  replica().flush_and_reopen();
  EXPECT_EQ(attempt(2, 2, 1), of({2}));
  EXPECT_EQ(attempt(2, 3, 1), of({2})) << "it was parked before: whoever delivers it has not heard";
  const auto list = parked();
  ASSERT_EQ(sequences(list), (std::vector<std::uint64_t>{2}));
  EXPECT_EQ(list[0].deliveries, 3u);
  EXPECT_EQ(list[0].parked_at_ms, kStart);
  EXPECT_EQ(list[0].message->id, id_of(2));
  EXPECT_EQ(box(), "1 2 3") << "for other devices it is a message like any";
  const LoginOutcome again = login(kStart);
  EXPECT_EQ(again.parked, of({2}));
  EXPECT_EQ(replica().ack(bob, 2), Sequence(2));
  EXPECT_THAT(login(kStart).parked, IsEmpty()) << "the device has taken notice";
  EXPECT_THAT(sequences(parked()), ElementsAre(2)) << "somebody still has to decide";
}

TEST_F(ShardMachineParked, WithoutALimitDeliveriesAreCountedOnly) {
  prepare(1, 0);
  EXPECT_THAT(attempt(1, 1, 1'000), IsEmpty());
  EXPECT_EQ(fate(1).deliveries, 1'000u);
  attempt(1, 1, UINT32_MAX);
  EXPECT_EQ(fate(1).deliveries, UINT32_MAX);
}

TEST_F(ShardMachineParked, OnlyWhatIsUnackedAndThereIsCounted) {
  prepare(6, 2);
  replica().ack(bob, 1, {3});
  EXPECT_EQ(attempt(0, UINT64_MAX, 2), of({2, 4, 5, 6}));
  EXPECT_THAT(attempt(1, 2, 2, "tablet"), IsEmpty()) << "no such device";
}

TEST_F(ShardMachineParked, CountsAreKeptForTheLowestSequencesOnly) {
  limits.attempts_kept_max = 2;
  prepare(9, 5);
  attempt(4, 9, 1);
  attempt(2, 3, 1);
  for (std::uint64_t n = 1; n <= 9; ++n) EXPECT_EQ(fate(n).deliveries, n == 2 || n == 3 ? 1u : 0u) << n;
  EXPECT_EQ(replica().ack(bob, 2), Sequence(2));
  attempt(3, 9, 1);
  EXPECT_EQ(fate(3).deliveries, 2u);
  EXPECT_EQ(fate(4).deliveries, 1u) << "an ack makes room";
}

TEST_F(ShardMachineParked, NothingIsParkedBeyondTheLimitOfADevice) {
  limits.parked_per_device_max = 2;
  prepare(4, 1);
  EXPECT_EQ(attempt(1, 4, 1), of({1, 2}));
  EXPECT_THAT(attempt(3, 4, 1), IsEmpty());
  ASSERT_EQ(replay({Sequence(1)}).value(), of({5}));
  EXPECT_EQ(attempt(3, 4, 1), of({3}));
}

TEST_F(ShardMachineParked, MessageThatHasEndedIsNotParked) {
  send(kStart, 100);
  prepare(1, 2);
  attempt(1, 2, 1);
  tick(kStart + 100);
  EXPECT_EQ(attempt(1, 2, 1), of({2}));
}

TEST_F(ShardMachineParked, ReplayIsANewMessageWithTheSameIdForAllDevices) {
  send(kStart, 1'000, "precious");
  prepare(1, 1);
  attempt(1, 1, 1);
  tick(kStart + 50);
  EXPECT_EQ(replay({Sequence(2), Sequence(1), Sequence(1), Sequence(77)}).value(), of({0, 3, 0, 0}));
  ASSERT_EQ(last_.delivered.size(), 1u);
  const IncomingMessage& copy = *last_.delivered[0].message;
  EXPECT_EQ(copy.id, id_of(1));
  EXPECT_EQ(copy.body, "precious");
  EXPECT_EQ(copy.replay_of, Sequence(1));
  EXPECT_EQ(copy.stored_at_ms, kStart + 50);
  EXPECT_EQ(copy.expires_at_ms, 0u) << "what was rescued by hand does not end by itself";
  EXPECT_EQ(replica().fetch(bob, 2).messages.at(0), copy);
  EXPECT_THAT(parked(), IsEmpty());
}

TEST_F(ShardMachineParked, ReplayOfWhatHasEndedSaysSoAndLeavesItListed) {
  send(kStart, 1'000);
  prepare(0, 1);
  attempt(1, 1, 1);
  tick(kStart + 1'000);
  EXPECT_EQ(replay({Sequence(1)}).value(), of({0}));
  ASSERT_EQ(parked().size(), 1u) << "until somebody drops it";
  EXPECT_FALSE(parked()[0].message.has_value());
  const DropParkedCommand drop{bob, device("phone"), {Sequence(1), Sequence(2)}};
  EXPECT_TRUE(std::get<StatusResult>(replica().apply(drop).results.at(0)).status.has_value());
  EXPECT_THAT(parked(), IsEmpty());
  EXPECT_EQ(replica()->devices(bob)->at(0).parked, 0u);
}

TEST_F(ShardMachineParked, ReplayIsDoneAsAWholeOrRefused) {
  limits.mailbox_messages_max = 5;
  prepare(4, 1);
  attempt(1, 2, 1);
  EXPECT_EQ(replay({Sequence(1), Sequence(2)}).error().code, ErrorCode::kMailboxFull);
  EXPECT_EQ(box(), "1 2 3 4");
  EXPECT_EQ(replay({Sequence(1)}).value(), of({5}));
  EXPECT_THAT(sequences(parked()), ElementsAre(2));
  ReplayCommand unknown{bob, device("tablet"), {Sequence(2)}};
  const auto refused = std::get<ReplayResult>(replica().apply(unknown).results.at(0)).sequences;
  EXPECT_EQ(refused.error().code, ErrorCode::kNotFound);
}

TEST_F(ShardMachineParked, ReplayMayNotBringMoreBytesThanACall) {
  const std::string large(limits::kBodyBytesMax, 'b');
  ASSERT_TRUE(set_policy(bob, Policy{0, 0, 0, 1}).has_value());
  for (int n = 0; n < 5; ++n) send(kStart, 0, large);
  login(kStart);
  attempt(1, 5, 1);
  EXPECT_EQ(replay(of({1, 2, 3, 4, 5})).error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(replay(of({1, 2, 3, 4})).value(), of({6, 7, 8, 9}));
}

TEST_F(ShardMachineParked, ListIsPagedWithoutLosingADevice) {
  prepare(4, 1);
  login(kStart, "tablet");
  attempt(1, 4, 1), attempt(2, 3, 1, "tablet");
  EXPECT_THAT(sequences(parked("phone", 0, 3)), ElementsAre(1, 2, 3));
  EXPECT_THAT(sequences(parked("phone", 3, 3)), ElementsAre(4));
  EXPECT_THAT(sequences(parked("phone", UINT64_MAX, 3)), IsEmpty());
  EXPECT_THAT(sequences(parked("", 0, 2)), ElementsAre(1))
      << "all of one sequence together, and no more than asked for";
  const auto all = parked("", 0, 3);
  ASSERT_THAT(sequences(all), ElementsAre(1, 2, 2));
  EXPECT_EQ(all[1].device, device("phone"));
  EXPECT_EQ(all[2].device, device("tablet"));
  EXPECT_TRUE(all[1].message->body.empty()) << "a list of every device is for looking through";
  EXPECT_THAT(sequences(parked("", 2, 2)), ElementsAre(3, 3));
  EXPECT_THAT(sequences(parked("", 2, 1)), ElementsAre(3, 3)) << "never empty-handed: there are few devices";
  EXPECT_EQ(parked("phone", 1, 1)[0].message->body, "hello");
  EXPECT_THAT(sequences(parked("phone", 0, 100, 11)), ElementsAre(1, 2)) << "bodies of 5 bytes";
  EXPECT_THAT(sequences(parked("phone", 0, 100, 1)), ElementsAre(1)) << "never empty-handed";
}

TEST_F(ShardMachineParked, RemovedDeviceTakesItsListAlong) {
  prepare(3, 1);
  attempt(1, 3, 1);
  replica().flush();
  replica().apply(RemoveDeviceCommand{bob, device("phone")});
  EXPECT_THAT(parked(), IsEmpty());
  login(kStart);
  EXPECT_EQ(replica()->devices(bob)->at(0).parked, 0u);
}

TEST_F(ShardMachineParked, DamagedCursorCountsItsListAgain) {
  prepare(3, 1);
  attempt(1, 2, 1);
  replica().flush();
  replica().reopen_after([&] {
    const std::string key = storage::keys::cursor(bob, device("phone"));
    ASSERT_TRUE(disk.damage(storage::kStateTable, storage::state_key(kTestShard, key), 301));
  });
  EXPECT_EQ(login(kStart).parked, of({1, 2}));
  EXPECT_EQ(replica()->devices(bob)->at(0).parked, 2u);
}

// ---- explain

TEST_F(ShardMachineParked, ExplanationTellsTheLifeOfAMessage) {
  prepare(3, 2);
  login(kStart, "tablet");
  attempt(2, 2, 1), attempt(2, 2, 2, "tablet");
  replica().apply(AckCommand{bob, device("phone"), Sequence(1), {}}, kStart + 100);
  replica().apply(AckCommand{bob, device("phone"), Sequence(3), {}}, kStart + 250);
  const Explanation told = replica()->explain(bob, Sequence(), id_of(2)).value();
  EXPECT_TRUE(told.kept);
  EXPECT_EQ(told.message.sequence, Sequence(2));
  EXPECT_EQ(told.message.sender, alice);
  EXPECT_EQ(told.message.stored_at_ms, kStart);
  EXPECT_TRUE(told.message.body.empty());
  EXPECT_EQ(told.body_bytes, 5u);
  EXPECT_EQ(told.shard, kTestShard);
  EXPECT_EQ(told.epoch, Epoch(1));
  DeviceFate acked{device("phone"), DeliveryState::kAcked, kStart + 100, kStart + 250};
  DeviceFate given_up{device("tablet"), DeliveryState::kParked};
  given_up.deliveries = 2, given_up.parked_at_ms = kStart;
  EXPECT_THAT(told.devices, ElementsAre(acked, given_up));
  EXPECT_EQ(replica()->explain(bob, Sequence(3), MessageId())->devices.at(1).state, DeliveryState::kWaiting);
}

TEST_F(ShardMachineParked, ExplanationTellsHowAMessageEnded) {
  send(kStart), send(kStart, 100), send(kStart, 200), send(kStart);
  tick(kStart + 150);
  const Explanation swept = replica()->explain(bob, Sequence(2), MessageId()).value();
  EXPECT_FALSE(swept.kept);
  EXPECT_EQ(swept.ended_reason, LostReason::kExpired);
  EXPECT_EQ(swept.ended_at_ms, kStart + 150);
  EXPECT_EQ(swept.message.id, id_of(2)) << "id and times stay";
  ASSERT_TRUE(set_policy(bob, Policy{0, 1, 0, 0}).has_value());
  tick(kStart + 160);
  const Explanation gone = replica()->explain(bob, Sequence(1), MessageId()).value();
  EXPECT_EQ(gone.ended_reason, LostReason::kTrimmed);
  EXPECT_TRUE(gone.message.sender.empty()) << "nothing is left of it";
  EXPECT_EQ(gone.message.sequence, Sequence(1));
  EXPECT_EQ(replica()->explain(bob, Sequence(5), MessageId()).error().field, "sequence");
  EXPECT_EQ(replica()->explain(bob, Sequence(), id_of(1)).error().field, "id");
}

TEST_F(ShardMachineParked, ExplanationLooksBackOnlySoFar) {
  limits.explain_messages_max = 3;
  fill(5);
  EXPECT_TRUE(replica()->explain(bob, Sequence(), id_of(3)).has_value());
  const auto missed = replica()->explain(bob, Sequence(), id_of(2));
  EXPECT_EQ(missed.error().code, ErrorCode::kNotFound);
  EXPECT_NE(missed.error().detail.find("newest 3 messages"), std::string::npos);
}

TEST_F(ShardMachineParked, ExplanationLooksBackOnlySoManyBytes) {
  // Of the largest messages this many reach the limit: a record is a little larger than its body.
  constexpr std::uint64_t kSeen = limits::kExplainBytesMax / limits::kBodyBytesMax;
  for (std::uint64_t i = 0; i < kSeen + 1; ++i) send(kStart, 0, std::string(limits::kBodyBytesMax, 'x'));
  EXPECT_TRUE(replica()->explain(bob, Sequence(), id_of(2)).has_value());
  const auto missed = replica()->explain(bob, Sequence(), id_of(1));
  ASSERT_FALSE(missed.has_value());
  EXPECT_EQ(missed.error().code, ErrorCode::kNotFound);
  EXPECT_NE(missed.error().detail.find("newest " + std::to_string(kSeen) + " messages"), std::string::npos);
}

TEST_F(ShardMachineParked, MarksOfAcksGrowCoarserTheOlderTheyAreAndStayBounded) {
  fill(200);
  login(kStart);
  for (std::uint64_t n = 1; n <= 200; ++n) {
    replica().apply(AckCommand{bob, device("phone"), Sequence(n), {}}, kStart + n * 10);
  }
  replica().flush_and_reopen();
  EXPECT_EQ(fate(200).acked_by_ms, kStart + 2'000);
  EXPECT_EQ(fate(200).acked_after_ms, kStart + 1'990) << "the newest are exact";
  for (std::uint64_t n = 1; n <= 200; ++n) {
    const DeviceFate told = fate(n);
    EXPECT_GE(told.acked_after_ms, kStart) << "the first mark stays";
    EXPECT_LT(told.acked_after_ms, kStart + n * 10);
    EXPECT_GE(told.acked_by_ms, kStart + n * 10);
  }
}

}  // namespace
}  // namespace earshot::cluster
