#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "cluster/machine_limits.hpp"
#include "cluster/state_cache.hpp"
#include "schema/manage.hpp"
#include "schema/records.hpp"

namespace earshot::cluster {

struct PolicyTraits {
  using Key = UserId;  // nobody: the default
  using Value = Policy;
  using Hash = std::hash<UserId>;
  static std::string key_of(const UserId& user);
  static Result<Policy> decode(std::string_view bytes) { return decode_policy_record(bytes); }
  static std::string encode(const Policy& policy) { return earshot::encode(policy); }
  static std::size_t bytes_of(const Policy&) { return sizeof(Policy); }
};

// What ends messages and devices, mailbox by mailbox. As long as no mailbox has a policy of its own, asking reads
// nothing. A damaged policy ends nothing: what it says is not known, and to guess would lose messages.
class Policies {
 public:
  Policies(storage::ShardState& state, const MachineLimits& limits);

  Status load();

  // For commands being applied.
  [[nodiscard]] Policy of(const UserId& user);
  // Nothing: the mailbox follows the default again, or the default is as built in.
  void set(const UserId& user, const std::optional<Policy>& policy);

  [[nodiscard]] Result<PolicyInfo> info(const UserId& user);

  void write_back() { cache_.write_back(); }
  [[nodiscard]] std::size_t dirty_bytes() const { return cache_.dirty_bytes(); }
  [[nodiscard]] std::uint64_t damaged_met() const { return cache_.damaged_met(); }

 private:
  using Entry = StateCache<PolicyTraits>::Entry;

  [[nodiscard]] PolicyInfo info_of(const Entry& entry) const;

  storage::ShardState& state_;
  StateCache<PolicyTraits> cache_;
  Policy default_;
  bool has_own_ = false;  // some mailbox has, or had since the start
};

}  // namespace earshot::cluster
