#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "cluster/shard_machine.hpp"
#include "storage/lmdb_environment.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/unit/cluster/shard_machine_fixture.hpp"
#include "tests/unit/cluster/shard_machine_oracle.hpp"

namespace earshot::cluster {
namespace {

// Bounds so small that a few hundred random commands meet every one of them; a cache that forgets all the time.
MachineLimits tiny_limits() {
  MachineLimits limits;
  limits.lane_window_max = 4;
  limits.mailbox_messages_max = 40;
  limits.devices_per_user_max = 2;
  limits.selective_acks_max = 3;
  limits.outbox_records_max = 6;
  limits.cache_bytes_max = 600;
  return limits;
}

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
    if (random_.chance(0.7)) batch.tick_ms = random_.chance(0.1) ? tick_ / 2 : tick_;
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
    switch (random_.below(10)) {
      case 0: return login();
      case 1:
      case 2: return ack();
      case 3: return transfer();
      case 4: return ConfirmCommand{ShardId(static_cast<std::uint16_t>(random_.below(kTestShards))), random_.below(12)};
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

  TransferCommand transfer() {
    TransferCommand command;
    command.origin = ShardId(random_.chance(0.5) ? 2 : 3);
    command.epoch = Epoch(1 + (random_.below(40) == 0 ? random_.below(4) : epochs_[command.origin]));
    const std::uint64_t next = oracle_.inbound_last(command.origin) + 1;
    command.first = random_.chance(0.7) ? next : 1 + random_.below(next + 2);
    for (std::uint64_t n = 1 + random_.below(3); n > 0; --n) {
      OutboxRecord record;
      for (std::uint64_t r = 1 + random_.below(3); r > 0; --r) record.recipients.push_back(any_user());
      record.message.sender = any_user();
      record.message.sender_device = any_device();
      record.message.id = random_.message_id();
      record.message.body = std::string(random_.below(20), 't');
      record.message.checksum = checksum_of(record.message.body);
      record.message.sent_at_ms = random_.below(1000);
      if (random_.chance(0.5)) record.message.copy_of = any_user();
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
};

void expect_same_state(TestReplica& replica, const ShardOracle& oracle, const std::vector<UserId>& users) {
  for (const auto& user : users) {
    EXPECT_EQ(describe(replica.fetch(user)), describe(oracle.mailbox(user)));
    EXPECT_EQ(describe(replica->history(user, Sequence(), 1000, 1 << 20).value()), describe(oracle.mailbox(user)));
  }
  std::map<ShardId, OutboxHead> undrained;
  const auto heads = replica->outbox_heads().value();
  for (const auto& [target, head] : heads) undrained[target] = head;
  for (std::uint16_t s = 0; s < kTestShards; ++s) {
    const OutboxHead head = oracle.outbox_head(ShardId(s));
    const auto expected = oracle.outbox(ShardId(s));
    EXPECT_EQ(undrained.contains(ShardId(s)), !expected.empty());
    if (!expected.empty()) {
      EXPECT_EQ(undrained[ShardId(s)], head);
    }
    EXPECT_EQ(replica->outbox(ShardId(s), head.confirmed + 1, 1000, 1 << 20).value(), expected);
  }
}

// Whatever the flushes, crashes and restarts: at any moment one of them may happen.
void disturb(TestReplica& replica, Random& random, std::shared_ptr<const storage::FrozenOverlay>& writing) {
  if (writing == nullptr && random.chance(0.2)) writing = replica.freeze();
  if (writing != nullptr && random.chance(0.5)) replica.write(std::exchange(writing, nullptr));
  if (random.chance(0.05)) {
    writing = nullptr;  // a frozen overlay that did not reach the disk is lost
    replica.reopen();
  }
}

// Each kind of outcome that the commands can have: a test that never meets a rule says nothing about it.
const std::vector<std::string> kOutcomes = {"stored ",
                                            "refused invalidArgument(body)",
                                            "refused mailboxFull(recipient)",
                                            "held producerReset(producer)",
                                            "held outOfOrder(number) expected",
                                            "held overloaded(answeredBelow) retry",
                                            "held overloaded(copyToSelf) retry",
                                            "held unavailable(shard) retry",
                                            " new epoch",
                                            " epoch 1",
                                            "login tooLarge(device)",
                                            "login unavailable(shard)",
                                            "ack 1",
                                            "ack notFound(device)",
                                            "ack invalidArgument(upTo)",
                                            "ack tooLarge(above)",
                                            "ack unavailable(shard)",
                                            "transfer 0",
                                            "transfer 3",
                                            "outbox to ",
                                            "dropped ",
                                            "copy of 'user-"};

void note(const std::string& text, std::map<std::string, std::size_t>& met) {
  for (const auto& outcome : kOutcomes) met[outcome] += text.find(outcome) != std::string::npos ? 1 : 0;
}

void run(std::uint64_t seed, TestReplica::OpenEnvironment open, std::size_t entries,
         std::map<std::string, std::size_t>& met) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  ShardOracle oracle(kTestShard, tiny_limits());
  RandomCommands commands(seed, oracle);
  TestReplica replica(std::move(open), tiny_limits());
  // A peer that never flushes and forgets nothing.
  storage::ModelDisk calm_disk(1);
  MachineLimits calm_limits = tiny_limits();
  calm_limits.cache_bytes_max = 1 << 20;
  TestReplica peer([&] { return calm_disk.open(); }, calm_limits);
  std::shared_ptr<const storage::FrozenOverlay> writing;
  for (std::size_t n = 0; n < entries && !testing::Test::HasFailure(); ++n) {
    const CommandBatch batch = commands.batch();
    const Effects expected = oracle.apply(batch);
    EXPECT_EQ(describe(replica.apply(batch)), describe(expected)) << "entry " << n + 1;
    note(describe(expected), met);
    peer.apply(batch);
    commands.learn(expected);
    disturb(replica, commands.random(), writing);
    if (n % 16 == 0 || n + 1 == entries) {
      EXPECT_EQ(replica->digest().value(), peer->digest().value()) << "entry " << n + 1;
      expect_same_state(replica, oracle, commands.users());
    }
  }
}

TEST(ShardMachineProperty, DoesWhatTheOracleSaysWhateverIsFlushedAndReopened) {
  const std::uint64_t seed = tests::seed_of_test();
  std::map<std::string, std::size_t> met;
  for (std::uint64_t round = 0; round < 40 && !testing::Test::HasFailure(); ++round) {
    storage::ModelDisk disk(1);
    const auto open = [&] { return disk.open(); };
    run(seed + round, open, 400, met);
  }
  for (const auto& [outcome, times] : met) EXPECT_GT(times, 0u) << "never met: " << outcome;
}

TEST(ShardMachineProperty, DoesTheSameOnRealDisk) {
  const std::uint64_t seed = tests::seed_of_test();
  tests::TemporaryDirectory directory;
  storage::LmdbOptions options{directory / "state", storage::state_tables()};
  options.map_bytes = 64 << 20;
  const auto open = [&] { return std::move(*storage::open_lmdb(options)); };
  std::map<std::string, std::size_t> met;
  run(seed, open, 400, met);
}

}  // namespace
}  // namespace earshot::cluster
