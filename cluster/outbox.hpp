#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "cluster/machine_limits.hpp"
#include "cluster/stream_heads.hpp"
#include "schema/records.hpp"

namespace earshot::cluster {

// The sending ends of one shard's streams to the other shards: records numbered per target, kept until the target has
// committed them, bounded in total.
class Outbox {
 public:
  Outbox(storage::ShardState& state, const MachineLimits& limits);

  // Reads the heads. kCorrupt when one is damaged.
  Status load();

  [[nodiscard]] bool is_full() const { return !has_room(1); }
  [[nodiscard]] bool has_room(std::uint64_t records) const { return undrained_ + records <= records_max_; }
  // Call only while not full.
  void push(ShardId target, const OutboxRecord& record);
  // The target has committed everything up to here; what was never pushed is ignored.
  void confirm(ShardId target, std::uint64_t up_to);

  // Reads; see ShardMachine::outbox and outbox_heads.
  Result<std::vector<OutboxRecord>> records(ShardId target, std::uint64_t first, std::uint32_t limit,
                                            std::size_t bytes_max, std::uint64_t now_ms);
  [[nodiscard]] std::vector<std::pair<ShardId, OutboxHead>> undrained_heads() const;

  void write_back() { heads_.write_back(); }

 private:
  storage::ShardState& state_;
  StreamHeads<OutboxHead> heads_;
  std::uint64_t records_max_;
  std::uint64_t undrained_ = 0;  // over all targets
};

}  // namespace earshot::cluster
