#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "actors/node_question.hpp"
#include "base/ids.hpp"
#include "cluster/cell_map.hpp"

namespace earshot::actors {

// What one node told.
struct NodeTold {
  NodeId node;
  Told told;
  bool more = false;
};
struct NodesAnswer {
  std::vector<NodeTold> told;  // of a node that is not whole, or by a view that no longer holds, it may be anything
  bool is_whole = false;       // every node that has some of it told all of that
};

// One question's way through the nodes that have some of its answer: whom to ask, who has told all, and what that is.
// Nodes that go by another view, or whose answer does not come, are asked again; when the view changes all are, each
// for what it has by that.
//
//   ask ──► waits ──all told──► whole
//            │  ▲
//            └──┘ another view, no link, no answer: asked again
//
// All are asked again, too, when one of several does not follow for long enough whoever has left its regions.
//
// A member that goes from one node's regions to another's while both are asked is told of by one of them at least
// (docs/decisions/2026-11-29-questions-about-places-across-nodes.md), if each follows those who left since a lease's
// time before the round began.
//
// Answers may get lost, come twice, late, or in parts of which some do; those of an earlier round count for nothing,
// unless nothing better comes. Pure. Thread: its desk's.
class NodeGather {
 public:
  struct Ask {
    NodeId node;
    std::vector<cluster::Region> regions;  // none: all that are its own
  };

  // `regions` of `layer` have the answer; none: every node has some of it.
  NodeGather(LayerId layer, std::vector<cluster::Region> regions)
      : layer_(std::move(layer)), regions_(std::move(regions)) {}

  // By this view: whom to ask now. In the same round only those who have not told all.
  std::vector<Ask> ask(std::shared_ptr<const cluster::CellMap> cells, std::uint64_t now_ms);
  // Whether that would be another round, whose answers are other ones.
  [[nodiscard]] bool is_other(const cluster::CellMap& cells) const {
    return cells_ == nullptr || *cells_ != cells || is_too_long();
  }
  [[nodiscard]] const cluster::CellMap& cells() const { return *cells_; }

  // What a node says in this round. False: it is dropped.
  bool take(NodeId from, NodeAnswer answer, std::uint64_t now_ms);
  [[nodiscard]] bool is_whole() const;
  // Nobody will tell more: whoever has not told all knows that it does not.
  [[nodiscard]] bool is_over() const;
  // Somebody has said that it goes by another view, or does not follow for long enough.
  [[nodiscard]] bool is_refused() const;
  // Whether that is one who was asked and has not told all.
  [[nodiscard]] bool waits_for(NodeId node) const;

  // About what it holds.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  NodesAnswer finish() &&;

 private:
  struct Node {
    std::vector<cluster::Region> regions;
    std::uint64_t serving = 0;
    std::vector<bool> came;  // parts of that
    std::size_t parts_left = 1;
    bool is_partial = false;
    bool is_other_view = false;
    bool more = false;
    bool is_short = false;  // it does not follow since before the round
    std::vector<Told> told = {};

    [[nodiscard]] bool has_told() const { return !told.empty() && parts_left == 0; }
    [[nodiscard]] bool is_whole() const { return has_told() && !is_partial && !is_other_view; }
  };

  // Between what several nodes told somebody may have been missed.
  [[nodiscard]] bool is_too_long() const;
  void drop(Node& node);
  void put_aside();

  const LayerId layer_;
  const std::vector<cluster::Region> regions_;
  std::shared_ptr<const cluster::CellMap> cells_;
  std::uint64_t round_ms_ = 0;  // when it began
  std::map<NodeId, Node> nodes_;
  std::vector<NodeTold> aside_;  // of earlier rounds
  std::size_t bytes_ = 0;
};

}  // namespace earshot::actors
