#pragma once

#include <cstdint>
#include <vector>

#include "storage/environment.hpp"

namespace earshot::storage {

// Records of a shard, by kind: those that somebody would call its size.
struct ShardSizes {
  std::uint64_t mailboxes = 0;
  std::uint64_t messages = 0;
  std::uint64_t positions = 0;
  std::uint64_t outbox = 0;  // on their way to other shards
  bool operator==(const ShardSizes&) const = default;
};

// What the tables of the shards 0 .. shard_count - 1 hold, as counted with their last flush (table_sums.hpp): one small
// record is read of each. Nothing of a shard that was not written yet, or whose count cannot be read. Any thread.
std::vector<ShardSizes> shard_sizes(Environment& environment, std::uint16_t shard_count);

}  // namespace earshot::storage
