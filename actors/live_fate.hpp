#pragma once

#include <algorithm>
#include <cstdint>

#include "actors/outstanding.hpp"

namespace earshot::actors {

// What a session that lives can add to the life of a message at its device. `entry`: the message in its window, null
// when it is not there. `now_ms` is monotonic; what people read is told by the wall clock.
inline DeviceFate live_fate_of(const DeviceId& device, const OutstandingEntry* entry, std::uint64_t now_ms,
                               std::uint64_t wall_ms) {
  DeviceFate fate;
  fate.device = device;
  fate.connected = true;
  if (entry == nullptr || entry->attempts == 0) return fate;
  const auto wall_of = [&](std::uint64_t ms) { return wall_ms - std::min(wall_ms, now_ms - ms); };
  fate.attempts = entry->attempts;
  fate.first_delivered_ms = wall_of(entry->first_delivered_ms);
  fate.last_delivered_ms = wall_of(entry->last_delivered_ms);
  return fate;
}

}  // namespace earshot::actors
