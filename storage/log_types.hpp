#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/limits.hpp"

// What Raft keeps on disk, in the terms of the paper (Ongaro, "Consensus: Bridging Theory and Practice").
namespace earshot::storage {

// A Raft group: shard 0 .. N-1, or the cluster's meta group.
using GroupId = ShardId;
// Knows the nodes of the cluster and where shards live; behind all shards in the order of keys.
inline constexpr GroupId kMetaGroup{0x7fff};
static_assert(kMetaGroup.value >= limits::kShardsMax);
// Every group that a node may have something of on its disk.
inline std::vector<GroupId> groups_of(std::uint16_t shard_count) {
  std::vector<GroupId> groups;
  for (GroupId shard(0); shard.value < shard_count; shard = shard.next()) groups.push_back(shard);
  groups.push_back(kMetaGroup);
  return groups;
}
// For people: "shard 7".
inline std::string name_of_group(GroupId group) {
  return group == kMetaGroup ? "the meta group" : "shard " + std::to_string(group.value);
}

// Immutable bytes shared by the log writer, the state machine and the messages to followers: never copied again.
using SharedBytes = std::shared_ptr<const std::string>;

enum class EntryType : std::uint8_t {
  kCommand = 1,        // a schema::CommandBatch
  kBarrier = 2,        // stored, skipped when applying
  kConfiguration = 3,  // the group's members, encoded by libraft
};

struct LogEntry {
  LogIndex index;
  Term term;
  EntryType type = EntryType::kCommand;
  SharedBytes data;
};

struct HardState {  // current term and vote (thesis, figure 3.1: persistent state on all servers)
  Term term;
  NodeId voted_for;  // 0: nobody
  bool operator==(const HardState&) const = default;
};

struct SnapshotMetadata {  // the state environment at `index` is the snapshot; this is what the log must know of it
  LogIndex index;
  Term term;
  std::string configuration;  // encoded by libraft
  LogIndex configuration_index;
  bool operator==(const SnapshotMetadata&) const = default;
};

// One group's change to its log, done in this order within one transaction: hard state, snapshot, cut, truncation,
// append.
struct LogWrite {
  GroupId group;
  std::uint64_t ticket = 0;  // chosen by the group, returned with the completion
  std::optional<HardState> hard_state;
  std::optional<SnapshotMetadata> snapshot;
  bool drop_log = false;                  // an installed snapshot replaces the group's whole log
  std::optional<LogIndex> cut_through;    // forget entries up to and with this one (below the snapshot)
  std::optional<LogIndex> truncate_from;  // forget entries from this one on (a new leader overwrites them)
  std::vector<LogEntry> entries;          // appended, contiguous

  [[nodiscard]] std::size_t bytes() const {
    std::size_t total = 64;
    for (const auto& entry : entries) total += entry.data->size() + 64;
    return total;
  }
};

// What a group finds at start.
struct LoadedLog {
  HardState hard_state;
  std::optional<SnapshotMetadata> snapshot;
  std::vector<LogEntry> entries;  // contiguous; the first is snapshot.index + 1 or lower
};

}  // namespace earshot::storage
