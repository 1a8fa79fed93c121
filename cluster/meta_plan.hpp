#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/ids.hpp"
#include "cluster/group_keeper.hpp"
#include "cluster/replica.hpp"
#include "schema/meta.hpp"

// What the leader of the meta group does by itself, as pure functions of the state.
namespace earshot::cluster {

// What libraft knows a node by; its real addresses stand in the meta state.
std::string member_address(NodeId node);

// Who should be a member of the meta group: every node that is not removed, of which the first few vote. Whoever leads
// stays the leader.
std::vector<WantedMember> wanted_meta_members(const MetaState& state, std::span<const Member> members, NodeId self);

// Which members a shard's group should have, who should lead it first; empty: not known.
std::vector<WantedMember> wanted_shard_members(const MetaState& state, ShardId shard);

// Plans once for each version of the state.
class MetaPlanner {
 public:
  // The command that is due, if any: a node that has joined and follows the group is up, then all that are up have
  // their share of the shards. `follows`: whether a node is a member of the group and has what the leader has.
  [[nodiscard]] std::optional<MetaCommand> next(const MetaState& state, const std::function<bool(NodeId)>& follows);
  void reset() { settled_version_ = 0; }

 private:
  std::uint64_t settled_version_ = 0;  // for which there is nothing to plan
};

}  // namespace earshot::cluster
