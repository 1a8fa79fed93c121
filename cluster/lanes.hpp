#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "base/stream.hpp"
#include "cluster/machine_faults.hpp"
#include "cluster/machine_limits.hpp"
#include "cluster/state_cache.hpp"
#include "schema/messages.hpp"
#include "schema/records.hpp"

namespace earshot::cluster {

// One producer's stream into this shard, in memory. Only on a flush does it become a LaneRecord.
struct Lane {
  using Stream = StreamReceiver<MessageId, KnownAnswer>;

  UserId user;
  DeviceId device;
  Stream stream{limits::kLaneWindowMax};
  std::uint64_t last_used_ms = 0;
};

struct LaneTraits {
  using Key = ProducerId;
  using Value = Lane;
  using Hash = std::hash<ProducerId>;
  static std::string key_of(ProducerId producer);
  static Result<Lane> decode(std::string_view bytes);
  static std::string encode(const Lane& lane);
  static std::size_t bytes_of(const Lane& lane);
};

// The lanes of one shard: who may use them, and what becomes of an item by its number. Whether its content is stored or
// refused is the caller's to decide.
class Lanes {
 public:
  Lanes(storage::ShardState& state, const MachineLimits& limits, const MachineFaults& faults = {});

  // One command's way through its producer's lane. Valid until the next visit.
  class Visit {
   public:
    // The answer to an item that is not to be taken: a repeat gets its first answer, everything else is held. Nothing:
    // the item is the expected one; take it and record(), or hold it, which leaves the lane where it is.
    [[nodiscard]] std::optional<SendAnswer> judge(const OutgoingMessage& message);
    // The expected item has its final answer and uses up its number.
    void record(MessageId id, KnownAnswer answer, std::uint64_t now_ms);

   private:
    friend class Lanes;
    using Entry = StateCache<LaneTraits>::Entry;
    Visit(Lanes& lanes, Entry& entry, ProducerId producer, const UserId& user, const DeviceId& device)
        : lanes_(lanes), entry_(entry), producer_(producer), user_(user), device_(device) {}

    void release(LaneNumber answered_below);
    [[nodiscard]] bool is_foreign() const;

    Lanes& lanes_;
    Entry& entry_;
    ProducerId producer_;
    const UserId& user_;
    const DeviceId& device_;
  };

  // `user` and `device` must outlive the visit. Producer 0 (none) has no lane: all its items are held.
  [[nodiscard]] Visit visit(ProducerId producer, const UserId& user, const DeviceId& device);

  // The producer is never used again.
  void forget(ProducerId producer) { cache_.erase(producer); }

  void write_back() { cache_.write_back(); }
  [[nodiscard]] std::size_t dirty_bytes() const { return cache_.dirty_bytes(); }
  [[nodiscard]] std::uint64_t damaged_met() const { return cache_.damaged_met(); }

 private:
  StateCache<LaneTraits> cache_;
  std::size_t window_max_;
  const MachineFaults faults_;
};

}  // namespace earshot::cluster
