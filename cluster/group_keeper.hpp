#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/backoff.hpp"
#include "base/ids.hpp"
#include "base/random.hpp"
#include "cluster/replica.hpp"

namespace earshot::cluster {

struct WantedMember {
  NodeId node;
  bool voter = true;
  bool operator==(const WantedMember&) const = default;
};

// A Raft group as its leader sees it.
struct GroupView {
  NodeId self;                  // who leads
  std::vector<Member> members;  // as of the newest configuration
  bool is_changing = false;  // that is not committed yet, or a member is being caught up, or leadership is handed over
  LogIndex last_index;
  std::function<LogIndex(NodeId)> match_index;  // how far a member's log is known to be that of the leader
  std::function<bool(NodeId)> is_heard;         // now; of members, and of those who should be
};

struct GroupStep {
  enum class Kind : std::uint8_t {
    kAdd,       // as standby
    kPromote,   // a standby to voter
    kRemove,    //
    kTransfer,  // leadership
  };
  Kind kind = Kind::kAdd;
  NodeId node;
  auto operator<=>(const GroupStep&) const = default;
};

// Brings one Raft group to the members that it should have, one step at a time, and its leadership to the one that
// should have it. Pure: its owner, who leads the group, asks for the next step whenever something has changed and at
// the latest when look_at_ms() says, and does it. Nothing needs to be told of what became of a step: one that is asked
// for again did not work, and waits longer and longer.
//
//   add as standby ─► caught up ─► promote ─► remove who is not wanted ─► hand leadership over
//
//  * No step takes the group's ability to commit: those who vote after it and are heard are a majority of them.
//  * A voter is removed only when as many stay as are wanted, or everybody who is wanted votes.
//  * It is removed only when it could have been for a while: a leader may know for a moment of an older placement, to
//    which the group was brought before.
//  * The leader never removes itself: it hands over to one who is wanted, who does it.
//  * A voter that is wanted as a standby stays a voter.
//
// Thread: its owner's.
class GroupKeeper {
 public:
  struct Options {
    // A standby that lags by no more may be promoted; libraft brings it the rest.
    std::uint64_t caught_up_entries = 256;
    // A voter is removed when it could have been for so long.
    std::uint64_t removed_after_ms = 3'000;
    // Who should lead gets leadership when it could have had it for so long.
    std::uint64_t lead_ready_ms = 10'000;
    BackoffPolicy retry{1'000, 30'000};
    std::uint64_t look_ms = 1'000;  // what only the view tells is looked for this often, while there is something to do
  };

  GroupKeeper(const Options& options, std::uint64_t random) : options_(options), random_(random) {}

  // The step to do now, if any. `wanted`: all different, who should lead first; empty: not known, nothing is done.
  [[nodiscard]] std::optional<GroupStep> next(const GroupView& view, const std::vector<WantedMember>& wanted,
                                              std::uint64_t now_ms);
  // When next() may have one although nothing happens; 0: never.
  [[nodiscard]] std::uint64_t look_at_ms() const { return look_at_ms_; }
  // Leadership was lost: what was learnt of it is forgotten.
  void reset();

 private:
  // Leaves out voters that could be removed, but not for long enough.
  void put_off_removals(const GroupView& view, std::vector<GroupStep>& removals, std::uint64_t now_ms);
  std::optional<NodeId> heir_of(const GroupView& view, const std::vector<WantedMember>& wanted, std::uint64_t now_ms);

  struct Attempt {
    std::uint32_t tries = 0;
    std::uint64_t not_before_ms = 0;
  };

  const Options options_;
  Random random_;
  std::map<GroupStep, Attempt> attempts_;              // of steps that are due and were asked for
  std::map<NodeId, std::uint64_t> ready_since_;        // who could lead, since when
  std::map<NodeId, std::uint64_t> superfluous_since_;  // voters that could be removed, since when
  std::uint64_t look_at_ms_ = 0;
};

}  // namespace earshot::cluster
