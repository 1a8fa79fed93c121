#pragma once

#include <memory>

#include "actors/broker.hpp"
#include "actors/counters.hpp"
#include "base/clock.hpp"
#include "base/config.hpp"
#include "base/error.hpp"
#include "base/ids.hpp"
#include "places/sight.hpp"

namespace earshot::actors {

// One node at work: its data directory, its actor system with writers, shards and sessions. Everything is wired here;
// no globals. Destroying it stops the sessions, drains the shards, flushes and closes.
class Node : public Broker {
 public:
  // Opens (or makes) the data directory, applies the logs again and serves. Errors as DataDirectory::open, and
  // kCorrupt.
  // `visibility` says which users may see which members; none: everybody everybody.
  static Result<std::unique_ptr<Node>> start(const NodeConfig& config, const Clock& clock,
                                             std::shared_ptr<const places::PlaceVisibility> visibility = nullptr);
  [[nodiscard]] virtual NodeId id() const = 0;
  [[nodiscard]] virtual std::uint16_t shard_count() const = 0;
  [[nodiscard]] virtual const SessionCounters& counters() const = 0;  // what its sessions have done since it started
  // Ends in order: sessions are told kUnavailable, shards flush. Idempotent; the destructor calls it.
  virtual void stop() = 0;
};

}  // namespace earshot::actors
