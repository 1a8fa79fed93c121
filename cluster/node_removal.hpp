#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "schema/cluster_status.hpp"
#include "schema/meta.hpp"

namespace earshot::cluster {

// What the leader of the meta group knows when it is asked to remove a node.
struct RemovalFacts {
  NodeId self;
  const MetaState& state;
  std::vector<NodeId> meta_voters;
  // As the replicas of this node know their groups. Of one that it is no member of only the placement tells.
  const std::vector<ShardStatus>& shards;
  std::function<bool(NodeId)> is_heard;      // now, as a member of the meta group; or it is this node
  std::function<bool(NodeId)> may_be_there;  // it has a link to this node, or was heard within some seconds
};

// The command that takes `node` out of the cluster; nothing when it was removed before. A node is removed once it is
// gone, and where every group that it belongs to has a majority without it: that majority is what brings the group to
// its new members. Refusals, with the field:
//  * kInvalidArgument(node): 0. kNotFound(node): there never was such a node.
//  * kConflict(node): it is the only one, or it is there.
//  * kConflict(shards), kConflict(meta): a group would be left without a majority of its voters, and for ever.
//  * kConflict(shards): nobody leads a shard, which may need what the node has.
// Pure.
Result<std::optional<SetNodeState>> judge_removal(NodeId node, const RemovalFacts& facts);

}  // namespace earshot::cluster
