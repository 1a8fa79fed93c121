#pragma once

#include <functional>
#include <memory>
#include <stop_token>

#include "actors/broker.hpp"
#include "actors/cluster_map.hpp"
#include "actors/counters.hpp"
#include "actors/node_links.hpp"
#include "actors/node_report.hpp"
#include "base/clock.hpp"
#include "base/config.hpp"
#include "base/error.hpp"
#include "base/ids.hpp"
#include "places/sight.hpp"

namespace earshot::actors {

// What is around a node besides its settings.
struct NodeSurroundings {
  NodeLinks* links = nullptr;                                           // outlives it; needed by a node of a cluster
  std::shared_ptr<const places::PlaceVisibility> visibility = nullptr;  // which users may see which members; none: all
  std::stop_token stop = {};                                            // of a start that waits for others
  // The cluster has removed the node: a start fails then, and one that serves is to be stopped. Called at most once, on
  // any thread.
  std::function<void(Error why)> removed = nullptr;
};

// One node at work: its data directory, its actor system with writers, shards and sessions. Everything is wired here;
// no globals. Destroying it stops the sessions, drains the shards, flushes and closes.
class Node : public Broker {
 public:
  // Opens (or makes) the data directory, applies the logs again and serves; as a node of a cluster once that counts it
  // as one. Errors as enter_cluster(), kCorrupt, and what NodeLinks::open() says.
  static Result<std::unique_ptr<Node>> start(const NodeConfig& config, const Clock& clock,
                                             NodeSurroundings surroundings = {});
  [[nodiscard]] virtual std::uint16_t shard_count() const = 0;
  [[nodiscard]] virtual const SessionCounters& counters() const = 0;  // what its sessions have done since it started
  // Its numbers now. Thread-safe, also during and after stop(); looks at the state's free pages, so not for every call.
  [[nodiscard]] virtual NodeReport report() const = 0;
  // Null: the node is in no cluster.
  [[nodiscard]] virtual const ClusterMap* cluster_map() const = 0;
  // Has `done` called by an actor, as soon as one more can run; after stop() at once. Thread-safe. Whoever waits in
  // vain knows that the threads which run actors hang.
  virtual void ping(std::function<void()> done) = 0;
  // Ends in order: sessions are told kUnavailable, shards flush. Idempotent; the destructor calls it.
  virtual void stop() = 0;
};

}  // namespace earshot::actors
