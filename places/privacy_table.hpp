#pragma once

#include <mutex>
#include <optional>
#include <shared_mutex>
#include <unordered_map>

#include "base/ids.hpp"
#include "base/layer_privacy.hpp"

namespace earshot::places {

// The privacies of a node's layers, for whoever answers questions. Thread-safe.
class PrivacyTable {
 public:
  // None: the layer has none of its own.
  [[nodiscard]] std::optional<LayerPrivacy> own(const LayerId& layer) const {
    const std::shared_lock lock(mutex_);
    const auto found = own_.find(layer);
    return found == own_.end() ? std::nullopt : std::optional(found->second);
  }
  [[nodiscard]] LayerPrivacy of(const LayerId& layer) const { return own(layer).value_or(LayerPrivacy()); }

  void set(const LayerId& layer, const std::optional<LayerPrivacy>& privacy) {
    const std::unique_lock lock(mutex_);
    if (privacy)
      own_[layer] = *privacy;
    else
      own_.erase(layer);
  }

 private:
  mutable std::shared_mutex mutex_;
  std::unordered_map<LayerId, LayerPrivacy> own_;
};

}  // namespace earshot::places
