#include "auth/login_throttle.hpp"

#include <algorithm>
#include <string>

namespace earshot::auth {

std::size_t LoginThrottle::HashOrigin::operator()(const Origin& origin) const noexcept {
  return std::hash<std::uint64_t>{}(origin.prefix ^ (origin.v6 ? 0x9e3779b97f4a7c15 : 0));
}

void LoginThrottle::forget(Entry& entry, std::uint64_t now_ms) const {
  const std::uint64_t forgotten = (now_ms - entry.counted_at_ms) / limits_.forget_ms;
  if (forgotten == 0) return;
  entry.failures -= static_cast<std::uint32_t>(std::min<std::uint64_t>(forgotten, entry.failures));
  entry.counted_at_ms += forgotten * limits_.forget_ms;
}

std::uint64_t LoginThrottle::delay_ms(const Entry& entry) const {
  if (entry.failures <= limits_.failures_free) return 0;
  const std::uint32_t doublings = std::min(entry.failures - limits_.failures_free - 1, 32u);
  return std::min(limits_.delay_first_ms << doublings, limits_.delay_max_ms);
}

Result<std::uint64_t> LoginThrottle::admit(const Origin& origin, std::uint64_t now_ms) {
  const auto found = entries_.find(origin);
  if (found == entries_.end()) return 0;
  Entry& entry = found->second;
  forget(entry, now_ms);
  const std::uint64_t at_ms = std::max(now_ms, entry.next_login_at_ms);
  const std::uint64_t wait_ms = at_ms - now_ms;
  if (wait_ms > limits_.wait_max_ms) {
    Error error{ErrorCode::kOverloaded, "login", "too many failed logins from this address", 0, 0};
    error.retry_after_ms = static_cast<std::uint32_t>(wait_ms);
    return fail(std::move(error));
  }
  entry.next_login_at_ms = at_ms + delay_ms(entry);
  return wait_ms;
}

std::uint64_t LoginThrottle::failed(const Origin& origin, std::uint64_t now_ms) {
  auto found = entries_.find(origin);
  if (found == entries_.end()) {
    if (entries_.size() >= limits_.origins_max) {
      entries_.erase(by_last_failure_.front());
      by_last_failure_.pop_front();
    }
    found = entries_.emplace(origin, Entry{}).first;
    found->second.counted_at_ms = now_ms;
    found->second.place = by_last_failure_.insert(by_last_failure_.end(), origin);
  }
  Entry& entry = found->second;
  by_last_failure_.splice(by_last_failure_.end(), by_last_failure_, entry.place);
  forget(entry, now_ms);
  if (entry.failures == 0) entry.counted_at_ms = now_ms;
  entry.failures = std::min(entry.failures + 1, limits_.failures_max);
  entry.next_login_at_ms = std::max(entry.next_login_at_ms, now_ms + delay_ms(entry));
  return entry.next_login_at_ms > now_ms ? entry.next_login_at_ms - now_ms : 0;
}

}  // namespace earshot::auth
