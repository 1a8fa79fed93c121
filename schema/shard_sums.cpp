#include "schema/shard_sums.hpp"

#include "schema/flat.hpp"
#include "schema/record.capnp.h"

namespace earshot {

std::string encode(const ShardSums& sums) {
  using Kind = schema::ShardSums::KindSum;
  flat::Writer writer(flat::words_of<schema::ShardSums>() + flat::words_of_list<Kind>(sums.kinds.size()));
  auto kinds = writer.initRoot<schema::ShardSums>().initKinds(static_cast<capnp::uint>(sums.kinds.size()));
  capnp::uint i = 0;
  for (const auto& [kind, sum] : sums.kinds) {
    auto to = kinds[i++];
    to.setKind(kind);
    to.setCount(sum.count);
    to.setDigest(sum.digest);
  }
  return writer.take();
}

Result<ShardSums> decode_shard_sums(std::string_view bytes) {
  return flat::read<schema::ShardSums>(bytes, "shardSums", [](schema::ShardSums::Reader from) -> Result<ShardSums> {
    ShardSums sums;
    int previous = -1;
    for (const auto kind : from.getKinds()) {
      if (kind.getKind() <= previous) return flat::corrupt("kinds", "must ascend");
      previous = kind.getKind();
      sums.kinds.emplace(kind.getKind(), ShardSums::Kind{kind.getCount(), kind.getDigest()});
    }
    return sums;
  });
}

}  // namespace earshot
