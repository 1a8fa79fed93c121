#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "schema/seed_head.hpp"
#include "storage/environment.hpp"
#include "storage/seed_limits.hpp"
#include "storage/seed_mark.hpp"
#include "storage/seed_part.hpp"
#include "storage/shard_state.hpp"

// Taking a shard's state from another node, in place: each part becomes overlays for the state writer, which change
// only what differs, so that a state that is nearly right costs little. A record of its own (seed_mark.hpp) stands
// among the shard's from the first to the last overlay: until then the shard has no state.
namespace earshot::storage {

// Thread: owned by the shard, which has no machine meanwhile. Memory: one part and one overlay.
//
//   wanted() ──► take(part) ──► next_overlay() ──► state writer ──► written() ──┬─► next_overlay(), until there is none
//      ▲                                                                       └─► is_complete(): open the machine
//      └──────────────────────────── the part is done ──────────────────────────
class SeedSink {
 public:
  // Goes on where the shard's records say that an earlier fetch is; one that cannot be read begins anew.
  static Result<SeedSink> open(Environment& environment, ShardId shard, const SeedLimits& limits = {},
                               const SeedFaults& faults = {});

  struct Wanted {
    std::uint64_t seed = 0;  // 0: a new one
    std::uint64_t number = 1;
    NodeId source;  // who gave the parts before; 0: nobody
    bool operator==(const Wanted&) const = default;
  };
  [[nodiscard]] Wanted wanted() const;
  // What was taken is of no use any more: the next part that is wanted is the first of a new fetch.
  void start_over();

  // The part that is wanted, or the first of any seed: the source has begun anew. kOutOfOrder for another one, which
  // changes nothing. kCorrupt for one that no source makes: start over. Not while a part is being written.
  Status take(SeedPart part, NodeId source);

  // What the part that was taken changes, or, if that is much, the next piece of it; nullptr when all of it is
  // written. One at a time: written() comes between. `applied` is 0, but for the last of all, after which the shard has
  // a state that stands there. May be written again when that failed. kCorrupt: the shard's tree of records is damaged,
  // or the state is not what the last part says: start over.
  Result<std::shared_ptr<const FrozenOverlay>> next_overlay();
  // The overlay is committed.
  void written();

  [[nodiscard]] bool is_busy() const { return part_ != nullptr; }
  // The shard has a state.
  [[nodiscard]] bool is_complete() const { return is_complete_; }
  // Where it stands, once complete.
  [[nodiscard]] SeedPart::End stands_at() const { return stands_at_; }

 private:
  class Step;

  SeedSink(Environment& environment, ShardId shard, SeedHead head, const SeedLimits& limits, const SeedFaults& faults)
      : environment_(&environment), shard_(shard), limits_(limits), faults_(faults), head_(std::move(head)) {}

  Environment* environment_;
  ShardId shard_;
  SeedLimits limits_;
  SeedFaults faults_;
  SeedHead head_;  // without the part
  std::unique_ptr<SeedPart> part_;
  struct Walk {
    std::string last;             // key of the part's range that was looked at; "": none was
    std::size_t next_record = 0;  // of the part's
  };
  Walk walk_;
  std::shared_ptr<const FrozenOverlay> overlay_;  // being written
  std::optional<SeedHead> next_head_;             // once it is, if it is the part's last
  bool is_complete_ = false;
  SeedPart::End stands_at_;
};

}  // namespace earshot::storage
