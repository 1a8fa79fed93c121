#include "actors/requests.hpp"

#include <algorithm>

namespace earshot::actors {
namespace {
constexpr std::size_t kClosedSlotsMax = 64;  // closed ones kept behind an open one beyond as many as are open
}

RequestId Requests::open(RequestKind kind, std::uint64_t now_ms) {
  slots_.push_back(Slot{++last_id_, now_ms + timeout_ms_, kind, true});
  ++open_;
  return last_id_;
}

bool Requests::close(RequestId id, RequestKind kind) {
  const auto slot = std::ranges::lower_bound(slots_, id, {}, &Slot::id);
  if (slot == slots_.end() || slot->id != id || slot->kind != kind || !slot->open) return false;
  slot->open = false;
  --open_;
  drop_closed();
  return true;
}

std::optional<Requests::Expired> Requests::expire(std::uint64_t now_ms) {
  if (slots_.empty() || slots_.front().deadline_ms > now_ms) return std::nullopt;
  const Expired expired{slots_.front().id, slots_.front().kind};
  close(expired.id, expired.kind);
  return expired;
}

void Requests::drop_closed() {
  while (!slots_.empty() && !slots_.front().open) slots_.pop_front();
  // One slow shard must not make the queue keep every answered request of the others.
  if (slots_.size() > 2 * open_ + kClosedSlotsMax) {
    slots_.erase_if([](const Slot& slot) { return !slot.open; });
  }
}

}  // namespace earshot::actors
