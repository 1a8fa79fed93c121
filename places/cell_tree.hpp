#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "geo/area.hpp"
#include "geo/geohash.hpp"
#include "places/cell_port.hpp"

namespace earshot::places {

// How crowded cells are. Less than a quarter of the most for four together, or a cell that has split would merge again
// at once.
struct CellLimits {
  std::size_t members_max = 32'768;  // more: it splits into four
  std::size_t merged_max = 8192;     // four that have fewer together become one
};

// Which cells a layer has: a quadtree of those that somebody is in. Its leaves are cells with members, behind ports; a
// cell above them has none of its own. Thread: its layer's.
//
// A cell splits where its members begin to differ, which may be many levels below it: a layer begins with one for the
// whole Earth, and its first members may all be in one city. How many each child took is known only when it tells:
// until then it neither splits again nor merges.
class CellTree {
 public:
  using LeafId = std::uint64_t;  // of one life of a cell; never used again
  // Makes a cell that waits for so many fills, and tells filled() then what it tells.
  using MakeCell = std::function<std::shared_ptr<CellPort>(LeafId, std::size_t fills)>;

  // Called before the tree tells a cell that it splits, merges or ends: what it has not been told of its members yet,
  // it has to be told first.
  using BeforeEnd = std::function<void(CellPort&)>;

  CellTree(const CellLimits& limits, MakeCell make, BeforeEnd before_end)
      : limits_(limits), make_(std::move(make)), before_end_(std::move(before_end)) {}
  ~CellTree() { end(nullptr); }
  CellTree(const CellTree&) = delete;
  CellTree& operator=(const CellTree&) = delete;

  // The cell for a place, made if nobody is there yet. From then on somebody may be there: it splits accordingly.
  CellPort& leaf_for(geo::Geohash place);
  // One member more, or one fewer: after the cell was told.
  void came(geo::Geohash place);
  void went(geo::Geohash place);
  void filled(LeafId leaf, const CellFilled& filled);

  // The cells to ask for everybody within the area; see geo::cover(). The one that holds its centre comes first, if
  // there is one: what it finds may spare the others a search.
  [[nodiscard]] std::vector<CellPort*> leaves_within(const geo::Area& area) const;
  [[nodiscard]] std::size_t leaves() const { return leaves_; }
  // Every cell ends, and lets go of `members` then.
  void end(const std::shared_ptr<const void>& members);

 private:
  using NodeId = std::uint32_t;
  static constexpr NodeId kNone = UINT32_MAX;

  struct Node {
    geo::Cell cell;
    NodeId parent = kNone;
    std::array<NodeId, 4> children{kNone, kNone, kNone, kNone};
    std::shared_ptr<CellPort> port;  // a leaf's
    LeafId leaf = 0;
    std::int64_t members = 0;  // of a leaf; while it is not counted, what came and went since it was made
    bool is_counted = true;
    std::optional<geo::GeohashRange> within = {};  // of a leaf: wherever anybody in it may be

    void widen(const geo::GeohashRange& by);
  };

  NodeId add_node(const geo::Cell& cell, NodeId parent, std::size_t fills, bool is_leaf);
  void drop_node(NodeId id);
  // The last that this cell is told.
  template <class Message>
  void post_last(CellPort& cell, Message message) {
    before_end_(cell);
    cell.post(std::move(message));
  }
  void make_leaf(Node& node, std::size_t fills, bool is_counted);
  [[nodiscard]] NodeId find_leaf(geo::Geohash place) const;  // kNone: nobody is there
  void settle(NodeId leaf);
  void split(NodeId leaf);
  void merge_children(NodeId parent);
  [[nodiscard]] bool should_merge(const Node& parent) const;
  void prune(NodeId leaf);
  void collect(NodeId from, const geo::Area& area, std::vector<CellPort*>& leaves) const;

  const CellLimits limits_;
  const MakeCell make_;
  const BeforeEnd before_end_;
  std::vector<Node> nodes_;
  std::vector<NodeId> free_;
  NodeId root_ = kNone;
  LeafId last_leaf_ = 0;
  std::size_t leaves_ = 0;
};

}  // namespace earshot::places
