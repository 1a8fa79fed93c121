#include "actors/requests.hpp"

#include <algorithm>
#include <utility>

#include "actors/earlier.hpp"
#include "base/backoff.hpp"
#include "base/limits.hpp"

namespace earshot::actors {
namespace {
constexpr std::size_t kClosedSlotsMax = 64;  // closed ones kept behind an open one beyond as many as are open
constexpr BackoffPolicy kAskAgain{limits::kAskAgainFirstMs, limits::kAskAgainMaxMs};
}  // namespace

RequestId Requests::open(RequestKind kind, std::uint64_t now_ms) {
  slots_.push_back(Slot{++last_id_, now_ms + timeout_ms_, kind, true});
  ++open_;
  return last_id_;
}

bool Requests::close(RequestId id, RequestKind kind) {
  if (const auto slot = find(id, kind); slot != slots_.end()) return close(slot), true;
  const auto repeated = find_repeated(id, kind);
  if (repeated == repeated_.end() || repeated->due_ms != 0) return false;
  return close(repeated), true;
}

bool Requests::put_off(RequestId id, RequestKind kind, std::uint64_t now_ms, Random& random) {
  if (const auto slot = find(id, kind); slot != slots_.end()) {
    repeated_.push_back(Repeated{id, slot->deadline_ms, now_ms + backoff_ms(kAskAgain, 1, random), 1, kind});
    return close(slot), true;
  }
  const auto repeated = find_repeated(id, kind);
  if (repeated == repeated_.end() || repeated->due_ms != 0) return false;
  repeated->due_ms = now_ms + backoff_ms(kAskAgain, ++repeated->attempts, random);
  return true;
}

std::optional<Requests::Again> Requests::next_again(std::uint64_t now_ms) {
  for (Repeated& one : repeated_) {
    if (one.due_ms == 0 || one.due_ms > now_ms) continue;
    one.due_ms = 0;
    const RequestId was = std::exchange(one.id, ++last_id_);
    return Again{was, one.id, one.kind};
  }
  return std::nullopt;
}

std::optional<Requests::Expired> Requests::expire(std::uint64_t now_ms) {
  const auto late = std::ranges::find_if(repeated_, [now_ms](const Repeated& r) { return r.deadline_ms <= now_ms; });
  if (late != repeated_.end()) {
    const Expired expired{late->id, late->kind};
    close(late);
    return expired;
  }
  if (slots_.empty() || slots_.front().deadline_ms > now_ms) return std::nullopt;
  const Expired expired{slots_.front().id, slots_.front().kind};
  close(slots_.begin());
  return expired;
}

std::uint64_t Requests::wake_at() const {
  std::uint64_t at_ms = slots_.empty() ? 0 : slots_.front().deadline_ms;
  for (const Repeated& one : repeated_) at_ms = earlier(at_ms, earlier(one.due_ms, one.deadline_ms));
  return at_ms;
}

Requests::Slots::iterator Requests::find(RequestId id, RequestKind kind) {
  const auto slot = std::ranges::lower_bound(slots_, id, {}, &Slot::id);
  const bool is_it = slot != slots_.end() && slot->id == id && slot->kind == kind && slot->open;
  return is_it ? slot : slots_.end();
}

std::vector<Requests::Repeated>::iterator Requests::find_repeated(RequestId id, RequestKind kind) {
  return std::ranges::find_if(repeated_, [&](const Repeated& one) { return one.id == id && one.kind == kind; });
}

void Requests::close(Slots::iterator slot) {
  slot->open = false;
  --open_;
  while (!slots_.empty() && !slots_.front().open) slots_.pop_front();
  // One slow shard must not make the queue keep every answered request of the others.
  if (slots_.size() > 2 * open_ + kClosedSlotsMax) {
    slots_.erase_if([](const Slot& one) { return !one.open; });
  }
}

void Requests::close(std::vector<Repeated>::iterator repeated) {
  repeated_.erase(repeated);
  if (repeated_.empty()) std::vector<Repeated>().swap(repeated_);  // there is one for each of many idle sessions
}

}  // namespace earshot::actors
