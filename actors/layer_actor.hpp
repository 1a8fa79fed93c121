#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <caf/actor.hpp>
#include <caf/fwd.hpp>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/ids.hpp"
#include "places/cell_tree.hpp"

namespace earshot::actors {

// What a layer tells of itself, for whoever does not want to wait for it. Any thread.
struct LayerGauge {
  std::atomic<std::uint64_t> taken{0};  // messages of its owner; what it shows below is of then or later
  std::atomic<std::size_t> members{0};
  std::atomic<std::size_t> waiting{0};  // changes that its owner has sent and it has not taken
};

// Who knows which layers there are, and which cells. Thread-safe.
class LayerOwner {
 public:
  virtual ~LayerOwner() = default;
  virtual void add_cell(caf::actor cell) = 0;
  // A message has been taken, and the gauge tells of it; so many more members are in the layer than before.
  virtual void taken(std::ptrdiff_t members_more) = 0;
  // So many more are in the layer, without a message.
  virtual void count_members(std::ptrdiff_t members_more) = 0;
  // Nobody is in the layer after so many messages from its owner: whether it may end, since no more are on their way.
  // From then on another one would be made.
  virtual bool retire(const LayerId& layer, std::uint64_t messages) = 0;
  // Of those who had left the node's regions by then it is not known any more that they have.
  virtual void forgot(std::uint64_t left_ms) = 0;
};

struct LayerSetup {
  LayerId layer;
  std::uint16_t shard_count = 0;
  places::CellLimits limits;
  std::shared_ptr<LayerOwner> owner;
  std::shared_ptr<LayerGauge> gauge;
  // Where other nodes have regions, too: the layer counts those of this one, and remembers who leaves them. Outlives
  // it.
  const Clock* clock = nullptr;
};

// One layer, with its cells as actors of their own. It ends when nobody is in it, or by EndLayer.
caf::actor spawn_layer(caf::actor_system& system, LayerSetup setup);

inline Error member_is_nowhere() { return Error{ErrorCode::kNotFound, "member", "it has no position in the layer"}; }
inline Error nobody_is_there() { return Error{ErrorCode::kNotFound, "layer", "nobody has a position in it"}; }

}  // namespace earshot::actors
