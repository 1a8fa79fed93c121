#include "places/cell_tree.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "geo/cover.hpp"

namespace earshot::places {
namespace {

// Which child of a cell of this level holds the place.
unsigned child_towards(geo::Geohash place, int level) {
  return static_cast<unsigned>(place.value >> 2 * (geo::kLevelMax - level - 1)) & 3;
}

}  // namespace

void CellTree::end(const std::shared_ptr<const void>& members) {
  for (Node& node : nodes_)
    if (node.port != nullptr) post_last(*std::exchange(node.port, nullptr), CellEnd{members});
  nodes_.clear();
  free_.clear();
  root_ = kNone;
  leaves_ = 0;
}

CellTree::NodeId CellTree::add_node(const geo::Cell& cell, NodeId parent, std::size_t fills, bool is_leaf) {
  NodeId id = static_cast<NodeId>(nodes_.size());
  if (free_.empty()) {
    nodes_.emplace_back();
  } else {
    id = free_.back();
    free_.pop_back();
  }
  Node& node = nodes_[id];
  node.cell = cell;
  node.parent = parent;
  if (is_leaf) make_leaf(node, fills, fills == 0);
  return id;
}

void CellTree::make_leaf(Node& node, std::size_t fills, bool is_counted) {
  node.leaf = ++last_leaf_;
  node.port = make_(node.leaf, fills);
  node.is_counted = is_counted;
  ++leaves_;
}

void CellTree::drop_node(NodeId id) {
  if (nodes_[id].port != nullptr) --leaves_;
  nodes_[id] = Node{};
  free_.push_back(id);
}

CellTree::NodeId CellTree::find_leaf(geo::Geohash place) const {
  NodeId id = root_;
  while (id != kNone && nodes_[id].port == nullptr)
    id = nodes_[id].children[child_towards(place, nodes_[id].cell.level)];
  return id;
}

CellPort& CellTree::leaf_for(geo::Geohash place) {
  if (root_ == kNone) root_ = add_node(geo::Cell{}, kNone, 0, true);
  NodeId id = root_;
  while (nodes_[id].port == nullptr) {
    const unsigned which = child_towards(place, nodes_[id].cell.level);
    NodeId child = nodes_[id].children[which];
    if (child == kNone) {
      child = add_node(nodes_[id].cell.child(which), id, 0, true);
      nodes_[id].children[which] = child;
    }
    id = child;
  }
  nodes_[id].widen({place, place});
  return *nodes_[id].port;
}

void CellTree::Node::widen(const geo::GeohashRange& by) {
  within = within ? geo::GeohashRange{std::min(within->low, by.low), std::max(within->high, by.high)} : by;
}

void CellTree::came(geo::Geohash place) {
  const NodeId leaf = find_leaf(place);
  ++nodes_[leaf].members;
  settle(leaf);
}

void CellTree::went(geo::Geohash place) {
  const NodeId leaf = find_leaf(place);
  --nodes_[leaf].members;
  settle(leaf);
}

void CellTree::filled(LeafId leaf, const CellFilled& filled) {
  // Few cells wait at a time, and few split.
  const auto found = std::ranges::find(nodes_, leaf, &Node::leaf);
  if (found == nodes_.end() || found->is_counted) return;
  found->members += static_cast<std::int64_t>(filled.members);
  if (filled.within) found->widen(*filled.within);
  found->is_counted = true;
  settle(static_cast<NodeId>(found - nodes_.begin()));
}

void CellTree::settle(NodeId leaf) {
  const Node& node = nodes_[leaf];
  if (!node.is_counted) return;
  EARSHOT_INVARIANT(node.members >= 0, "nobody leaves a cell twice");
  if (static_cast<std::size_t>(node.members) > limits_.members_max && node.cell.level < geo::kLevelMax)
    return split(leaf);
  const NodeId parent = node.parent;
  if (node.members == 0) {
    prune(leaf);
  } else if (parent != kNone && should_merge(nodes_[parent])) {
    merge_children(parent);
  }
}

void CellTree::split(NodeId leaf) {
  const geo::GeohashRange within = *nodes_[leaf].within;
  CellSplit split{geo::cell_of(within), {}};
  if (split.parent.level == geo::kLevelMax) split.parent = split.parent.parent();
  NodeId parent = leaf;
  while (nodes_[parent].cell.level < split.parent.level) {
    const unsigned which = child_towards(within.low, nodes_[parent].cell.level);
    const NodeId child = add_node(nodes_[parent].cell.child(which), parent, 0, false);
    nodes_[parent].children[which] = child;
    parent = child;
  }
  for (unsigned which = 0; which < split.children.size(); ++which) {
    const NodeId child = add_node(split.parent.child(which), parent, 1, true);
    nodes_[parent].children[which] = child;
    split.children[which] = nodes_[child].port;
  }
  Node& node = nodes_[leaf];
  const auto port = std::exchange(node.port, nullptr);
  node.leaf = 0;
  node.members = 0;
  node.within.reset();
  --leaves_;
  post_last(*port, std::move(split));
}

bool CellTree::should_merge(const Node& parent) const {
  std::int64_t members = 0;
  for (const NodeId child : parent.children) {
    if (child == kNone) continue;
    if (nodes_[child].port == nullptr || !nodes_[child].is_counted) return false;
    members += nodes_[child].members;
  }
  return static_cast<std::size_t>(members) < limits_.merged_max;
}

void CellTree::merge_children(NodeId parent) {
  std::int64_t members = 0;
  std::vector<NodeId> children;
  for (const NodeId child : nodes_[parent].children)
    if (child != kNone) children.push_back(child);
  make_leaf(nodes_[parent], children.size(), true);
  for (const NodeId child : children) {
    members += nodes_[child].members;
    if (nodes_[child].within) nodes_[parent].widen(*nodes_[child].within);
    post_last(*nodes_[child].port, CellMerge{nodes_[parent].port});
    drop_node(child);
  }
  nodes_[parent].children.fill(kNone);
  nodes_[parent].members = members;
  if (nodes_[parent].parent != kNone && should_merge(nodes_[nodes_[parent].parent]))
    merge_children(nodes_[parent].parent);
}

// A leaf that nobody is in, and the cells above it that nobody is in then.
void CellTree::prune(NodeId leaf) {
  post_last(*nodes_[leaf].port, CellEnd{});
  NodeId parent = nodes_[leaf].parent;
  for (NodeId gone = leaf;; gone = std::exchange(parent, nodes_[parent].parent)) {
    drop_node(gone);
    if (parent == kNone) {
      root_ = kNone;
      return;
    }
    auto& children = nodes_[parent].children;
    std::ranges::replace(children, gone, kNone);
    if (std::ranges::any_of(children, [](NodeId child) { return child != kNone; })) break;
  }
  if (should_merge(nodes_[parent])) merge_children(parent);
}

// ---- queries

std::vector<CellPort*> CellTree::leaves_within(const geo::Area& area) const {
  std::vector<CellPort*> leaves;
  std::vector<NodeId> asked;
  for (const geo::Cell& cell : geo::cover(area)) {
    const geo::Geohash within = cell.range().low;
    NodeId id = root_;
    while (id != kNone && nodes_[id].port == nullptr && nodes_[id].cell.level < cell.level)
      id = nodes_[id].children[child_towards(within, nodes_[id].cell.level)];
    // A leaf may hold several of them.
    if (id == kNone || std::ranges::find(asked, id) != asked.end()) continue;
    asked.push_back(id);
    collect(id, area, leaves);
  }
  const NodeId middle = find_leaf(geo::encode(area.centre()));
  if (middle == kNone) return leaves;
  const auto first = std::ranges::find(leaves, nodes_[middle].port.get());
  if (first != leaves.end()) std::iter_swap(leaves.begin(), first);
  return leaves;
}

void CellTree::collect(NodeId from, const geo::Area& area, std::vector<CellPort*>& leaves) const {
  const Node& node = nodes_[from];
  if (!area.bounds().touch(node.cell)) return;
  if (node.port != nullptr) return leaves.push_back(node.port.get());
  for (const NodeId child : node.children)
    if (child != kNone) collect(child, area, leaves);
}

}  // namespace earshot::places
