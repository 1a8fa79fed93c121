#include "storage/state_store.hpp"

#include <algorithm>

#include "storage/keys.hpp"
#include "storage/seal.hpp"
#include "storage/table_sums.hpp"

namespace earshot::storage {
namespace {

Result<SumsUpdate> begin_sums(WriteTransaction& transaction, const FrozenOverlay& overlay) {
  auto sums = SumsUpdate::begin(transaction, overlay.shard);
  // Damaged ones are among what a fetch mends, and not needed where an overlay brings its own.
  const bool needs_none = overlay.sums.has_value() || overlay.changes.find(keys::seed_head()) != nullptr;
  if (sums || !needs_none || sums.error().code != ErrorCode::kCorrupt) return sums;
  return SumsUpdate::begin_anew(transaction, overlay.shard);
}

Status write_overlay(WriteTransaction& transaction, const FrozenOverlay& overlay, SumsUpdate& sums) {
  std::string full_key = state_key(overlay.shard, {});
  const std::size_t prefix_bytes = full_key.size();
  std::string sealed;
  for (const Overlay::Change* change : overlay.changes.in_order()) {
    full_key.resize(prefix_bytes);
    full_key.append(change->key());
    const auto value = change->value();
    if (!value) {
      if (auto counted = sums.erase(full_key); !counted) return counted;
      if (auto erased = transaction.erase(kStateTable, full_key); !erased) return fail(std::move(erased.error()));
      continue;
    }
    begin_sealed(sealed);
    sealed.append(*value);
    finish_sealed(full_key, sealed);
    if (auto counted = sums.put(full_key, sealed); !counted) return counted;
    if (auto put = transaction.put(kStateTable, full_key, sealed); !put) return put;
  }
  if (overlay.sums) sums.replace(*overlay.sums);
  return sums.write();
}

}  // namespace

std::vector<std::string> state_tables() { return {"state"}; }

std::string state_key(ShardId shard, std::string_view key) {
  std::string full_key;
  full_key.reserve(sizeof shard.value + key.size());
  keys::append_big_endian(full_key, shard.value, sizeof shard.value);
  full_key.append(key);
  return full_key;
}

std::string end_of_shard(ShardId shard) {
  return shard.value == UINT16_MAX ? std::string() : state_key(shard.next(), {});
}

std::string seal(std::string_view full_key, std::string_view value) {
  std::string sealed;
  begin_sealed(sealed);
  sealed.append(value);
  finish_sealed(full_key, sealed);
  return sealed;
}

std::optional<std::string_view> unseal(std::string_view full_key, std::string_view sealed) {
  return open_sealed(full_key, sealed);
}

Status write_overlays(Environment& environment, std::span<const std::shared_ptr<const FrozenOverlay>> overlays,
                      WriteDamage* damage) {
  // In the order of the keys, so that every page is visited once.
  std::vector<const FrozenOverlay*> in_order;
  in_order.reserve(overlays.size());
  for (const auto& overlay : overlays) in_order.push_back(overlay.get());
  std::ranges::stable_sort(in_order, {}, [](const FrozenOverlay* overlay) { return overlay->shard; });

  auto transaction = environment.begin_write();
  if (!transaction) return fail(std::move(transaction.error()));
  for (const FrozenOverlay* overlay : in_order) {
    auto sums = begin_sums(**transaction, *overlay);
    if (!sums && sums.error().code == ErrorCode::kCorrupt && damage != nullptr) {
      damage->unwritten.push_back(overlay->shard);
      continue;
    }
    if (!sums) return fail(std::move(sums.error()));
    if (auto written = write_overlay(**transaction, *overlay, *sums); !written) return written;
    if (damage != nullptr && sums->has_met_damage()) damage->met.push_back(overlay->shard);
  }
  return (*transaction)->commit();
}

}  // namespace earshot::storage
