#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "actors/shard.hpp"
#include "actors/shard_audience.hpp"
#include "actors/shard_flusher.hpp"
#include "actors/shard_outbox.hpp"
#include "actors/shard_places.hpp"
#include "cluster/seed_feeder.hpp"
#include "cluster/shard_machine.hpp"
#include "storage/shard_state.hpp"

namespace earshot::actors {

// What a replica of a shard has as long as it has a state: the machine, and all that work with it. A replica whose
// state is being fetched is without.
// Thread: owned by the shard.
struct ShardLife {
  // `feeds`, which outlive it, get what is to be told of places; none: the host does. kCorrupt: what everything is
  // found by is damaged.
  static Result<std::unique_ptr<ShardLife>> open(const ShardOptions& options, ShardHost& host,
                                                 storage::Environment& environment,
                                                 const std::shared_ptr<NodeBudgets>& budgets, FeedSource* feeds);

  ShardLife(const ShardOptions& options, storage::Environment& environment)
      : state(environment, options.id, options.faults.state), feeder(environment, options.id, options.random) {}
  ShardLife(const ShardLife&) = delete;
  ShardLife& operator=(const ShardLife&) = delete;

  storage::ShardState state;
  std::unique_ptr<cluster::ShardMachine> machine;
  cluster::SeedFeeder feeder;  // of replicas that have none
  std::optional<Audience> audience;
  std::optional<ShardFlusher> flusher;
  std::optional<OutboxDrain> drain;
  std::optional<ShardPlaces> places;
};

}  // namespace earshot::actors
