#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/ids.hpp"
#include "storage/disk_space.hpp"
#include "storage/environment.hpp"
#include "storage/log_store.hpp"

namespace earshot::storage {

// A node's identity, written once when its data directory is made.
struct NodeIdentity {
  std::uint32_t format = 2;      // of the directory's layout; a newer one is refused with kUnsupportedVersion
  std::uint64_t cluster_id = 0;  // random
  NodeId node{1};
  std::uint16_t shard_count = 0;  // fixed for the cluster's life
};

// Everything a node keeps on disk:  DIR/identity (checksummed record, written by rename, synced), DIR/log/, DIR/state/,
// DIR/ballast (disk_space.hpp), and DIR/lock (held while open, so that two processes never open one directory).
struct DataDirectory {
  class Lock;
  std::shared_ptr<Lock> lock;  // first, so that it is given up last
  NodeIdentity identity;
  std::unique_ptr<Environment> log_environment;
  std::unique_ptr<Environment> state_environment;
  std::unique_ptr<LogStore> log;
  std::unique_ptr<DiskSpace> space;
  bool sums_were_counted = false;  // it was made before records were counted (format 1): they are from now on

  // Opens DIR, making it when absent. kConflict: another process has it open. kInvalidArgument(shards): it was made
  // with another shard count (`shard_count` 0: whatever it has; then nothing is made). kInvalidArgument(data): the
  // place holds something else. kCorrupt, kUnsupportedVersion: the identity is damaged, lost or of a newer format.
  // kCorrupt
  // also when what everything else is found by is damaged (LogStore::open, check_sums): `earshot verify` says what is
  // lost. `random` seeds a new cluster id.
  static Result<DataDirectory> open(const std::string& path, std::uint16_t shard_count, std::uint64_t random);

  // The lock and the identity of an existing directory alone, for those who look at damage that keeps a node from
  // starting. The rest stays empty.
  static Result<DataDirectory> open_identity(const std::string& path);
};

}  // namespace earshot::storage
