#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <caf/actor.hpp>
#include <caf/fwd.hpp>

#include "actors/meta_group.hpp"
#include "base/clock.hpp"
#include "base/error.hpp"
#include "cluster/peers.hpp"
#include "storage/environment.hpp"
#include "storage/log_store.hpp"

namespace earshot::actors {

// What the meta group's actor works with. Everything pointed to outlives it.
struct MetaSetup {
  MetaGroupOptions options;
  storage::Environment* state = nullptr;
  storage::LogStore* store = nullptr;
  storage::LoadedLog log;
  const Clock* clock = nullptr;
  cluster::Peers* peers = nullptr;  // none: the node has no links
  caf::actor log_writer;
  caf::actor state_writer;
  // Called on the actor's thread: they only pass on.
  std::function<void(std::shared_ptr<const MetaState>)> state_changed;
  std::function<void(NodeId leader, Term term)> leader_changed;
  std::function<void(Status)> opened;  // once; on an error the actor has ended
};

// The meta group at work on this node: actors/meta_group.hpp. Frames of kMetaGroup come in by replica_inbox(),
// StopShard ends it.
caf::actor spawn_meta_group(caf::actor_system& system, MetaSetup setup);

// What other threads ask of it. Thread-safe; what is called back is called on the actor's thread, or, once the actor
// has ended, never.
class MetaPort {
 public:
  explicit MetaPort(caf::actor group) : group_(std::move(group)) {}

  void propose(MetaCommand command, MetaGroup::OnOutcome done) const;
  // As cluster::PeerEvents::asked().
  void join(std::string request, std::function<void(std::string)> answer) const;
  void remove(NodeId node, std::vector<ShardStatus> shards, MetaGroup::OnRemoval done) const;
  void status(std::function<void(MetaStatus)> done) const;

 private:
  void call(std::function<void(MetaGroup&)> what) const;

  const caf::actor group_;
};

}  // namespace earshot::actors
