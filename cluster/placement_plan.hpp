#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/ids.hpp"
#include "schema/meta.hpp"

namespace earshot::cluster {

// Which nodes should have a replica of each shard, and who of them should lead it, given where they are now.
//
//  * `replicas` for each shard, or as many as there are nodes.
//  * Even: two nodes differ by at most one replica, and by at most one shard that they should lead if the rows allow
//  it.
//  * With few replicas made anew: as few as that takes, or, rarely, one or two more. Then with few leaders changed.
//  * The same arguments give the same plan. What `current` says of nodes that are not in `nodes` counts as gone.
//
// `nodes`: all different; none: the rows are empty. `current`: any number of rows. Pure. At the limits of both, a
// thousand shards and dozens of nodes, it takes some tens of milliseconds.
Placement plan_placement(std::span<const NodeId> nodes, std::uint16_t shard_count, std::size_t replicas,
                         const Placement& current);

// Who should vote in the meta group: those who do, as long as they are among `nodes`, then by their ids, up to
// kMetaVotersMax. Ascending.
std::vector<NodeId> plan_meta_voters(std::span<const NodeId> nodes, std::span<const NodeId> voters);

}  // namespace earshot::cluster
