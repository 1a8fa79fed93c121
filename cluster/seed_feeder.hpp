#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "base/random.hpp"
#include "cluster/seed_message.hpp"
#include "storage/seed_source.hpp"

namespace earshot::cluster {

// The leader's end of every fetch of one shard's state: answers requests, and remembers for each replica how far it is.
// Requests may come late, doubled or never. Its owner asks it only while it leads, and lets the flushes be known.
//
// Thread: owned by the shard.
class SeedFeeder {
 public:
  // `random` seeds the names of fetches, which no other feeder may give, ever.
  SeedFeeder(storage::Environment& environment, ShardId shard, std::uint64_t random,
             const storage::SeedLimits& limits = {}, const storage::SeedFaults& faults = {});

  struct Answer {
    std::string bytes;            // a SeedMessage
    std::optional<Error> damage;  // why this node has no state to give; kCorrupt names the record
  };
  // Nothing: the request was answered long ago.
  [[nodiscard]] std::optional<Answer> answer(NodeId from, std::uint64_t ask, const SeedRequest& request,
                                             std::uint64_t now_ms);

  // As in SeedSource.
  void flushing(bool is_under_way);
  void note_flushed(const storage::FrozenOverlay& overlay);
  // Somebody needs one more part that must meet the disk at rest: the next freeze may wait for it, for a moment.
  [[nodiscard]] bool wants_rest() const;

  // Forgets those that have not asked for kSeedIdleMs. When that will be next; 0: there are none.
  void forget_idle(std::uint64_t now_ms);
  [[nodiscard]] std::uint64_t due_at_ms() const;
  // The replica leads no more.
  void clear() { feeds_.clear(); }
  [[nodiscard]] std::size_t feeds() const { return feeds_.size(); }

 private:
  struct Feed {
    storage::SeedSource source;
    std::uint64_t answered_ask = 0;  // what its last part was the answer to
  };
  Feed* begin(NodeId node, std::uint64_t now_ms);

  storage::Environment& environment_;
  const ShardId shard_;
  const storage::SeedLimits limits_;
  const storage::SeedFaults faults_;
  Random random_;
  bool is_flushing_ = false;
  std::map<NodeId, Feed> feeds_;
};

// What a replica answers that does not lead.
std::string not_leader_answer(std::uint64_t ask);

}  // namespace earshot::cluster
