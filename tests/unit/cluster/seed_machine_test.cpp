#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "cluster/seed_feeder.hpp"
#include "cluster/seed_fetcher.hpp"
#include "storage/table_sums.hpp"
#include "tests/support/seed.hpp"
#include "tests/unit/cluster/shard_machine_commands.hpp"
#include "tests/unit/cluster/shard_machine_fixture.hpp"
#include "tests/unit/cluster/shard_machine_oracle.hpp"

namespace earshot::cluster {
namespace {

// A shard that goes on while its state is fetched: the machine that is opened on what came goes on from there as the
// one that gave it did.
TEST(SeedMachine, MachineGoesOnFromTheFetchedStateAsItsSourceDid) {
  const std::uint64_t seed = tests::seed_of_test();
  Random random(seed);
  ShardOracle oracle(kTestShard, {});
  RandomCommands commands(seed, oracle);
  storage::ModelDisk source_disk(1);
  storage::Environment* source = nullptr;
  TestReplica replica([&] {
    auto opened = source_disk.open();
    source = opened.get();
    return opened;
  });
  std::vector<std::string> log;
  const auto go_on = [&] {
    const CommandBatch batch = commands.batch();
    log.push_back(encode(batch));
    oracle.apply(batch);
    commands.learn(replica.apply(batch));
  };
  for (int i = 0; i < 400; ++i) go_on();
  replica.flush();

  storage::SeedLimits limits;
  limits.part_bytes_max = 2'000;
  SeedFeeder feeder(*source, kTestShard, random.next(), limits);
  storage::ModelDisk disk(1);
  auto environment = disk.open();
  SeedFetcher fetcher = SeedFetcher::open(*environment, kTestShard, random.next(), limits).value();
  std::shared_ptr<const storage::FrozenOverlay> flushing;
  std::uint64_t now_ms = 1;
  for (int step = 0; !fetcher.is_complete() && step < 10'000; ++step, now_ms += 10) {
    if (random.chance(0.5)) go_on();
    if (!flushing && random.chance(0.2) && (flushing = replica.freeze())) {
      feeder.flushing(true);
    } else if (flushing && random.chance(0.3)) {
      replica.write(flushing);
      feeder.note_flushed(*std::exchange(flushing, nullptr));
      feeder.flushing(false);
    }
    if (const auto bytes = fetcher.poll(NodeId(1), now_ms)) {
      const SeedMessage question = decode_seed_message(*bytes).value();
      const auto answer = feeder.answer(NodeId(2), question.ask, std::get<SeedRequest>(question.content), now_ms);
      (void)fetcher.received(NodeId(1), decode_seed_message(answer->bytes).value(), now_ms);
    }
    while (auto overlay = fetcher.next_overlay().value()) {
      ASSERT_TRUE(storage::write_overlays(*environment, {&overlay, 1}));
      fetcher.written();
    }
  }
  ASSERT_TRUE(fetcher.is_complete());
  ASSERT_TRUE(storage::check_sums(*environment, kTestShards));
  environment.reset();

  for (int i = 0; i < 100; ++i) go_on();
  TestReplica fetched([&disk] { return disk.open(); });
  ASSERT_EQ(fetched->applied_index(), fetcher.stands_at().applied);
  ASSERT_LT(fetched->applied_index(), LogIndex(log.size()));
  for (std::uint64_t index = fetched->applied_index().value + 1; index <= log.size(); ++index) {
    fetched->apply(LogIndex(index), Term(1), log[index - 1]);
  }
  EXPECT_EQ(fetched->digest().value(), replica->digest().value());
}

}  // namespace
}  // namespace earshot::cluster
