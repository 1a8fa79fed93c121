#pragma once

#include "actors/feed_faults.hpp"
#include "cluster/machine_faults.hpp"
#include "cluster/replica_faults.hpp"
#include "storage/state_faults.hpp"

namespace earshot::actors {

// As cluster/replica_faults.hpp: rules that a mutation test may switch off in a whole node. All false in the product.
struct NodeFaults {
  bool takes_altered_bodies = false;     // a session does not test the checksum of what it is sent
  bool takes_late_logins = false;        // logins have the order in which they arrive, whatever the client says
  bool tells_moves_late = false;         // a shard answers a change of places before it tells of it
  bool keeps_new_leaders_quiet = false;  // sessions are not told that their shard has another leader
  FeedFaults feeds;
  cluster::ReplicaFaults replica;
  cluster::MachineFaults machine;
  storage::StateFaults state;
};

}  // namespace earshot::actors
