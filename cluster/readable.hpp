#pragma once

#include <cstdint>

#include "base/error.hpp"

namespace earshot::cluster {

// For a read of the state by a command that is being applied. Damage is counted, and the command goes on with what was
// read until there: this replica may now differ and must be seeded again. A replica that cannot read at all cannot go
// on without diverging from the others, so the process stops.
inline void require_readable(const Status& read, std::uint64_t& damaged_met) {
  if (read.has_value()) return;
  if (read.error().code != ErrorCode::kCorrupt) {
    invariant_broken("state is readable", __FILE__, __LINE__, read.error().to_string());
  }
  ++damaged_met;
}

}  // namespace earshot::cluster
