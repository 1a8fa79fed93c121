#pragma once

#include <memory>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "schema/seed_head.hpp"
#include "storage/environment.hpp"
#include "storage/shard_state.hpp"

// The record that stands among a shard's from the first to the last step of a fetch (key B of storage/keys.hpp): as
// long as it does, the shard has no state.
namespace earshot::storage {

// Whether the shard's records are its state: no fetch has begun there that has not ended. Damage to the record is no
// failure: it is there. kCorrupt, kInternal when the disk cannot be read.
Result<bool> is_whole(ReadTransaction& transaction, ShardId shard);
Result<bool> is_whole(Environment& environment, ShardId shard);

// How far the fetch is; a head that cannot be read, or is not there, is one of a fetch that has not begun.
Result<SeedHead> read_seed_head(ReadTransaction& transaction, ShardId shard);

// An overlay that makes the shard one without a state, to be written before anything relies on that: before the log is
// told of a snapshot that is yet to be fetched, or because the state is damaged. A fetch that is under way begins anew.
std::shared_ptr<const FrozenOverlay> not_whole_overlay(ShardId shard);

}  // namespace earshot::storage
