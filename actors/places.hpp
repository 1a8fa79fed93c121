#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include <caf/fwd.hpp>

#include "actors/live_actors.hpp"
#include "actors/place_views.hpp"
#include "base/clock.hpp"
#include "base/ids.hpp"
#include "base/limits.hpp"
#include "cluster/effects.hpp"
#include "places/cell_port.hpp"
#include "places/cell_tree.hpp"
#include "places/privacy_table.hpp"

namespace earshot::actors {

// The layers of a node, each an actor, and their cells. What a shard tells before it answers an update is seen by every
// question that is asked after the answer. Thread-safe, and nothing waits.
class Places : public PlaceViews {
 public:
  // ---- from shards, each in the order of its versions
  virtual void moved(ShardId shard, std::vector<cluster::Move> moves, std::vector<cluster::ClearedLayer> cleared) = 0;
  // A page of where the shard's members are after a start; versions say what is newer.
  virtual void page(ShardId shard, std::vector<cluster::Move> moves, places::UntilTaken until_taken) = 0;
  // Of layers whose names belong to the shard: all before its positions, then each that changes.
  virtual void privacies(const std::vector<cluster::PrivacyChange>& changes) = 0;
  // The shard has told all positions that it keeps.
  virtual void all_told(ShardId shard) = 0;

  // ---- from feeds: in a cluster a shard may be told of anew, by another leader
  // From now on until it is told whole again, what is known of the shard's members may be out of date.
  virtual void lost(ShardId shard) = 0;
  // Whoever of the shard's members is not told of from here to scan_ends() is not there any more.
  virtual void scan_begins(ShardId shard) = 0;
  virtual void scan_ends(ShardId shard) = 0;

  // What layers show to users.
  [[nodiscard]] virtual std::shared_ptr<const places::PrivacyTable> privacy_table() const = 0;

  // ---- from the node
  // Layers end, and their cells with them, whatever waits to be done: what is told or asked from then on leads nowhere,
  // and no question is answered. A cell may be cut off once all layers are gone.
  virtual void end() = 0;
  // Of all layers: about so many, while some are behind.
  [[nodiscard]] virtual std::size_t members() const = 0;
  [[nodiscard]] virtual LiveActors& layers() const = 0;
  [[nodiscard]] virtual LiveActors& cells() const = 0;
};

struct PlacesLimits {
  std::size_t layers_max = limits::kNodeLayersMax;
  std::size_t layer_changes_waiting_max = limits::kLayerChangesWaitingMax;
  // Where other nodes have regions, too: SizeQuestion::counts may be asked, and who leaves this node's regions is
  // followed for a while. Outlives the places.
  const Clock* clock = nullptr;
  // Of those who had left by that time, of `clock`, somebody may not be followed any more. Any thread.
  std::function<void(std::uint64_t left_ms)> forgot = nullptr;
};

std::shared_ptr<Places> make_places(caf::actor_system& system, std::uint16_t shard_count,
                                    const places::CellLimits& cell_limits = {}, const PlacesLimits& limits = {});

}  // namespace earshot::actors
