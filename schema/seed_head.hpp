#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "schema/shard_sums.hpp"

namespace earshot {

// How far the fetch of a shard's state is. As long as it stands among a shard's records, they are no state.
struct SeedHead {
  std::uint64_t seed = 0;   // which fetch; 0: no part of any was taken yet
  NodeId source;            // the node that it comes from
  std::uint64_t part = 1;   // the number of the part that is wanted next
  std::string position;     // records before this key are as the parts so far say
  bool is_through = false;  // … and there are none behind it: only what changed meanwhile is still to come
  ShardSums sums;           // of those records
  bool operator==(const SeedHead&) const = default;
};

std::string encode(const SeedHead& head);
Result<SeedHead> decode_seed_head(std::string_view bytes);

}  // namespace earshot
