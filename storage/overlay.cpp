#include "storage/overlay.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/checksum.hpp"

namespace earshot::storage {
namespace {

// Of a change beside itself and its bytes: its places in the index and in the order.
constexpr std::size_t kPlacesBytes = 96;

}  // namespace

const Overlay::Change* Overlay::find(std::string_view key) const {
  const auto found = index_.find(Wanted{key, checksum_of(key)});
  return found != index_.end() ? *found : nullptr;
}

void Overlay::change(std::string_view key, std::optional<std::string_view> value) {
  const Wanted wanted{key, checksum_of(key)};
  Change* const change = *index_.lazy_emplace(wanted, [&](const auto& put_there) { put_there(make(wanted)); });
  change->value_ = value ? keep(*value) : nullptr;
  change->value_bytes_ = value ? static_cast<std::uint32_t>(value->size()) : 0;
}

Overlay::Change* Overlay::make(const Wanted& wanted) {
  void* const place = memory_.allocate(sizeof(Change) + wanted.key.size(), alignof(Change));
  auto* const change = ::new (place) Change;
  change->hash_ = wanted.hash;
  change->key_bytes_ = static_cast<std::uint32_t>(wanted.key.size());
  std::memcpy(static_cast<char*>(place) + sizeof(Change), wanted.key.data(), wanted.key.size());
  unordered_.push_back(change);
  bytes_ += sizeof(Change) + kPlacesBytes + wanted.key.size();
  return change;
}

const char* Overlay::keep(std::string_view value) {
  auto* const kept = static_cast<char*>(memory_.allocate(value.size() + 1, 1));  // an empty one has a place, too
  value.copy(kept, value.size());
  bytes_ += value.size();
  return kept;
}

const Overlay::Order& Overlay::in_order() const {
  const std::lock_guard lock(mutex_);
  std::ranges::sort(unordered_, ByKey());
  for (const Change* change : unordered_) order_.insert(order_.end(), change);
  unordered_.clear();
  return order_;
}

}  // namespace earshot::storage
