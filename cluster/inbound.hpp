#pragma once

#include <cstdint>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "cluster/stream_heads.hpp"
#include "schema/records.hpp"
#include "storage/keys.hpp"

namespace earshot::cluster {

// The receiving ends of the other shards' outbox streams into this one. A repeat needs no answer of its own, so that
// one number per origin is the whole memory.
class Inbound {
 public:
  explicit Inbound(storage::ShardState& state) : heads_(state, &storage::keys::inbound_head, &decode_inbound_head) {}

  // Reads the heads. kCorrupt when one is damaged.
  Status load() { return heads_.load(); }

  // Whether the record is the next one of its stream, which is then taken. A higher epoch begins the stream again at 1;
  // a lower one is history that a restore undid, and is ignored.
  bool take(ShardId origin, Epoch epoch, std::uint64_t number) {
    InboundHead head = heads_.get(origin);
    if (epoch < head.epoch) return false;
    if (epoch > head.epoch) head = InboundHead{epoch, 0};
    if (number != head.last + 1) return false;
    head.last = number;
    heads_.set(origin, head);
    return true;
  }

  // The last number taken of this origin in this epoch; 0 in an epoch never seen.
  [[nodiscard]] std::uint64_t last(ShardId origin, Epoch epoch) const {
    const InboundHead head = heads_.get(origin);
    return epoch > head.epoch ? 0 : head.last;
  }

  void write_back() { heads_.write_back(); }

 private:
  StreamHeads<InboundHead> heads_;
};

}  // namespace earshot::cluster
