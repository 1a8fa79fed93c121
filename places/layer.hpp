#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ids.hpp"
#include "geo/gather.hpp"
#include "places/cell_tree.hpp"
#include "places/lingerers.hpp"
#include "places/member_range.hpp"
#include "places/member_table.hpp"
#include "places/nearby.hpp"

namespace earshot::places {

// Whose region a place is in, where each node keeps some.
enum class MoveTo : std::uint8_t {
  kOwn,            // this node's
  kElsewhere,      // another's: it is followed there for a while if it is known here, and no news otherwise
  kElsewhereLate,  // another's, and it went there lately: it is followed for a while
};

// A member is at another place, or nowhere.
struct MemberMove {
  std::string member;
  std::optional<double> score;  // none: it has left the layer
  std::uint64_t version = 0;    // of its shard: an older one than what is known is no news
  bool is_hidden = false;
  // Told before its shard has committed it, and without a version …
  bool ahead = false;
  // … until the one with this number that settles it: what comes in between is older, and changes nothing that is seen.
  bool settles = false;
  std::uint64_t ahead_number = 0;
  MoveTo to = MoveTo::kOwn;
};

// The place that a score stands for; none: it is no place on Earth. As Redis, it takes a score for whole.
std::optional<geo::Geohash> place_of(double score);

// The Earth in pieces of so many bits of a geohash: those that nodes have of a layer (cluster/cell_map.hpp).
inline constexpr int kLayerRegionBits = 15;
// 0 for a score that is no place.
std::uint16_t region_of_score(double score);

// One layer's members, wherever they are, in the order in which tidings of them come in: each message is handed on
// to the cells that it concerns before the next one is looked at, and so is each query. A query therefore sees every
// member exactly once, where it was when the query came in, though the cells answer at their own pace: what one thread
// posts to a cell is taken in its order.
//
// Where other nodes keep regions, too, a member that leaves those of this node lingers: for a while it is known where
// it is, so that nobody who asks both nodes at about that time misses it.
//
// Members are kept by shard, since a shard may clear its part. Thread: its actor's; times are ms of its clock.
class Layer {
 public:
  // `counts_regions`: it can say how many are in which regions.
  Layer(const CellLimits& limits, std::uint16_t shard_count, CellTree::MakeCell make, bool counts_regions = false,
        const Lingerers::Limits& lingering = {});
  ~Layer();
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  // `until_taken` goes along to the cells.
  void take(ShardId shard, const std::vector<MemberMove>& moves, const UntilTaken& until_taken = nullptr,
            std::uint64_t now_ms = 0);
  // Whoever has lingered long enough is not known any more.
  void pass(std::uint64_t now_ms);
  [[nodiscard]] const Lingerers& lingerers() const { return lingerers_; }
  // Whoever of the shard's members has this version or an older one has left.
  void cleared(ShardId shard, std::uint64_t version);
  // All of the shard's members are told anew, among its changes; when that is over, whoever was not told of has left.
  // What was told ahead, by whoever led the shard before, holds no longer.
  void scan_begins(ShardId shard);
  void scan_ends(ShardId shard);
  void filled(CellTree::LeafId leaf, const CellFilled& filled) { tree_.filled(leaf, filled); }

  // Everybody within the area who is wanted.
  void search(const geo::Search& search, NearbyDone done) const;
  // One of the shard's members; empty: it is nowhere.
  [[nodiscard]] MemberPtr find(ShardId shard, std::string_view member) const;
  // Where it is; none: nowhere.
  [[nodiscard]] std::optional<double> score(ShardId shard, std::string_view member) const;
  // Looks at every member, before anything else is done: a layer has no order of its own, and a range is of one moment.
  [[nodiscard]] std::vector<ScoredMember> range(const MemberRange& range) const;

  // With those who linger.
  [[nodiscard]] std::size_t size() const { return size_; }
  // Nobody is in it, and nothing that was told ahead has to be known: whoever is told of later may be where it was.
  [[nodiscard]] bool may_go() const { return size_ == 0 && ahead_.empty(); }
  // In those regions. Precondition: it counts them.
  [[nodiscard]] std::size_t size_of(const std::function<bool(std::uint16_t region)>& counts) const;
  [[nodiscard]] std::size_t cells() const { return tree_.leaves(); }

 private:
  using Tables = std::vector<MemberTable>;
  struct Ahead {
    ShardId shard;
    std::uint64_t last = 0;  // number of its last move that was told ahead
  };
  void take_one(ShardId shard, const MemberMove& move, std::uint64_t now_ms);
  void remove(MemberTable& table, MemberPtr member);
  template <class Stays>
  void remove_unless(MemberTable& table, Stays stays);
  // Whether what its shard tells of the member is older than what was told ahead.
  [[nodiscard]] bool is_ahead(const std::string& member) const { return !ahead_.empty() && ahead_.contains(member); }
  void settle(const std::string& member, std::uint64_t number);
  // Gathers what a message changes, so that each cell is told once.
  void gather(CellPort& cell, CellChange change) { gathered_[&cell].changes.push_back(std::move(change)); }
  void tell(CellPort& cell);
  void tell_all();
  void post(CellPort& cell, CellChanges changes) const;
  void change(MemberPtr member, std::optional<geo::Geohash> from, std::optional<geo::Geohash> to);

  void count(double score, int more);

  const bool counts_regions_;
  const std::shared_ptr<Tables> tables_;
  std::unordered_map<std::string, Ahead> ahead_;         // of members that moved ahead
  std::unordered_map<CellPort*, CellChanges> gathered_;  // empty between messages
  UntilTaken until_taken_;                               // of this message
  CellTree tree_;
  std::size_t size_ = 0;
  Lingerers lingerers_;
  std::unordered_map<std::uint16_t, std::size_t> members_in_;  // of each region that has any
};

}  // namespace earshot::places
