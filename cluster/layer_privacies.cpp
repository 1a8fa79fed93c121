#include "cluster/layer_privacies.hpp"

#include <string>
#include <string_view>

#include "base/limits.hpp"
#include "schema/records.hpp"
#include "storage/keys.hpp"

namespace earshot::cluster {
namespace {

constexpr LayerPrivacy kStrictest{limits::kPrecisionMMax, limits::kDistanceStepMMax, 1};

}  // namespace

Status LayerPrivacies::load() {
  return state_.scan("V", "W", [this](std::string_view key, std::optional<std::string_view> value) {
    const auto privacy = value ? decode_layer_privacy_record(*value) : fail(ErrorCode::kCorrupt, "privacy", "");
    if (!privacy) ++damaged_met_;
    privacies_[storage::keys::layer_of(key)] = privacy.value_or(kStrictest);
    return true;
  });
}

Status LayerPrivacies::set(const LayerId& layer, const std::optional<LayerPrivacy>& privacy, Effects& effects) {
  if (privacy) {
    if (privacies_.size() >= layers_max_ && !privacies_.contains(layer))
      return fail(Error{ErrorCode::kOverloaded, "layer",
                        "the shard keeps the privacies of " + std::to_string(layers_max_) + " layers, the most it may",
                        limits::kRetryAfterMs});
    privacies_[layer] = *privacy;
    state_.put(storage::keys::layer_privacy(layer), encode(*privacy));
  } else if (privacies_.erase(layer) > 0) {
    state_.erase(storage::keys::layer_privacy(layer));
  }
  effects.privacies.push_back({layer, privacy});
  return {};
}

std::vector<PrivacyChange> LayerPrivacies::all() const {
  std::vector<PrivacyChange> all;
  all.reserve(privacies_.size());
  for (const auto& [layer, privacy] : privacies_) all.push_back({layer, privacy});
  return all;
}

}  // namespace earshot::cluster
