#pragma once

#include <cstdint>

namespace earshot::app {

// Memory that is free goes back to the system only after so long, since what comes in the next second needs as much
// again, and the system zeroes every page that it gives. Call before any thread starts. Nothing happens with an
// allocator other than ours.
void keep_freed_memory(std::uint64_t ms);

}  // namespace earshot::app
