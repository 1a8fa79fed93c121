#pragma once

#include <functional>
#include <memory>

#include <caf/actor.hpp>
#include <caf/fwd.hpp>

#include "actors/beat.hpp"
#include "actors/exchange.hpp"
#include "actors/places.hpp"
#include "actors/ports.hpp"
#include "actors/shard.hpp"
#include "storage/log_store.hpp"

namespace earshot::actors {

// What a shard's actor works with.
struct ShardSetup {
  ShardOptions options;
  storage::Environment* state = nullptr;  // outlives the actor, as does the clock
  storage::LoadedLog log;
  storage::LogStore* log_store = nullptr;  // outlives the actor
  std::shared_ptr<NodeBudgets> budgets;
  const Clock* clock = nullptr;
  caf::actor log_writer;
  caf::actor state_writer;
  std::shared_ptr<Places> places;
  std::shared_ptr<Exchange> exchange;  // none: the node is alone
  std::shared_ptr<Beat> beat;          // with others
  // Called once, from the actor: whether the shard could be opened. After an error the actor has ended.
  std::function<void(Status)> opened;
};

// Starts the actor, which opens the shard on a scheduler thread, so that many open at the same time. It ends by itself
// once it has been told to stop and is drained.
caf::actor spawn_shard(caf::actor_system& system, ShardSetup setup);

// The ways into a shard on this node.
std::shared_ptr<ShardInbox> shard_inbox(caf::actor shard);
std::shared_ptr<ReplicaInbox> replica_inbox(caf::actor shard);

}  // namespace earshot::actors
