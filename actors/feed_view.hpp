#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "actors/completion.hpp"
#include "cluster/cell_map.hpp"

namespace earshot::actors {

// What this node knows of where members are, in a cluster: those of its regions, as the leaders of all shards tell it.
// Thread-safe, and nothing waits.
class FeedView {
 public:
  using Waiting = Completion::Waiting;

  virtual ~FeedView() = default;

  // Whether what is read of this node's Places from now on has every update in it that was answered before this call,
  // of the members whose places are in this node's regions. Asking costs something: for some seconds from then on this
  // node keeps the leases that let it say so.
  [[nodiscard]] virtual bool is_exact_now() = 0;
  // The same of one shard alone: its members, and the privacies of the layers that belong to it.
  [[nodiscard]] virtual bool is_exact_now(ShardId shard) = 0;
  // Once it is so of all: at once, or later on another thread; not if what this returns is let go before, and never
  // after the end of the node.
  [[nodiscard]] virtual Waiting when_exact(std::function<void()> then) = 0;
  // The same of each shard's members alone.
  [[nodiscard]] virtual std::vector<bool> exact_shards() const = 0;
  // Whoever has left this node's regions after that time, of this node's clock, was followed for limits::kLingerMs: it
  // is among its Places, where it is now.
  [[nodiscard]] virtual std::uint64_t followed_since_ms() const = 0;
  // By whose regions it is told: this node's are those that this map gives to it. A map holds until another one takes
  // its place, and of that one nothing is exact before this node has been told all of it.
  [[nodiscard]] virtual std::shared_ptr<const cluster::CellMap> cells() const = 0;
};

}  // namespace earshot::actors
