#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "cluster/shard_machine.hpp"
#include "tests/unit/cluster/shard_machine_fixture.hpp"
#include "tests/unit/cluster/shard_machine_oracle.hpp"

namespace earshot::cluster {

// Random commands that look as if they came from clients which retry, overtake, forget and lie.
class RandomCommands {
 public:
  RandomCommands(std::uint64_t seed, const ShardOracle& oracle) : random_(seed), oracle_(oracle) {
    for (std::size_t n = 0; n < 4; ++n) ours_.push_back(user_in(kTestShard, n));
    for (std::uint16_t s = 0; s < kTestShards; ++s) {
      if (ShardId(s) != kTestShard) others_.push_back(user_in(ShardId(s), 0));
    }
  }

  CommandBatch batch() {
    CommandBatch batch;
    tick_ += random_.below(50);
    // At first nobody knows the time.
    const bool knows_time = ++batches_ > 16;
    if (knows_time && random_.chance(0.7)) batch.tick_ms = random_.chance(0.1) ? tick_ / 2 : tick_;
    if (knows_time && random_.chance(0.3)) batch.now_ms = tick_ + random_.below(20);
    for (std::uint64_t n = random_.below(4); n > 0; --n) batch.commands.push_back(command());
    return batch;
  }

  // Producers that logins gave out are used from then on.
  void learn(const Effects& effects) {
    for (const auto& result : effects.results) {
      const auto* login = std::get_if<LoginResult>(&result);
      if (login != nullptr && login->outcome.has_value()) producers_.push_back(login->outcome->producer);
    }
    if (producers_.size() > 12) producers_.erase(producers_.begin());
  }

  [[nodiscard]] const std::vector<UserId>& users() const { return ours_; }
  Random& random() { return random_; }

 private:
  template <class T>
  const T& any_of(const std::vector<T>& all) {
    return all[random_.below(all.size())];
  }
  UserId any_user() { return random_.chance(0.85) ? any_of(ours_) : any_of(others_); }
  DeviceId any_device() { return device(random_.chance(0.5) ? "phone" : random_.chance(0.7) ? "tablet" : "watch"); }

  Command command() {
    switch (random_.below(18)) {
      case 0:
      case 1: return login();
      case 2:
      case 3: return ack();
      case 4: return transfer();
      case 5: return attempts();
      case 6: return looking_after();
      case 7: return ConfirmCommand{ShardId(static_cast<std::uint16_t>(random_.below(kTestShards))), random_.below(12)};
      default: return send();
    }
  }

  SendCommand send() {
    SendCommand command;
    command.producer = any_of(producers_);
    // A producer mostly belongs to one device.
    const bool is_owner = random_.chance(0.95);
    const std::uint64_t owner = is_owner ? command.producer.value * 2654435761u >> 8 : random_.next();
    command.user = owner % 3 == 0 ? others_[owner / 3 % others_.size()] : ours_[owner / 3 % ours_.size()];
    command.device = device(owner % 2 == 0 ? "phone" : "tablet");
    const std::uint64_t expected = oracle_.expected(command.producer);
    std::uint64_t number = expected;
    if (random_.chance(0.3)) number = expected > 4 ? expected - random_.below(5) : 1;
    if (random_.chance(0.05)) number = expected + random_.below(3);
    for (std::uint64_t n = 1 + random_.below(4); n > 0; --n) {
      command.items.push_back(item(command.producer, number, expected));
      number += random_.chance(0.95) ? 1 : random_.below(3);
    }
    return command;
  }

  SendItem item(ProducerId producer, std::uint64_t number, std::uint64_t expected) {
    SendItem item;
    OutgoingMessage& m = item.message;
    // The same number of the same producer is mostly the same message.
    Random content(producer.value * 1000 + number + (random_.chance(0.03) ? random_.next() : 0));
    m.id = content.message_id();
    m.body = std::string(content.below(40), static_cast<char>('a' + content.below(26)));
    m.checksum = checksum_of(m.body);
    m.recipient = content.chance(0.97) ? ours_[content.below(ours_.size())] : others_[content.below(others_.size())];
    if (!oracle_can_move(m.recipient)) m.recipient = ours_[0];
    m.copy_to_self = content.chance(0.3);
    if (content.chance(0.3)) m.ttl_ms = 1 + content.below(600);
    m.expired = content.chance(0.03);
    m.sent_at_ms = content.below(1'000'000);
    m.number = LaneNumber(number);
    m.answered_below = LaneNumber(random_.chance(0.6) ? expected - random_.below(std::min<std::uint64_t>(expected, 4))
                                                      : random_.below(expected + 2));
    if (content.chance(0.1)) {
      item.refusal = Error{ErrorCode::kInvalidArgument, "body", "is not liked"};
      if (content.chance(0.5)) m.recipient = UserId();
    }
    return item;
  }
  // A message for another shard holds its lane for ever; let most of them through in the end.
  bool oracle_can_move(const UserId& recipient) {
    return shard_of(recipient, kTestShards) == kTestShard || random_.chance(0.5);
  }

  LoginCommand login() {
    LoginCommand command{any_user(), any_device(), ProducerId(), Epoch(random_.below(3)), Sequence(), StartAt::kOldest};
    if (random_.chance(0.5)) command.producer = any_of(producers_);
    if (random_.chance(0.3)) command.start_at = StartAt::kNewest;
    command.last_received = Sequence(random_.below(oracle_.last(command.user) + 3));
    return command;
  }

  AckCommand ack() {
    AckCommand command{any_user(), any_device(), Sequence(), {}};
    const std::uint64_t last = oracle_.last(command.user);
    command.up_to = Sequence(random_.below(random_.chance(0.3) ? last + 3 : last / 2 + 1));
    for (std::uint64_t n = random_.below(5); n > 0; --n) command.above.push_back(Sequence(1 + random_.below(last + 3)));
    if (random_.chance(0.8)) std::sort(command.above.begin(), command.above.end());
    return command;
  }

  // Mostly of what waits.
  AttemptsCommand attempts() {
    AttemptsCommand command{any_of(ours_), any_device(), {}};
    const std::uint64_t last = oracle_.last(command.user);
    for (std::uint64_t n = 1 + random_.below(2); n > 0; --n) {
      const std::uint64_t first = last + 1 - random_.below(std::min<std::uint64_t>(last, 6) + 1);
      command.notes.push_back(
          {Sequence(first), Sequence(first + random_.below(4)), static_cast<std::uint32_t>(1 + random_.below(2))});
    }
    return command;
  }

  Command looking_after() {
    const UserId user = any_user();
    const DeviceId one = any_device();
    switch (random_.below(8)) {
      case 0: return TouchCommand{{{user, one}, {any_user(), any_device()}}};
      case 1: return RemoveDeviceCommand{user, one};
      case 2:
      case 3: return set_policy();
      case 4: return DropParkedCommand{user, one, parked_of(user, one)};
      default: return ReplayCommand{user, one, parked_of(user, one)};
    }
  }

  SetPolicyCommand set_policy() {
    SetPolicyCommand command{random_.chance(0.2) ? UserId() : any_user(), std::nullopt};
    if (random_.chance(0.7)) command.mover = Mover{ours_[0], any_device(), 1 + random_.below(4)};
    if (random_.chance(0.3)) return command;
    Policy policy{0, 0, 0, static_cast<std::uint32_t>(random_.below(3))};
    if (random_.chance(0.4)) policy.retention_age_ms = 100 + random_.below(2'000);
    if (random_.chance(0.4)) policy.retention_messages = 1 + random_.below(50);
    if (random_.chance(0.3)) policy.device_idle_ms = 500 + random_.below(2'000);
    command.policy = policy;
    return command;
  }

  std::vector<Sequence> parked_of(const UserId& user, const DeviceId& one) {
    std::vector<Sequence> sequences{Sequence(random_.below(oracle_.last(user) + 2))};
    for (const ParkedMessage& parked : oracle_.parked(user, one)) {
      if (random_.chance(0.7)) sequences.push_back(parked.sequence);
    }
    return sequences;
  }

  TransferCommand transfer() {
    TransferCommand command;
    command.origin = ShardId(random_.chance(0.5) ? 2 : 3);
    command.epoch = Epoch(1 + (random_.below(40) == 0 ? random_.below(4) : epochs_[command.origin]));
    const std::uint64_t next = oracle_.inbound_last(command.origin) + 1;
    command.first = random_.chance(0.7) ? next : 1 + random_.below(next + 2);
    for (std::uint64_t n = 1 + random_.below(3); n > 0; --n) {
      OutboxRecord record;
      if (random_.chance(0.2)) {
        record.cause = random_.chance(0.5) ? OutboxCause::kLost : OutboxCause::kForgetProducers;
        if (record.cause == OutboxCause::kForgetProducers) record.producers = {any_of(producers_), any_of(producers_)};
        command.records.push_back(record);
        continue;
      }
      for (std::uint64_t r = 1 + random_.below(3); r > 0; --r) record.recipients.push_back(any_user());
      record.message.sender = any_user();
      record.message.sender_device = any_device();
      record.message.id = random_.message_id();
      record.message.body = std::string(random_.below(20), 't');
      record.message.checksum = checksum_of(record.message.body);
      record.message.sent_at_ms = random_.below(1000);
      if (random_.chance(0.5)) record.message.copy_of = any_user();
      if (random_.chance(0.3)) record.message.expires_at_ms = 1 + random_.below(300);
      command.records.push_back(std::move(record));
    }
    epochs_[command.origin] = command.epoch.value - 1;
    return command;
  }

  Random random_;
  const ShardOracle& oracle_;
  std::vector<UserId> ours_;
  std::vector<UserId> others_;
  std::vector<ProducerId> producers_{ProducerId(0), ProducerId(7), ProducerId(8), ProducerId(9)};
  std::map<ShardId, std::uint64_t> epochs_;
  std::uint64_t tick_ = 1'000;
  std::uint64_t batches_ = 0;
};

}  // namespace earshot::cluster
