#include "storage/shard_sizes.hpp"

#include "base/ids.hpp"
#include "storage/table_sums.hpp"

namespace earshot::storage {

std::vector<ShardSizes> shard_sizes(Environment& environment, std::uint16_t shard_count) {
  std::vector<ShardSizes> sizes(shard_count);
  auto transaction = environment.begin_read();
  if (!transaction) return sizes;
  for (std::uint16_t shard = 0; shard < shard_count; ++shard) {
    const auto sums = read_sums(**transaction, ShardId(shard));
    if (!sums || !*sums) continue;
    const auto count_of = [&](char letter) -> std::uint64_t {
      const auto found = (*sums)->kinds.find(static_cast<std::uint8_t>(letter));
      return found == (*sums)->kinds.end() ? 0 : found->second.count;
    };
    sizes[shard] = {count_of('H'), count_of('M'), count_of('G'), count_of('O')};
  }
  return sizes;
}

}  // namespace earshot::storage
