#include "actors/shard_life.hpp"

#include <utility>

#include "base/random.hpp"

namespace earshot::actors {
namespace {

// Between shards of one node an answer takes as long as a sync; this leaves room for a slow disk.
constexpr BackoffPolicy kTransferResend{1'000, 30'000};

}  // namespace

Result<std::unique_ptr<ShardLife>> ShardLife::open(const ShardOptions& options, ShardHost& host,
                                                   storage::Environment& environment,
                                                   const std::shared_ptr<NodeBudgets>& budgets, FeedSource* feeds) {
  auto life = std::make_unique<ShardLife>(options, environment);
  auto machine = cluster::ShardMachine::open(life->state, options.id, options.shard_count, {}, options.faults.machine);
  if (!machine.has_value()) return fail(std::move(machine.error()));
  life->machine = std::move(*machine);
  life->audience.emplace(options.replica.self, options.id, *life->machine);
  life->flusher.emplace(*life->machine, life->feeder, host, budgets,
                        FlushSchedule(options.id, options.flush_interval_ms, options.overlay_flush_bytes));
  life->places.emplace(options.id, *life->machine, host, Random(options.replica.seed), feeds);
  life->drain.emplace(options.id, *life->machine, kTransferResend, Random(options.replica.seed));
  return life;
}

}  // namespace earshot::actors
