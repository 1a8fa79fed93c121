#pragma once

#include <cstdint>

namespace earshot::app {

// Memory that is free goes back to the system only after so long, since what comes in the next second needs as much
// again, and the system zeroes every page that it gives. Call before any thread starts. Nothing happens with an
// allocator other than ours.
void keep_freed_memory(std::uint64_t ms);

// To be called every so often, by a thread that has little memory of its own: the allocator's third version is meant to
// look by itself for what has been free long enough, and misses its time for good when it looks just too soon.
void give_back_freed_memory();

}  // namespace earshot::app
