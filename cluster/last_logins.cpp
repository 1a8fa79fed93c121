#include "cluster/last_logins.hpp"

#include <algorithm>

namespace earshot::cluster {
namespace {

Status judge(const Mover& mover, const LastLogin* last) {
  if (last == nullptr || mover.login >= last->login) return {};
  return fail(ErrorCode::kSessionReplaced, "login", "a later session of the device has made changes since");
}

}  // namespace

LastLogins::LastLogins(storage::ShardState& state, const MachineLimits& limits)
    : records_(state, limits.cache_bytes_max),
      ends_(state),
      kept_ms_(limits.last_login_ms),
      ends_per_tick_max_(limits.expiries_per_entry_max) {}

Status LastLogins::check(const Mover& mover) {
  return mover.login == 0 ? Status() : judge(mover, records_.require({mover.user, mover.device}).get());
}

Status LastLogins::admit(const Mover& mover, std::uint64_t now_ms) {
  if (mover.login == 0) return {};
  const DeviceKey key{mover.user, mover.device};
  Records::Entry& entry = records_.require(key);
  if (auto may = judge(mover, entry.get()); !may) return may;
  LastLogin last = entry.get() != nullptr ? *entry.get() : LastLogin();
  if (mover.login == last.login) return {};
  last.login = mover.login;
  remember(key, entry, last, now_ms);
  return {};
}

void LastLogins::note_removed(const UserId& user, const DeviceId& device, const LoginOrder& last_login,
                              std::uint64_t now_ms) {
  if (last_login.store == 0) return;
  const DeviceKey key{user, device};
  Records::Entry& entry = records_.require(key);
  LastLogin last = entry.get() != nullptr ? *entry.get() : LastLogin();
  last.removed_at = last_login;
  remember(key, entry, last, now_ms);
}

bool LastLogins::has_removed_later(const UserId& user, const DeviceId& device, const LoginOrder& order) {
  const LastLogin* last = records_.require({user, device}).get();
  return last != nullptr && order.is_before(last->removed_at);
}

void LastLogins::remember(const DeviceKey& key, Records::Entry& entry, LastLogin last, std::uint64_t now_ms) {
  if (last.until_ms != 0) ends_.remove({last.until_ms, key.user, key.device});
  last.until_ms = now_ms + std::min(kept_ms_, UINT64_MAX - now_ms);
  records_.edit(entry) = last;
  ends_.add({last.until_ms, key.user, key.device});
}

void LastLogins::step(std::uint64_t tick_ms) {
  for (const auto& mark : ends_.due(tick_ms, ends_per_tick_max_)) {
    ends_.remove(mark);
    const DeviceKey key{mark.user, mark.device};
    const LastLogin* last = records_.require(key).get();
    // One that is damaged is not to be had for ever.
    if (last == nullptr || last->until_ms == mark.at_ms) records_.erase(key);
  }
}

}  // namespace earshot::cluster
