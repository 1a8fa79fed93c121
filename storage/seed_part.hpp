#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.hpp"
#include "schema/shard_sums.hpp"

// A shard's state on its way to a replica that has none, part by part (docs/storage.md, "A state that is fetched").
namespace earshot::storage {

struct SeedPart {
  std::uint64_t seed = 0;    // which fetch; never 0
  std::uint64_t number = 0;  // 1, 2, 3 …; with 1 a fetch begins, whatever was wanted

  struct Range {  // keys [from, to), without the shard; an empty `to` is the end
    std::string from;
    std::string to;
    bool operator==(const Range&) const = default;
  };
  std::optional<Range> range;                                // nothing: none in this part
  std::vector<std::pair<std::string, std::string>> records;  // all that there are in the range, ascending; unsealed
  // What records of ranges that were given before are now, ascending; no value: gone.
  std::vector<std::pair<std::string, std::optional<std::string>>> changed;

  struct End {
    LogIndex applied;  // the entry that the state stands at; 0: none was ever applied
    Term term;
    ShardSums sums;  // as the source's disk has them
    bool operator==(const End&) const = default;
  };
  std::optional<End> end;  // with this part the state is whole

  bool operator==(const SeedPart&) const = default;
};

// About what a record takes in a part beside its key and its value.
inline constexpr std::size_t kSeedRecordExtraBytes = 40;

}  // namespace earshot::storage
