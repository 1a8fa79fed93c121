#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/ids.hpp"
#include "storage/disk_space.hpp"
#include "storage/environment.hpp"
#include "storage/log_store.hpp"
#include "storage/node_identity.hpp"

namespace earshot::storage {

// Everything a node keeps on disk:  DIR/identity (checksummed record, written by rename, synced), DIR/log/, DIR/state/,
// DIR/ballast (disk_space.hpp), DIR/nodes (whom a cluster named when this node joined), and DIR/lock (held while open,
// so that two processes never open one directory).
struct DataDirectory {
  class Lock;
  std::shared_ptr<Lock> lock;  // first, so that it is given up last
  NodeIdentity identity;
  std::unique_ptr<Environment> log_environment;
  std::unique_ptr<Environment> state_environment;
  std::unique_ptr<LogStore> log;
  std::unique_ptr<DiskSpace> space;
  std::string path;
  bool sums_were_counted = false;  // it was made before records were counted (format 1): they are from now on

  // How a node is to start. What that makes of a directory:
  //
  //              nothing there   kAlone      kJoining   founded here   joined
  //   kAlone     makes it        opens it    refused    refused        refused
  //   kBootstrap makes it        kFounding   refused    opens it       refused
  //   kJoin      kJoining        refused     goes on    refused        opens it
  //   kAgain     refused         kFounding   refused    opens it       opens it
  enum class Start : std::uint8_t {
    kAlone,      // without peers
    kBootstrap,  // as the first node of a cluster
    kJoin,       // with a cluster that is there
    kAgain,      // with peers, and told neither
  };

  // As it was when it was closed: kAgain for a node of a cluster, else kAlone. What keeps the identity from being read
  // is for open() to tell.
  static Start usual_start(const std::string& path);

  // Opens DIR. kConflict: another process has it open. kInvalidArgument(shards): it was made with another shard count
  // (`shard_count` 0: whatever it has; then nothing is made). kInvalidArgument(data): the place holds something else,
  // or nothing. kInvalidArgument(start): it is not for a node that starts so; the detail says why, and what to do.
  // kCorrupt, kUnsupportedVersion: the identity is damaged, lost or of a newer format. kCorrupt also when what
  // everything else is found by is damaged (LogStore::open; of a node alone check_sums, of a cluster each replica looks
  // at its own): `earshot verify` says what is lost. `random` seeds a new cluster id, or the nonce to join with; with
  // kJoin the shard count is not looked at.
  static Result<DataDirectory> open(const std::string& path, Start start, std::uint16_t shard_count,
                                    std::uint64_t random);
  static Result<DataDirectory> open(const std::string& path, std::uint16_t shard_count, std::uint64_t random) {
    return open(path, Start::kAlone, shard_count, random);
  }

  // Only identity, lock and path are there: finish_join() comes first. The nonce stays the same until then, however
  // often the process ends before.
  [[nodiscard]] bool is_joining() const { return identity.place == NodeIdentity::Place::kJoining; }
  // The cluster has given the node an identity: keeps it and opens the rest. When that fails, nothing but a new start
  // is left to do.
  Status finish_join(std::uint64_t cluster_id, NodeId node, std::uint16_t shard_count);

  [[nodiscard]] bool is_founding() const { return identity.place == NodeIdentity::Place::kFounding; }
  // All groups have their beginning on the disk. After a crash before that, they begin once more.
  Status founded();

  // The lock and the identity of an existing directory alone, for those who look at damage that keeps a node from
  // starting. The rest stays empty.
  static Result<DataDirectory> open_identity(const std::string& path);
};

}  // namespace earshot::storage
