#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "actors/node_report.hpp"

namespace earshot::gateway {

// What waits at one of a gateway's threads.
struct ThreadReading {
  actors::Depth events;   // of sessions, for connections
  actors::Depth reading;  // bytes of messages that are half read
};

// The door's numbers at one moment. What has happened since the start is in GatewayCounters and CallStats.
struct GatewayReport {
  std::uint64_t accepted = 0;  // connections, since the start
  actors::Depth connections;
  actors::Depth answers;  // bytes of large answers until they are written
  std::vector<ThreadReading> threads;
};

}  // namespace earshot::gateway
