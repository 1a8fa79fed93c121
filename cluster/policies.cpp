#include "cluster/policies.hpp"

#include <utility>

#include "storage/keys.hpp"

namespace earshot::cluster {
namespace {

constexpr Policy kEndsNothing{0, 0, 0, 0};

}  // namespace

std::string PolicyTraits::key_of(const UserId& user) { return storage::keys::policy(user); }

Policies::Policies(storage::ShardState& state, const MachineLimits& limits)
    : state_(state), cache_(state, limits.cache_bytes_max) {}

Status Policies::load() {
  auto entry = cache_.load(UserId());
  if (!entry.has_value()) return fail(std::move(entry.error()));
  default_ = info_of(**entry).policy;
  const std::string first_own = storage::keys::policy(UserId()) + '\1';  // no name is empty
  return state_.scan(first_own, "Q", [this](std::string_view, std::optional<std::string_view>) {
    has_own_ = true;
    return false;
  });
}

Policy Policies::of(const UserId& user) {
  if (user.empty() || !has_own_) return default_;
  return info_of(cache_.require(user)).policy;
}

void Policies::set(const UserId& user, const std::optional<Policy>& policy) {
  if (policy.has_value()) {
    cache_.edit(cache_.require(user)) = *policy;
  } else {
    cache_.erase(user);
  }
  if (user.empty()) {
    default_ = policy.value_or(Policy());
  } else {
    has_own_ = has_own_ || policy.has_value();
  }
}

Result<PolicyInfo> Policies::info(const UserId& user) {
  if (user.empty()) return PolicyInfo{default_, false};
  if (!has_own_) return PolicyInfo{default_, true};
  auto entry = cache_.load(user);
  if (!entry.has_value()) return fail(std::move(entry.error()));
  return info_of(**entry);
}

PolicyInfo Policies::info_of(const Entry& entry) const {
  if (entry.is_damaged()) return {kEndsNothing, false};
  return entry.get() != nullptr ? PolicyInfo{*entry.get(), false} : PolicyInfo{default_, true};
}

}  // namespace earshot::cluster
