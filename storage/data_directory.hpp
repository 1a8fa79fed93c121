#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/ids.hpp"
#include "storage/environment.hpp"
#include "storage/log_store.hpp"

namespace earshot::storage {

// A node's identity, written once when its data directory is made.
struct NodeIdentity {
  std::uint32_t format = 1;      // of the directory's layout; a newer one is refused with kUnsupportedVersion
  std::uint64_t cluster_id = 0;  // random
  NodeId node{1};
  std::uint16_t shard_count = 0;  // fixed for the cluster's life
};

// Everything a node keeps on disk:  DIR/identity (checksummed record, written by rename, synced), DIR/log/, DIR/state/,
// and DIR/lock (held while open, so that two processes never open one directory).
struct DataDirectory {
  class Lock;
  std::shared_ptr<Lock> lock;  // first, so that it is given up last
  NodeIdentity identity;
  std::unique_ptr<Environment> log_environment;
  std::unique_ptr<Environment> state_environment;
  std::unique_ptr<LogStore> log;

  // Opens DIR, making it when absent. kConflict: another process has it open. kInvalidArgument(shards): it was made
  // with another shard count (`shard_count` 0: whatever it has; then nothing is made). kInvalidArgument(data): the
  // place holds something else. kCorrupt, kUnsupportedVersion: the identity is damaged, lost or of a newer format.
  // `random` seeds a new cluster id.
  static Result<DataDirectory> open(const std::string& path, std::uint16_t shard_count, std::uint64_t random);
};

}  // namespace earshot::storage
