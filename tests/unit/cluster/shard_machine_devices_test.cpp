#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/keys.hpp"
#include "tests/unit/cluster/shard_machine_life_fixture.hpp"

namespace earshot::cluster {
namespace {

constexpr std::uint64_t kDay = 24ull * 3600 * 1000;

class ShardMachineDevices : public ShardMachineLife {
 protected:
  static std::vector<std::string> removed(const std::vector<Effects>& all) {
    std::vector<std::string> names;
    for (const Effects& effects : all) {
      for (const auto& one : effects.removed_devices) names.push_back(one.user.text() + "/" + one.device.text());
    }
    return names;
  }
  // A message of this producer and number; what becomes of it.
  SendAnswer send_as(ProducerId producer, std::uint64_t number) {
    OutgoingMessage message = outgoing(alice, number);
    message.answered_below = LaneNumber(number);
    SendCommand command{producer, bob, device("phone"), {SendItem{message, std::nullopt}}};
    return std::get<SendResult>(replica().apply(std::move(command)).results.at(0)).answers.at(0);
  }
  Status remove(std::string_view name) {
    last_ = replica().apply(RemoveDeviceCommand{bob, device(name)});
    return std::get<StatusResult>(last_.results.at(0)).status;
  }
};

TEST_F(ShardMachineDevices, IdleDeviceIsRemovedWithItsCursorAndSaidSo) {
  ASSERT_TRUE(set_policy(bob, Policy{0, 0, 2 * kDay, 0}).has_value());
  fill(3);
  login(kStart, "phone"), login(kStart, "tablet"), login(kStart + kDay, "watch");
  replica().apply(TouchCommand{{{bob, device("tablet")}, {carol, device("none")}}}, kStart + kDay);
  EXPECT_THAT(removed(let_pass(kStart + 2 * kDay - 1)), IsEmpty());
  EXPECT_THAT(removed(let_pass(kStart + 2 * kDay + 3'600'000)), ElementsAre(bob.text() + "/phone"));
  EXPECT_THAT(devices(bob), ElementsAre("tablet", "watch"));
  EXPECT_EQ(replica().ack(bob, 1).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(login(kStart + 2 * kDay + 3'600'000, "phone").cursor, Sequence(0)) << "it comes back as a new one";
}

TEST_F(ShardMachineDevices, AckIsASignOfLife) {
  ASSERT_TRUE(set_policy(bob, Policy{0, 0, 2 * kDay, 0}).has_value());
  fill(1);
  login(kStart, "phone");
  replica().apply(AckCommand{bob, device("phone"), Sequence(1), {}}, kStart + kDay);
  EXPECT_THAT(removed(let_pass(kStart + 3 * kDay - 1)), IsEmpty());
}

TEST_F(ShardMachineDevices, RemovedDeviceMakesRoomForAnother) {
  limits.devices_per_user_max = 1;
  login(kStart, "phone");
  EXPECT_TRUE(remove("phone").has_value());
  EXPECT_EQ(last_.removed_devices.at(0).device, device("phone"));
  EXPECT_EQ(remove("phone").error().code, ErrorCode::kNotFound);
  login(kStart, "tablet");
  EXPECT_THAT(devices(bob), ElementsAre("tablet"));
}

TEST_F(ShardMachineDevices, ListTellsWhatEachDeviceHasNotAcked) {
  fill(5);
  login(kStart, "phone"), login(kStart + 1, "tablet");
  replica().ack(bob, 1, {3});
  ASSERT_TRUE(set_policy(bob, Policy{0, 3, 0, 0}).has_value());
  tick(kStart + 2);
  EXPECT_EQ(box(), "3 4 5 lost 1..2 trimmed");
  EXPECT_THAT(replica()->devices(bob).value(),
              ElementsAre(DeviceInfo{device("phone"), Sequence(1), 2, 0, kStart + 1, false},
                          DeviceInfo{device("tablet"), Sequence(0), 3, 0, kStart + 1, false}));
  EXPECT_THAT(replica()->devices(carol).value(), IsEmpty());
}

TEST_F(ShardMachineDevices, IdleProducerIsForgottenByEveryShard) {
  limits.producer_idle_ms_max = 30 * kDay;
  const ProducerId producer = login(kStart).producer;
  send_as(producer, 1);
  let_pass(kStart + 30 * kDay + limits.sweep_interval_ms);
  for (std::uint16_t n = 0; n < kTestShards; ++n) {
    if (ShardId(n) == kTestShard) continue;
    EXPECT_THAT(replica()->outbox(ShardId(n), 1, 9, 1 << 20).value(),
                ElementsAre(OutboxRecord{OutboxCause::kForgetProducers, {}, {}, {producer}}));
  }
  replica().flush();
  EXPECT_FALSE(replica().state().get(storage::keys::lane(producer)).value().has_value()) << "no lane outlives it";
  EXPECT_TRUE(login(kStart + 30 * kDay, "phone", producer.value).new_producer);
  EXPECT_THAT(devices(bob), ElementsAre("phone")) << "the device itself stays";
}

// Its session may live on another node, and hear of it late.
TEST_F(ShardMachineDevices, WhatAForgottenProducerHasSentIsKnownForAWhile) {
  ASSERT_TRUE(set_policy(UserId(), Policy{16'000, 0, 0, 0}).has_value());  // rounds every second
  const ProducerId producer = login(kStart).producer;
  const SendAnswer first = send_as(producer, 1);
  replica().apply(RemoveDeviceCommand{bob, device("phone")}, kStart);
  let_pass(kStart + limits.forgotten_producer_ms - 1);
  EXPECT_EQ(send_as(producer, 1), (SendAnswer{std::get<Stored>(first.value), true})) << "not stored again";
  EXPECT_THAT(replica()->outbox_heads().value(), IsEmpty());
  let_pass(kStart + limits.forgotten_producer_ms + 2'000);
  EXPECT_EQ(replica()->outbox(kOtherShard, 1, 9, 1 << 20)->at(0).producers, std::vector<ProducerId>{producer});
}

TEST_F(ShardMachineDevices, ReplacedProducersAreForgottenTogetherAndNotOneByOne) {
  std::vector<ProducerId> lost;
  for (int n = 0; n < 5; ++n) lost.push_back(login(kStart).producer);
  const ProducerId current = lost.back();
  lost.pop_back();
  send_as(current, 1);
  EXPECT_THAT(replica()->outbox_heads().value(), IsEmpty()) << "a login storm costs the other shards nothing";
  tick(kStart + limits.sweep_interval_ms);
  const auto records = replica()->outbox(kOtherShard, 1, 9, 1 << 20).value();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].producers, lost);
  EXPECT_TRUE(std::holds_alternative<Stored>(send_as(current, 2).value)) << "the one in use goes on";
  storage::ModelDisk other_disk(1);
  TestReplica target([&] { return other_disk.open(); }, {}, kOtherShard);
  const UserId there = user_in(kOtherShard, 0);
  target.send(lost[0], there, outgoing(there, 1));
  target.send(current, there, outgoing(there, 1));
  target.apply(TransferCommand{kTestShard, Epoch(1), 1, records});
  target.flush();
  EXPECT_FALSE(target.state().get(storage::keys::lane(lost[0])).value().has_value());
  EXPECT_TRUE(target.state().get(storage::keys::lane(current)).value().has_value());
}

TEST_F(ShardMachineDevices, FullOutboxPutsForgettingOffAndLosesNone) {
  limits.outbox_records_max = 5;
  const ProducerId lost = login(kStart).producer;
  login(kStart);
  const UserId stranger = user_in(kOtherShard, 0);
  for (std::uint64_t n = 1; n <= 3; ++n) {
    OutgoingMessage message = outgoing(bob, n);
    message.copy_to_self = true;
    replica().send(ProducerId(9), stranger, message);
  }
  const std::uint64_t due = kStart + limits.sweep_interval_ms;
  tick(due);
  EXPECT_EQ(replica()->outbox_heads()->size(), 1u) << "three records of room would be needed";
  EXPECT_EQ(replica()->next_due_ms(), due + 1'000) << "it is not tried without pause";
  replica().flush_and_reopen();
  replica().apply(ConfirmCommand{kOtherShard, 3});
  tick(due + 1'000);
  EXPECT_EQ(replica()->outbox(kOtherShard, 4, 9, 1 << 20)->at(0).producers, std::vector<ProducerId>{lost});
  EXPECT_EQ(replica()->next_due_ms(), due + limits.sweep_interval_ms) << "the round went on to its end";
}

TEST_F(ShardMachineDevices, TimeThatTheNodeWasOffIsNoIdlenessUntilAllCouldComeBack) {
  ASSERT_TRUE(set_policy(bob, Policy{0, 0, kDay, 0}).has_value());
  const ProducerId producer = login(kStart, "phone").producer;
  login(kStart, "tablet");
  const std::uint64_t back_ms = kStart + 31 * kDay;  // the node was off for so long
  last_ = replica().apply(LoginCommand{carol, device("phone"), {}, {}, {}, StartAt::kOldest}, back_ms);
  EXPECT_THAT(last_.removed_devices, IsEmpty()) << "the first entry ends nobody";
  replica().flush_and_reopen();
  EXPECT_THAT(removed(let_pass(back_ms + kDay / 4)), IsEmpty());
  EXPECT_FALSE(login(back_ms + kDay / 4, "phone", producer.value).new_producer) << "nor a producer";
  EXPECT_THAT(removed(let_pass(back_ms + kDay)), ElementsAre(bob.text() + "/tablet"));
}

TEST_F(ShardMachineDevices, DeviceFromBeforeTheFirstTickIsNotTakenForIdle) {
  storage::ModelDisk fresh(1);
  TestReplica unborn([&] { return fresh.open(); });
  unborn.login(LoginCommand{bob, device("phone"), {}, {}, {}, StartAt::kOldest}).value();
  CommandBatch batch;
  batch.tick_ms = kStart * 1'000'000;
  EXPECT_THAT(unborn.apply(batch).removed_devices, IsEmpty());
  EXPECT_EQ(unborn->devices(bob)->at(0).last_seen_ms, batch.tick_ms);
}

TEST_F(ShardMachineDevices, RoundOfManyStepsSeesEveryDeviceOnceWhateverIsFlushedBetween) {
  limits.sweep_records_per_entry_max = 3;
  ASSERT_TRUE(set_policy(UserId(), Policy{0, 0, 2 * kDay, 0}).has_value());
  tick(kStart);
  for (int n = 0; n < 10; ++n) login(kStart, "device-" + std::to_string(n));
  std::vector<Effects> all = let_pass(kStart + 2 * kDay - 1);
  for (int n = 0; n < 12; ++n) {
    all.push_back(tick(kStart + 2 * kDay));
    if (n % 3 == 0) replica().flush_and_reopen();
    if (n % 5 == 0) replica().reopen();
  }
  EXPECT_EQ(removed(all).size(), 10u);
  EXPECT_THAT(devices(bob), IsEmpty());
}

}  // namespace
}  // namespace earshot::cluster
