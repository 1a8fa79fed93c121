#include "storage/seed_mark.hpp"

#include <utility>

#include "storage/keys.hpp"
#include "storage/state_store.hpp"

namespace earshot::storage {

Result<bool> is_whole(ReadTransaction& transaction, ShardId shard) {
  auto sealed = transaction.get(kStateTable, state_key(shard, keys::seed_head()));
  if (!sealed) return fail(std::move(sealed.error()));
  return !sealed->has_value();
}

Result<bool> is_whole(Environment& environment, ShardId shard) {
  auto transaction = environment.begin_read();
  if (!transaction) return fail(std::move(transaction.error()));
  return is_whole(**transaction, shard);
}

Result<SeedHead> read_seed_head(ReadTransaction& transaction, ShardId shard) {
  const std::string key = state_key(shard, keys::seed_head());
  auto sealed = transaction.get(kStateTable, key);
  if (!sealed) return fail(std::move(sealed.error()));
  if (!*sealed) return SeedHead{};
  const auto value = unseal(key, **sealed);
  if (!value) return SeedHead{};
  auto head = decode_seed_head(*value);
  return head ? std::move(*head) : SeedHead{};
}

std::shared_ptr<const FrozenOverlay> not_whole_overlay(ShardId shard) {
  auto overlay = std::make_shared<FrozenOverlay>();
  overlay->shard = shard;
  overlay->changes.put(keys::seed_head(), encode(SeedHead{}));
  return overlay;
}

}  // namespace earshot::storage
