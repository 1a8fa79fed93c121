#pragma once

#include <algorithm>
#include <cstdint>

namespace earshot::actors {

// The earlier of two times, where 0 means "never".
inline std::uint64_t earlier(std::uint64_t a, std::uint64_t b) { return a == 0 ? b : b == 0 ? a : std::min(a, b); }

}  // namespace earshot::actors
