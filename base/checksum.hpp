#pragma once

#include <cstdint>
#include <string_view>

namespace earshot {

// XXH3, 64 bits, seed 0 (https://xxhash.com). The body checksum that travels with every message, the guard of stored
// records and the hash that places keys on shards.
std::uint64_t checksum_of(std::string_view bytes);
// The same with a seed: for guards that also bind a value to its key, and for chains of digests.
std::uint64_t checksum_of(std::string_view bytes, std::uint64_t seed);

}  // namespace earshot
