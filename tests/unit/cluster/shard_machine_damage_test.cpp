#include <functional>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/keys.hpp"
#include "storage/state_store.hpp"
#include "tests/unit/cluster/shard_machine_life_fixture.hpp"

namespace earshot::cluster {
namespace {

namespace keys = storage::keys;

// What the disk alters while nobody looks, in the key or in the value. The seal covers both.
class ShardMachineDamage : public ShardMachineLife {
 protected:
  // Everything is on the disk, the process has ended, and the record at `key` is no longer what it was.
  void move_record(const std::string& key, const std::string& damaged_key) {
    change(
        [&](storage::WriteTransaction& transaction, const std::string& sealed) {
          ASSERT_TRUE(transaction.erase(storage::kStateTable, storage::state_key(kTestShard, key)).value());
          ASSERT_TRUE(transaction.put(storage::kStateTable, storage::state_key(kTestShard, damaged_key), sealed));
        },
        key);
  }
  void damage_value(const std::string& key) {
    change(
        [&](storage::WriteTransaction& transaction, std::string sealed) {
          sealed.back() = static_cast<char>(sealed.back() ^ 1);
          ASSERT_TRUE(transaction.put(storage::kStateTable, storage::state_key(kTestShard, key), sealed));
        },
        key);
  }

  // As it is after a bit of its size in the tree was flipped: it takes in a byte of the value.
  static std::string longer(std::string key) { return key + '\x07'; }

  // What the next flush puts or erases.
  std::optional<std::string> flushed(const std::string& key) {
    const auto overlay = replica().freeze();
    const auto* const change = overlay->changes.find(key);
    if (change == nullptr) return "is not changed";
    return std::optional<std::string>(change->value());
  }

  Effects remove_device(std::string_view name) { return replica().apply(RemoveDeviceCommand{bob, device(name)}); }

 private:
  using Change = std::function<void(storage::WriteTransaction&, const std::string& sealed)>;

  void change(const Change& change, const std::string& key) {
    replica().flush();
    replica().reopen_after([&] {
      const auto environment = disk.open();
      auto transaction = environment->begin_write().value();
      const auto sealed = transaction->get(storage::kStateTable, storage::state_key(kTestShard, key)).value();
      ASSERT_TRUE(sealed.has_value());
      change(*transaction, std::string(*sealed));
      ASSERT_TRUE(transaction->commit());
    });
  }
};

TEST_F(ShardMachineDamage, MessageUnderAStrayKeyIsMissingAndLosesNoOther) {
  fill(5);
  move_record(keys::message(bob, Sequence(3)), longer(keys::message(bob, Sequence(3))));
  EXPECT_EQ(box(), "1 2 4 5 lost 3..3 unknown");
  const Batch newest = replica()->history(bob, Sequence(), 10, 1 << 20).value();
  EXPECT_EQ(newest.messages.size(), 4u);
  EXPECT_EQ(describe(newest.lost.at(0)), "lost 3..3 unknown");
}

TEST_F(ShardMachineDamage, FrontOfAMailboxPassesAStrayKeyAndTakesItAlong) {
  fill(5);
  const std::string stray = longer(keys::message(bob, Sequence(3)));
  move_record(keys::message(bob, Sequence(3)), stray);
  ASSERT_TRUE(set_policy(bob, Policy{0, 3, 0, 0}).has_value());
  send(kStart);
  EXPECT_GT(last_.damaged, 0u);
  send(kStart);
  EXPECT_EQ(box(), "5 6 7 lost 1..4 trimmed");
  EXPECT_EQ(flushed(stray), std::nullopt) << "nobody else would come by";
  replica().reopen();
  EXPECT_TRUE(std::holds_alternative<Stored>(send(kStart).value)) << "the mailbox goes on";
}

TEST_F(ShardMachineDamage, DamagedFrontOfAMailboxRaisesDoubtsThoughItIsCountedOnlyWhenItGoes) {
  send(kStart);
  send(kStart + 5'000);
  ASSERT_TRUE(set_policy(bob, Policy{10'000, 0, 0, 0}).has_value());
  damage_value(keys::message(bob, Sequence(1)));
  send(kStart + 12'000);
  EXPECT_TRUE(last_.is_doubtful) << "whoever reads the first one has moved the front";
  EXPECT_EQ(replica().fetch(bob, 0).lost.at(0).reason, LostReason::kCorrupt);
}

TEST_F(ShardMachineDamage, SoundFrontsRaiseNoDoubts) {
  ASSERT_TRUE(set_policy(bob, Policy{10'000, 3, 0, 0}).has_value());
  fill(5);
  send(kStart + 12'000);
  EXPECT_FALSE(last_.is_doubtful);
  EXPECT_FALSE(last_.misses_messages);
}

TEST_F(ShardMachineDamage, AMessageThatIsMissingWhereAMailboxIsTrimmedIsMissed) {
  fill(5);
  move_record(keys::message(bob, Sequence(2)), keys::message(bob, Sequence(1 << 20)));
  ASSERT_TRUE(set_policy(bob, Policy{0, 4, 0, 0}).has_value());
  send(kStart);
  EXPECT_TRUE(last_.misses_messages) << "others have told that it is trimmed";
  send(kStart);
  EXPECT_FALSE(last_.misses_messages) << "the front is behind it";
}

TEST_F(ShardMachineDamage, AMessageThatIsMissingWhenItsTimeHasComeIsMissed) {
  send(kStart, 100), send(kStart, 200);
  move_record(keys::message(bob, Sequence(1)), keys::message(bob, Sequence(1 << 20)));
  EXPECT_TRUE(tick(kStart + 100).misses_messages) << "others have a tombstone now";
  EXPECT_FALSE(tick(kStart + 100).misses_messages) << "it is told once";
}

TEST_F(ShardMachineDamage, AMessageThatIsMissingWhenItIsReplayedIsMissed) {
  ASSERT_TRUE(set_policy(bob, Policy{0, 0, 0, 2}).has_value());
  fill(3);
  login(kStart);
  ASSERT_EQ(attempt(1, 2, 2).size(), 2u);
  move_record(keys::message(bob, Sequence(2)), keys::message(bob, Sequence(1 << 20)));
  EXPECT_EQ(replay({Sequence(1)}).value(), std::vector{Sequence(4)});
  EXPECT_FALSE(last_.misses_messages);
  EXPECT_EQ(replay({Sequence(2)}).value(), std::vector{Sequence()});
  EXPECT_TRUE(last_.misses_messages) << "others have stored it again";
}

TEST_F(ShardMachineDamage, AMessageThatIsMissingWhenItWouldBeParkedIsMissed) {
  ASSERT_TRUE(set_policy(bob, Policy{0, 0, 0, 2}).has_value());
  fill(3);
  login(kStart);
  move_record(keys::message(bob, Sequence(2)), keys::message(bob, Sequence(1 << 20)));
  last_ = replica().apply(AttemptsCommand{bob, device("phone"), {{Sequence(1), Sequence(1), 2}}});
  EXPECT_FALSE(last_.misses_messages);
  last_ = replica().apply(AttemptsCommand{bob, device("phone"), {{Sequence(2), Sequence(2), 2}}});
  EXPECT_TRUE(last_.misses_messages) << "others have set it aside";
}

TEST_F(ShardMachineDamage, ExpiryMarkUnderAnotherKeyAsksForNoTickAgainAndAgain) {
  send(kStart, 100), send(kStart, 200);
  const std::string sound = keys::expiry({kStart + 100, bob, Sequence(1)});
  std::string key = sound;
  key[key.size() - 9] = '\1';  // the zero that ends the name
  move_record(sound, key);
  EXPECT_EQ(replica()->next_due_ms(), kStart + 200) << "what is damaged wants nothing";
  EXPECT_EQ(tick(kStart + 200).damaged, 1u);
  EXPECT_EQ(box(), "lost 1..2 expired");
  EXPECT_GT(replica()->next_due_ms(), kStart + 200);
  EXPECT_EQ(flushed(key), std::nullopt) << "it is met once";
}

// No mark with the time of the next end is left, but that was the time which the shard waited for.
TEST_F(ShardMachineDamage, ExpiryMarkThatIsDamagedWhileTheShardWaitsForItAsksForNoTickAgainAndAgain) {
  send(kStart, 100), send(kStart, 200);
  replica().flush();
  const std::string mark = keys::expiry({kStart + 100, bob, Sequence(1)});
  ASSERT_TRUE(disk.damage(storage::kStateTable, storage::state_key(kTestShard, mark), 0));
  ASSERT_EQ(replica()->next_due_ms(), kStart + 100);
  EXPECT_EQ(tick(kStart + 100).damaged, 1u);
  EXPECT_EQ(replica()->next_due_ms(), kStart + 200);
}

TEST_F(ShardMachineDamage, StrayKeyIsCountedWhenItGoesAndNotWithEveryMessage) {
  fill(3);
  move_record(keys::message(bob, Sequence(1)), longer(keys::message(bob, Sequence(1))));
  ASSERT_TRUE(set_policy(bob, Policy{20'000, 0, 0, 0}).has_value());
  for (int i = 0; i < 3; ++i) {
    send(kStart + 10'000);
    EXPECT_EQ(last_.damaged, 0u);
  }
  send(kStart + 20'000);
  EXPECT_EQ(last_.damaged, 1u);
  EXPECT_EQ(box(), "4 5 6 7 lost 1..3 trimmed");
}

TEST_F(ShardMachineDamage, RoundPassesAFrontOfStrayKeys) {
  limits.sweep_records_per_entry_max = 4;  // of which half are for what is in a mailbox
  fill(6);
  for (std::uint64_t s = 1; s <= 4; ++s) {
    move_record(keys::message(bob, Sequence(s)), longer(keys::message(bob, Sequence(s))));
  }
  ASSERT_TRUE(set_policy(carol, Policy{0, 5, 0, 0}).has_value());
  std::uint64_t now_ms = replica()->next_due_ms();
  int ticks = 0;
  for (; replica()->next_due_ms() <= now_ms && ticks < 20; ++ticks) tick(now_ms);
  EXPECT_LT(ticks, 20) << "the round goes on and on";
}

TEST_F(ShardMachineDamage, ForgottenProducerUnderAnothersKeyCostsThatOneNothing) {
  const ProducerId gone = login(kStart).producer;
  login(kStart);  // without its producer: a new one
  const ProducerId used = login(kStart, "tablet").producer;
  SendCommand command{used, bob, device("tablet"), {SendItem{outgoing(alice, 1), std::nullopt}}};
  const auto first = std::get<SendResult>(replica().apply(command, kStart).results.at(0)).answers.at(0);
  ASSERT_TRUE(std::holds_alternative<Stored>(first.value));
  move_record(keys::forgotten_producer(gone), keys::forgotten_producer(used));
  const std::uint64_t round_ms = replica()->next_due_ms();
  EXPECT_EQ(tick(round_ms).damaged, 1u);
  EXPECT_THAT(replica()->outbox_heads().value(), IsEmpty()) << "nothing is told to other shards";
  EXPECT_EQ(std::get<SendResult>(replica().apply(command, round_ms).results.at(0)).answers.at(0), first);
}

TEST_F(ShardMachineDamage, ParkedRecordUnderAnotherSequenceTakesNoMessageFromTheDevice) {
  ASSERT_TRUE(set_policy(bob, Policy{0, 0, 0, 1}).has_value());
  fill(3);
  login(kStart);
  ASSERT_THAT(attempt(2, 2, 1), ElementsAre(Sequence(2)));
  const std::string stray = keys::parked(bob, device("phone"), Sequence(3));
  move_record(keys::parked(bob, device("phone"), Sequence(2)), stray);
  EXPECT_THAT(login(kStart).parked, IsEmpty()) << "both are delivered";
  ASSERT_THAT(attempt(3, 3, 1), ElementsAre(Sequence(3)));
  EXPECT_EQ(replica()->devices(bob)->at(0).parked, 1u) << "the record that was there is counted already";
}

TEST_F(ShardMachineDamage, DamagedParkedRecordIsNeitherListedNorInTheWayOfOthers) {
  ASSERT_TRUE(set_policy(bob, Policy{0, 0, 0, 1}).has_value());
  fill(4);
  login(kStart);
  ASSERT_EQ(attempt(2, 4, 1).size(), 3u);
  const std::string key = keys::parked(bob, device("phone"), Sequence(3));
  move_record(key, longer(key));
  const auto list = replica()->parked(bob, device("phone"), Sequence(), 100, 1 << 20).value();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].sequence, Sequence(2));
  EXPECT_EQ(list[1].sequence, Sequence(4));
  EXPECT_EQ(login(kStart).parked.size(), 2u) << "and the third is delivered";
  EXPECT_EQ(replica()->explain(bob, Sequence(3), {}).value().devices.at(0).state, DeliveryState::kWaiting);
  EXPECT_THAT(replay({Sequence(3)}).value(), ElementsAre(Sequence())) << "it is not parked";
}

TEST_F(ShardMachineDamage, ReplayOfADamagedParkedRecordRaisesDoubts) {
  ASSERT_TRUE(set_policy(bob, Policy{0, 0, 0, 1}).has_value());
  fill(2);
  login(kStart);
  ASSERT_EQ(attempt(1, 2, 1).size(), 2u);
  damage_value(keys::parked(bob, device("phone"), Sequence(2)));
  ASSERT_EQ(replay({Sequence(1)}).value().size(), 1u);
  EXPECT_FALSE(last_.is_doubtful);
  EXPECT_THAT(replay({Sequence(2)}).value(), ElementsAre(Sequence())) << "what it says is not believed";
  EXPECT_TRUE(last_.is_doubtful) << "others replay it";
}

TEST_F(ShardMachineDamage, DamagedParkedRecordStaysListedOnceItsDeviceHasTakenNotice) {
  ASSERT_TRUE(set_policy(bob, Policy{0, 0, 0, 1}).has_value());
  fill(5);
  login(kStart);
  ASSERT_EQ(attempt(1, 4, 1).size(), 4u);
  replica().ack(bob, 2, {4});
  for (const std::uint64_t sequence : {1, 2, 3, 4})
    damage_value(keys::parked(bob, device("phone"), Sequence(sequence)));
  EXPECT_THAT(login(kStart).parked, IsEmpty()) << "3 is delivered again, the others are acked";
  const auto listed = [&](const DeviceId& of) {
    std::vector<ParkedMessage> list = replica()->parked(bob, of, Sequence(), 100, 1 << 20).value();
    std::vector<std::uint64_t> sequences;
    for (const ParkedMessage& one : list) {
      EXPECT_TRUE(one.message.has_value());
      EXPECT_EQ(one.deliveries, 0u) << "not known";
      EXPECT_EQ(one.parked_at_ms, 0u);
      sequences.push_back(one.sequence.value);
    }
    return sequences;
  };
  EXPECT_THAT(listed(device("phone")), ElementsAre(1, 2, 4));
  EXPECT_THAT(listed(DeviceId()), ElementsAre(1, 2, 4));
  const auto state_of = [&](std::uint64_t sequence) {
    return replica()->explain(bob, Sequence(sequence), {}).value().devices.at(0).state;
  };
  EXPECT_EQ(state_of(2), DeliveryState::kParked);
  EXPECT_EQ(state_of(3), DeliveryState::kWaiting);
  EXPECT_EQ(state_of(4), DeliveryState::kParked);

  EXPECT_THAT(replay({Sequence(1), Sequence(3), Sequence(4)}).value(),
              ElementsAre(Sequence(6), Sequence(), Sequence(7)));
  const Effects dropped = replica().apply(DropParkedCommand{bob, device("phone"), {Sequence(2)}});
  EXPECT_EQ(dropped.damaged, 1u) << "the damage is told";
  EXPECT_THAT(listed(device("phone")), IsEmpty());
  EXPECT_EQ(replica()->devices(bob)->at(0).parked, 1u) << "3 is counted until it is decided anew";
}

TEST_F(ShardMachineDamage, ParkedRecordUnderAStrayKeyIsNotListedThoughItsSequenceSeemsAcked) {
  ASSERT_TRUE(set_policy(bob, Policy{0, 0, 0, 1}).has_value());
  fill(3);
  login(kStart);
  attempt(2, 2, 1);
  replica().ack(bob, 3);
  const std::string key = keys::parked(bob, device("phone"), Sequence(2));
  std::string inserted = key;
  inserted.insert(key.size() - 8, 1, '\1');  // its last bytes are the sequence as before
  move_record(key, inserted);
  EXPECT_THAT(replica()->parked(bob, device("phone"), Sequence(), 100, 1 << 20).value(), IsEmpty());
}

TEST_F(ShardMachineDamage, DamagedParkedRecordGoesWithItsDevice) {
  ASSERT_TRUE(set_policy(bob, Policy{0, 0, 0, 1}).has_value());
  fill(3);
  login(kStart);
  attempt(2, 2, 1);
  const std::string key = keys::parked(bob, device("phone"), Sequence(2));
  damage_value(key);
  remove_device("phone");
  EXPECT_EQ(flushed(key), std::nullopt);
}

TEST_F(ShardMachineDamage, OutboxRecordUnderAStrayKeyIsOneLostRecordAndNotMillions) {
  OutgoingMessage message = outgoing(bob, 1);
  message.copy_to_self = true;
  const UserId stranger = user_in(kOtherShard, 0);
  for (std::uint64_t n = 1; n <= 3; ++n) {
    message.number = LaneNumber(n), message.id = id_of(n);
    replica().send(ProducerId(6), stranger, message);
  }
  move_record(keys::outbox(kOtherShard, 2), longer(keys::outbox(kOtherShard, 2)));
  const auto records = replica()->outbox(kOtherShard, 1, 100, 1 << 20).value();
  ASSERT_EQ(records.size(), 3u);
  EXPECT_LT(records.capacity(), 100u) << "there was never one for each number up to the altered one";
  EXPECT_EQ(records[0].cause, OutboxCause::kCopyToSelf);
  EXPECT_EQ(records[1].cause, OutboxCause::kLost);
  EXPECT_EQ(records[2].cause, OutboxCause::kCopyToSelf);
}

TEST_F(ShardMachineDamage, DeviceWithADamagedCursorCanBeRemoved) {
  limits.devices_per_user_max = 1;
  login(kStart);
  damage_value(keys::cursor(bob, device("phone")));
  EXPECT_THAT(devices(bob), ElementsAre("phone"));
  const Effects removed = remove_device("phone");
  EXPECT_TRUE(std::get<StatusResult>(removed.results.at(0)).status.has_value());
  EXPECT_EQ(removed.removed_devices.size(), 1u);
  EXPECT_THAT(devices(bob), IsEmpty());
  EXPECT_EQ(std::get<StatusResult>(remove_device("phone").results.at(0)).status.error().code, ErrorCode::kNotFound);
  login(kStart, "tablet");  // its place is free
}

TEST_F(ShardMachineDamage, OfADamagedPrivacyTheStrictestIsTold) {
  std::string name = "layer";
  while (shard_of(name, kTestShards) != kTestShard) name += "r";
  const LayerId layer = LayerId::trusted(name);
  replica().apply(SetLayerPrivacyCommand{layer, LayerPrivacy{0, 0, 0}});
  damage_value(keys::layer_privacy(layer));
  const LayerPrivacy strictest{limits::kPrecisionMMax, limits::kDistanceStepMMax, 1};
  EXPECT_THAT(replica()->privacies(), ElementsAre(PrivacyChange{layer, strictest}));
  EXPECT_EQ(tick(kStart).damaged, 1u);
}

// It says which of them were cleared; that they are nowhere would be a wrong answer.
TEST_F(ShardMachineDamage, WhereMembersOfALayerAreIsNotKnownWithoutItsHead) {
  const LayerId layer = LayerId::trusted("people");
  std::string member = "member";
  while (shard_of(layer, member, kTestShards) != kTestShard) member += "r";
  replica().apply(SetPositionsCommand{layer, PositionCondition::kAlways, {{member, 7}}});
  damage_value(keys::layer_head(layer));
  const auto position = replica()->position(layer, member);
  ASSERT_FALSE(position.has_value());
  EXPECT_EQ(position.error().code, ErrorCode::kCorrupt);
  EXPECT_TRUE(replica()->positions("", 10).value().is_damaged);
  EXPECT_EQ(tick(kStart).damaged, 1u) << "met at the start";
}

TEST_F(ShardMachineDamage, RoundThatIsForgottenBeginsAnew) {
  login(kStart);
  damage_value(keys::sweep_head());
  EXPECT_EQ(tick(kStart + 1).damaged, 1u) << "said once";
  EXPECT_EQ(tick(kStart + 2).damaged, 0u);
  EXPECT_NE(flushed(keys::sweep_head()), std::nullopt);
  EXPECT_EQ(replica()->next_due_ms(), kStart + 1 + limits.sweep_interval_ms);
}

}  // namespace
}  // namespace earshot::cluster
