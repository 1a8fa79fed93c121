#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "schema/shard_sums.hpp"
#include "storage/environment.hpp"
#include "storage/overlay.hpp"
#include "storage/state_faults.hpp"

namespace earshot::storage {

// A batch of one shard's applied changes on its way to disk. Immutable once frozen; shared by the shard (which still
// reads it) and the state writer.
struct FrozenOverlay {
  ShardId shard;
  LogIndex applied;  // the log index that the changes lead up to; 0: to none, a state is being fetched (seed_sink.hpp)
  Overlay changes;   // keys without the shard prefix
  // What there is of the shard after them, where whoever makes the overlay knows better than what was counted so far.
  std::optional<ShardSums> sums;
};

// One shard's state as the state machine sees it: the changes applied since the last flush, over those being flushed,
// over what the state environment holds. Reads merge the three. Nothing here writes to disk: the state writer does, and
// tells.
//
//   put/erase ──► active ──freeze()──► frozen ──state writer──► LMDB ──flushed()──► (dropped)
//
// Invariant: an overlay is dropped only after its transaction is committed, so no read ever misses a change.
// Thread: owned by the shard; only the FrozenOverlay leaves it.
class ShardState {
 public:
  ShardState(Environment& environment, ShardId shard, StateFaults faults = {});

  // The value or nothing; kCorrupt when the stored record fails its checksum (it is never served).
  [[nodiscard]] Result<std::optional<std::string>> get(std::string_view key);
  void put(std::string_view key, std::string_view value);
  void erase(std::string_view key);

  // Visits live records with keys in [from, to) in ascending (descending) order until `visit` returns false. A record
  // that fails its checksum is visited with no value. `visit` must not change the state. An empty `to` means "to the
  // end". kCorrupt when the disk's tree of records is damaged: what was visited until then is right.
  using Visit = std::function<bool(std::string_view key, std::optional<std::string_view> value)>;
  [[nodiscard]] Status scan(std::string_view from, std::string_view to, const Visit& visit);
  [[nodiscard]] Status scan_back(std::string_view from, std::string_view to, const Visit& visit);

  // Unflushed bytes, active and frozen.
  [[nodiscard]] std::size_t overlay_bytes() const;
  [[nodiscard]] bool has_changes() const;  // in the active overlay
  [[nodiscard]] bool is_flushing() const;

  // Moves the active overlay to the frozen place and returns it; nullptr when one is being flushed or nothing changed.
  // `sums`: see FrozenOverlay.
  [[nodiscard]] std::shared_ptr<const FrozenOverlay> freeze(LogIndex applied, std::optional<ShardSums> sums = {});
  // The frozen overlay is committed and synced.
  void flushed();

 private:
  [[nodiscard]] const Overlay::Change* find_change(std::string_view key) const;
  template <class Direction>
  Status merged_scan(std::string_view from, std::string_view to, const Visit& visit);

  Environment& environment_;
  ShardId shard_;
  const StateFaults faults_;
  std::shared_ptr<FrozenOverlay> active_ = std::make_shared<FrozenOverlay>();
  std::shared_ptr<const FrozenOverlay> frozen_;
};

}  // namespace earshot::storage
