#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <caf/fwd.hpp>

#include "actors/live_actors.hpp"
#include "base/error.hpp"
#include "base/ids.hpp"
#include "cluster/effects.hpp"
#include "geo/area.hpp"
#include "geo/gather.hpp"
#include "places/cell_tree.hpp"
#include "places/nearby.hpp"

namespace earshot::actors {

struct NearbyAnswer {
  std::vector<places::FoundMember> found;
  bool is_partial = false;  // the node started a moment ago, and does not know yet where everybody is
};

// Each is answered once, on the thread that has the answer: that only passes it on.
struct NearbyQuestion {
  std::variant<geo::Point, std::string> centre;  // a point, or where a member of the layer is
  std::function<Result<geo::Area>(const geo::Point&)> area;
  geo::Pick pick = geo::Pick::kAll;
  std::size_t count_max = SIZE_MAX;
  bool with_distance = true;  // as in geo::Search
  bool in_order = true;
  std::function<void(Result<NearbyAnswer>)> done;  // kNotFound(member): that member is nowhere
};
struct ScoresQuestion {
  std::vector<std::string> members;
  std::function<void(std::vector<std::optional<double>>)> done;  // none: that member is nowhere
};
struct SizeQuestion {
  std::function<void(std::size_t)> done;
};

// Where everybody is, in memory: the layers of a node, each an actor, and their cells. What a shard tells before it
// answers an update is seen by every question that is asked after the answer. Thread-safe, and nothing waits.
class Places {
 public:
  virtual ~Places() = default;

  // ---- from shards, each in the order of its versions
  virtual void moved(ShardId shard, std::vector<cluster::Move> moves, std::vector<cluster::ClearedLayer> cleared) = 0;
  // The shard has told all positions that it keeps.
  virtual void all_told(ShardId shard) = 0;

  // ---- from whoever asks
  virtual void ask(const LayerId& layer, NearbyQuestion question) = 0;
  virtual void ask(const LayerId& layer, ScoresQuestion question) = 0;
  virtual void ask(const LayerId& layer, SizeQuestion question) = 0;
  // Once every shard has told all: at once, or later on the thread of the last one to do so. Never after end().
  virtual void when_complete(std::function<void()> then) = 0;

  // ---- from the node
  // Layers and cells end; what is told or asked from then on leads nowhere, and no question is answered.
  virtual void end() = 0;
  [[nodiscard]] virtual LiveActors& layers() const = 0;
  [[nodiscard]] virtual LiveActors& cells() const = 0;
};

std::shared_ptr<Places> make_places(caf::actor_system& system, std::uint16_t shard_count,
                                    const places::CellLimits& limits = {});

}  // namespace earshot::actors
