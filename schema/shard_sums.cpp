#include "schema/shard_sums.hpp"

#include "schema/flat.hpp"
#include "schema/record.capnp.h"
#include "schema/record_codec.hpp"

namespace earshot {

std::size_t codec::words_behind(const ShardSums& sums) {
  return flat::words_of_list<schema::ShardSums::KindSum>(sums.kinds.size());
}

void codec::write(const ShardSums& from, schema::ShardSums::Builder to) {
  auto kinds = to.initKinds(static_cast<capnp::uint>(from.kinds.size()));
  capnp::uint i = 0;
  for (const auto& [kind, sum] : from.kinds) {
    auto one = kinds[i++];
    one.setKind(kind);
    one.setCount(sum.count);
    one.setDigest(sum.digest);
  }
}

Result<ShardSums> codec::read(schema::ShardSums::Reader from) {
  ShardSums sums;
  int previous = -1;
  for (const auto kind : from.getKinds()) {
    if (kind.getKind() <= previous) return flat::corrupt("kinds", "must ascend");
    previous = kind.getKind();
    sums.kinds.emplace(kind.getKind(), ShardSums::Kind{kind.getCount(), kind.getDigest()});
  }
  return sums;
}

std::string encode(const ShardSums& sums) {
  flat::Writer writer(flat::words_of<schema::ShardSums>() + codec::words_behind(sums));
  codec::write(sums, writer.initRoot<schema::ShardSums>());
  return writer.take();
}

Result<ShardSums> decode_shard_sums(std::string_view bytes) {
  return flat::read<schema::ShardSums>(bytes, "shardSums",
                                       [](schema::ShardSums::Reader from) { return codec::read(from); });
}

}  // namespace earshot
