#include "schema/seed_head.hpp"

#include <utility>

#include "schema/flat.hpp"
#include "schema/record.capnp.h"
#include "schema/record_codec.hpp"

namespace earshot {

std::string encode(const SeedHead& head) {
  flat::Writer writer(flat::words_of<schema::SeedHead>() + flat::words_of_data(head.position.size()) +
                      flat::words_of<schema::ShardSums>() + codec::words_behind(head.sums));
  auto to = writer.initRoot<schema::SeedHead>();
  to.setSeed(head.seed);
  to.setSource(head.source.value);
  to.setPart(head.part);
  to.setPosition(flat::data(head.position));
  to.setIsThrough(head.is_through);
  codec::write(head.sums, to.initSums());
  return writer.take();
}

Result<SeedHead> decode_seed_head(std::string_view bytes) {
  return flat::read<schema::SeedHead>(bytes, "seedHead", [](schema::SeedHead::Reader from) -> Result<SeedHead> {
    SeedHead head;
    head.seed = from.getSeed();
    head.source = NodeId(from.getSource());
    head.part = from.getPart();
    head.position = flat::view(from.getPosition());
    head.is_through = from.getIsThrough();
    auto sums = codec::read(from.getSums());
    if (!sums) return fail(std::move(sums.error()));
    head.sums = std::move(*sums);
    if (head.part == 0) return flat::corrupt("part", "must not be 0");
    return head;
  });
}

}  // namespace earshot
