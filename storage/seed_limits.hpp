#pragma once

#include <cstddef>

#include "base/limits.hpp"

namespace earshot::storage {

// Sizes of a fetch, which tests make small.
struct SeedLimits {
  std::size_t part_bytes_max = limits::kSeedPartBytesMax;
  std::size_t dirty_bytes_max = limits::kSeedDirtyBytesMax;
  std::size_t overlay_bytes_max = limits::kSeedOverlayBytesMax;
};

// As storage/state_faults.hpp: rules that a mutation test may switch off. All false in the product.
struct SeedFaults {
  bool forgets_flushed = false;      // what is flushed behind the position is not given again
  bool ends_while_flushing = false;  // the last part does not wait for the flush that is under way
  bool unmarks_early = false;        // the shard passes for whole when all ranges have been given
};

}  // namespace earshot::storage
