#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/ids.hpp"
#include "base/limits.hpp"
#include "cluster/membership.hpp"
#include "schema/cluster_status.hpp"

namespace earshot::actors {

// The members of a shard's group, for whoever watches: written by the shard's thread only, read by any. Of more than
// shard_members_told the rest is left out. While members change, a reader may for a moment see one with the index of
// another.
class GroupGauge {
 public:
  // `stored_by(NodeId)`: the log index through which a member has everything, 0 if that is not known.
  template <class StoredBy>
  void show(std::span<const cluster::Member> members, StoredBy&& stored_by) {
    std::size_t used = 0;
    for (const cluster::Member& member : members) {
      if (used == slots_.size()) break;
      Slot& slot = slots_[used++];
      slot.member.store(member.node.value << 1 | (member.voter ? 1 : 0), std::memory_order_relaxed);
      slot.stored.store(stored_by(member.node).value, std::memory_order_relaxed);
    }
    for (; used < slots_.size() && slots_[used].member.load(std::memory_order_relaxed) != 0; ++used)
      slots_[used].member.store(0, std::memory_order_relaxed);
  }

  [[nodiscard]] std::vector<ReplicaStatus> read() const {
    std::vector<ReplicaStatus> members;
    for (const Slot& slot : slots_) {
      const std::uint64_t member = slot.member.load(std::memory_order_relaxed);
      if (member == 0) break;
      members.push_back(
          {NodeId(member >> 1), (member & 1) != 0, LogIndex(slot.stored.load(std::memory_order_relaxed))});
    }
    return members;
  }

 private:
  struct Slot {
    std::atomic<std::uint64_t> member{0};  // its node and, in the lowest bit, whether it votes; 0: none from here on
    std::atomic<std::uint64_t> stored{0};
  };
  std::array<Slot, limits::kShardMembersTold> slots_;
};

}  // namespace earshot::actors
