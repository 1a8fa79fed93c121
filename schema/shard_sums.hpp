#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace earshot {

// What a shard has on disk, counted: how many records of each kind there are, and the sum of the checksums that stand
// before their values, modulo 2^64. A sum does not care for order, so that a change of one record costs one addition.
struct ShardSums {
  struct Kind {
    std::uint64_t count = 0;
    std::uint64_t digest = 0;
    bool operator==(const Kind&) const = default;
  };
  std::map<std::uint8_t, Kind> kinds;  // by the first letter of the records' keys; none with a count of 0
  bool operator==(const ShardSums&) const = default;
};

std::string encode(const ShardSums& sums);
Result<ShardSums> decode_shard_sums(std::string_view bytes);

}  // namespace earshot
