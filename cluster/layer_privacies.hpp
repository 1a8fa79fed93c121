#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "base/layer_privacy.hpp"
#include "cluster/effects.hpp"
#include "cluster/machine_limits.hpp"
#include "storage/shard_state.hpp"

namespace earshot::cluster {

// The privacies of those layers whose names belong to one shard, whoever is in them. All are in memory: they are few,
// and whoever answers questions is told of them all.
class LayerPrivacies {
 public:
  LayerPrivacies(storage::ShardState& state, const MachineLimits& limits)
      : state_(state), layers_max_(limits.layers_max) {}

  // One that is damaged counts as the strictest that can be set: to guess would show more than was wanted.
  Status load();

  // Nothing: the layer is as layers are by default. kOverloaded when as many have their own as may.
  Status set(const LayerId& layer, const std::optional<LayerPrivacy>& privacy, Effects& effects);
  // In the order of their names.
  [[nodiscard]] std::vector<PrivacyChange> all() const;

  [[nodiscard]] std::uint64_t damaged_met() const { return damaged_met_; }

 private:
  storage::ShardState& state_;
  const std::size_t layers_max_;
  std::map<LayerId, LayerPrivacy> privacies_;
  std::uint64_t damaged_met_ = 0;
};

}  // namespace earshot::cluster
