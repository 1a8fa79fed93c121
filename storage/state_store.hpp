#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "storage/environment.hpp"
#include "storage/shard_state.hpp"

// The state environment: one table of sealed records, one contiguous key range per shard (storage/keys.hpp).
namespace earshot::storage {

inline constexpr Table kStateTable = 0;
std::vector<std::string> state_tables();

// key with its shard in front.
std::string state_key(ShardId shard, std::string_view key);
// The first full key after everything of this shard; empty, "to the end", for the last shard.
std::string end_of_shard(ShardId shard);
// A value as it is stored: 8 bytes of checksum over the full key and the value, then the value.
std::string seal(std::string_view full_key, std::string_view value);
// The value inside; nothing when the checksum does not fit (the record must not be served).
std::optional<std::string_view> unseal(std::string_view full_key, std::string_view sealed);

struct WriteDamage {
  std::vector<ShardId> unwritten;  // their sums are damaged
  std::vector<ShardId> met;        // written, over a damaged record (SumsUpdate::has_met_damage())
};

// Writes the overlays in one synced transaction, with the sums of their shards (table_sums.hpp). On kStorageFull
// nothing was changed. Shards whose sums are damaged are left as they are, which `damage` tells; without that it is
// kCorrupt. Thread: the state writer only.
Status write_overlays(Environment& environment, std::span<const std::shared_ptr<const FrozenOverlay>> overlays,
                      WriteDamage* damage = nullptr);

}  // namespace earshot::storage
