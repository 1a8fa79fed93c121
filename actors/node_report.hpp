#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "actors/counters.hpp"
#include "actors/disk_watch.hpp"
#include "base/histogram.hpp"
#include "base/ids.hpp"
#include "cluster/peer_reading.hpp"
#include "storage/shard_sizes.hpp"

// A node's numbers at one moment, as plain values: for whoever shows them to an operator. What has happened since the
// start, session by session, is in SessionCounters.
namespace earshot::actors {

// How much of a bounded queue, or of memory that many share, is taken.
struct Depth {
  std::uint64_t used = 0;
  std::uint64_t limit = 0;
};

struct ShardReading {
  ShardId id;
  LogIndex applied;
  std::uint64_t entries_applied = 0;
  std::uint64_t overlay_bytes = 0;
  std::uint64_t registrations = 0;
  std::uint64_t log_writes = 0;   // under way
  NodeId leader = {};             // 0: none that is known here
  Term term = {};                 //
  std::uint64_t voters = 0;       // of its group
  std::uint64_t lag_entries = 0;  // of the member furthest behind; where it leads
  storage::ShardSizes sizes = {};
  std::uint64_t held_answers = 0;  // until nodes have been told where members are
};

struct WriterReading {
  DurationHistogram::Reading commits;
  BatchHistogram::Reading batches;
  std::uint64_t failed = 0;
  std::uint64_t busy_ms = 0;  // how long the commit under way has taken so far; 0: none is
};

struct PlacesReading {
  std::size_t layers = 0;
  std::size_t cells = 0;
  std::size_t members = 0;
  bool is_complete = false;  // every shard has told where its members are
};

// What the replicas of the node have done, all groups together: as cluster::RaftCounters.
struct RaftReading {
  std::uint64_t candidacies = 0;
  std::uint64_t leaderships = 0;
  std::uint64_t leaders_known = 0;
  std::uint64_t entries_sent = 0;
  std::uint64_t entries_received = 0;
  std::uint64_t appends_refused = 0;
  std::uint64_t appends_unreadable = 0;
  std::uint64_t snapshots_sent = 0;
  std::uint64_t states_begun = 0;
  std::uint64_t states_fetched = 0;
  std::uint64_t seed_parts_sent = 0;
  std::uint64_t seed_bytes_sent = 0;
  std::uint64_t seed_parts_received = 0;
  std::uint64_t seed_bytes_received = 0;
};

struct NodeReport {
  // In bytes.
  Depth admitted;
  Depth overlay;
  Depth reads;
  Depth windows;

  bool has_disk = false;  // somebody looks after the disk's room
  DiskReading disk;
  std::uint64_t state_bytes = 0;  // pages in use in the shards' tables
  bool disk_is_tight = false;     // messages are refused
  bool disk_is_full = false;      // a write did not fit

  std::vector<ShardReading> shards;  // by id
  WriterReading log_writer;
  WriterReading state_writer;
  PlacesReading places;
  std::size_t sessions = 0;

  bool has_peers = false;  // it is a node of a cluster
  RaftReading raft;
  std::vector<cluster::PeerReading> peers;  // by id
  std::size_t open_calls = 0;               // to shards that other nodes lead
  std::size_t held_requests = 0;     // that wait for a leader, of the shard that most wait for; 0 of a node that stops
  std::size_t open_questions = 0;    // about members that several nodes have
  std::uint64_t question_bytes = 0;  // of their answers that are not whole yet
};

}  // namespace earshot::actors
