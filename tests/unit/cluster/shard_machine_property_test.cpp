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
#include "tests/unit/cluster/shard_machine_commands.hpp"
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
  limits.attempts_kept_max = 3;
  limits.ack_marks_max = 3;
  limits.parked_per_device_max = 3;
  limits.trims_per_append_max = 100;
  limits.sweep_interval_ms = 1'500;
  limits.producer_idle_ms_max = 3'000;
  limits.forgotten_producer_ms = 2'000;
  limits.last_login_ms = 2'000;
  limits.cache_bytes_max = 600;
  return limits;
}

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

// What looks after mailboxes sees the same.
void expect_same_devices(TestReplica& replica, const ShardOracle& oracle, const std::vector<UserId>& users) {
  for (const auto& user : users) {
    const auto devices = replica->devices(user).value();
    EXPECT_EQ(devices, oracle.devices(user));
    for (const DeviceInfo& one : devices) {
      EXPECT_EQ(replica->parked(user, one.device, Sequence(), 256, 1 << 20).value(), oracle.parked(user, one.device));
    }
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
                                            "copy of 'user-",
                                            "refused expired(ttlMs)",
                                            "held unavailable(ttlMs) retry",
                                            " until ",
                                            " replay of ",
                                            " expired\n",
                                            " trimmed\n",
                                            "removed user-",
                                            "touch",
                                            "attempts, parked ",
                                            " parked 1",
                                            "replay 0",
                                            "replay notFound(device)",
                                            "replay unavailable(shard)",
                                            "status ok",
                                            "status notFound(device)",
                                            "status sessionReplaced(login)",
                                            "status unavailable(shard)"};

void note(const std::string& text, std::map<std::string, std::size_t>& met) {
  for (const auto& outcome : kOutcomes) met[outcome] += text.find(outcome) != std::string::npos ? 1 : 0;
}

// A peer that never flushes and forgets nothing.
MachineLimits calm(MachineLimits limits) {
  limits.cache_bytes_max = 1 << 20;
  return limits;
}

void run(std::uint64_t seed, TestReplica::OpenEnvironment open, std::size_t entries,
         std::map<std::string, std::size_t>& met) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  ShardOracle oracle(kTestShard, tiny_limits());
  RandomCommands commands(seed, oracle);
  TestReplica replica(std::move(open), tiny_limits());
  storage::ModelDisk calm_disk(1);
  TestReplica peer([&] { return calm_disk.open(); }, calm(tiny_limits()));
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
      expect_same_devices(replica, oracle, commands.users());
    }
  }
}

TEST(ShardMachineProperty, DoesWhatTheOracleSaysWhateverIsFlushedAndReopened) {
  const std::uint64_t seed = tests::seed_of_test();
  std::map<std::string, std::size_t> met;
  for (std::uint64_t round = 0; round < 60 && !testing::Test::HasFailure(); ++round) {
    storage::ModelDisk disk(1);
    const auto open = [&] { return disk.open(); };
    run(seed + round, open, 400, met);
  }
  for (const auto& [outcome, times] : met) EXPECT_GT(times, 0u) << "never met: " << outcome;
}

// With bounds on the work of an entry the oracle, which has none, would tell another story: here two replicas are
// compared. Rounds and expiries stop half way, are flushed there, and go on after a restart.
TEST(ShardMachineProperty, EndsTheSameInSmallStepsWhateverIsFlushedAndReopened) {
  const std::uint64_t seed = tests::seed_of_test();
  MachineLimits limits = tiny_limits();
  limits.expiries_per_entry_max = 2;
  limits.trims_per_append_max = 2;
  limits.sweep_records_per_entry_max = 3;
  for (std::uint64_t round = 0; round < 20 && !testing::Test::HasFailure(); ++round) {
    SCOPED_TRACE("seed " + std::to_string(seed + round));
    ShardOracle guide(kTestShard, limits);
    RandomCommands commands(seed + round, guide);
    storage::ModelDisk disk(1);
    storage::ModelDisk calm_disk(1);
    TestReplica replica([&] { return disk.open(); }, limits);
    TestReplica peer([&] { return calm_disk.open(); }, calm(limits));
    std::shared_ptr<const storage::FrozenOverlay> writing;
    for (std::size_t n = 0; n < 400 && !testing::Test::HasFailure(); ++n) {
      const CommandBatch batch = commands.batch();
      guide.apply(batch);
      const Effects effects = peer.apply(batch);
      EXPECT_EQ(describe(replica.apply(batch)), describe(effects)) << "entry " << n + 1;
      commands.learn(effects);
      disturb(replica, commands.random(), writing);
      if (n % 16 == 0) {
        EXPECT_EQ(replica->digest().value(), peer->digest().value()) << "entry " << n + 1;
      }
    }
  }
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
