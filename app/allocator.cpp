#include "app/allocator.hpp"

#ifdef EARSHOT_MIMALLOC
#include <mimalloc.h>
#endif

namespace earshot::app {

void keep_freed_memory([[maybe_unused]] std::uint64_t ms) {
#ifndef EARSHOT_MIMALLOC
#elif MI_MALLOC_VERSION >= 210
  mi_option_set(mi_option_purge_delay, static_cast<long>(ms));
#else
  mi_option_set(mi_option_decommit_delay, static_cast<long>(ms));
#endif
}

void give_back_freed_memory() {
#if defined(EARSHOT_MIMALLOC) && MI_MALLOC_VERSION >= 300
  mi_collect(false);
#endif
}

}  // namespace earshot::app
