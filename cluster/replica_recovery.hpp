#pragma once

#include <optional>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "cluster/membership.hpp"
#include "cluster/replica.hpp"
#include "cluster/replica_log.hpp"
#include "storage/log_types.hpp"

namespace earshot::cluster {

// Where a replica takes up its work.
struct Recovered {
  storage::HardState hard_state;
  ReplicaLog log;
  // To be synced before any message leaves: the first entry of a new group, the new term of a sole voter, or the
  // removal of entries that do not join the snapshot.
  std::optional<storage::LogWrite> first_write;
  LogIndex synced;                  // without first_write's entries
  std::optional<LogIndex> applied;  // where the state stands; none: it has to be fetched
};

// Judges what the disk holds. kCorrupt, naming what does not join:
//  * entries with a hole, terms that go back or exceed the current one, a first entry that is no configuration;
//  * a state older than the snapshot it should be;
//  * a state ahead of the log of a sole voter: entries were lost and nobody can give them again. With other voters that
//    is what a crash in the middle of a snapshot install leaves behind: the log is taken up as it is, the leader sends
//    the rest, and what the state has already is not applied again;
//  * a sole voter without a state, unless its log has everything from entry 1 on.
// Entries that end below the snapshot, or that have another term at its index, were superseded by an install and are
// dropped.
//
// A sole voter gets a new term: libraft would lead again in the old one, and entries that a crash took back would share
// (index, term) with the new ones that take their place.
Result<Recovered> recover(const Replica::Options& options, storage::LoadedLog loaded, std::optional<LogIndex> applied);

}  // namespace earshot::cluster
