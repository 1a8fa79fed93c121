#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "actors/node_gather.hpp"
#include "actors/node_question.hpp"
#include "geo/gather.hpp"

// What the answers of several nodes make together. Pure.
//
// A member that moves from one node's regions to another's while both are asked may be told of by both: it counts once,
// where the newer tiding has it.
namespace earshot::actors {

struct MergedNearby {
  ToldMembers members;
  // More of those that a node has left out may belong there: it told of too many who do not count.
  bool may_lack_some = false;
};
// At most `count_max` of them, nearest first, or with kFarthest farthest first; of those equally far off the one whose
// name comes first. Each node was asked for `asked_max`.
MergedNearby merge_nearby(std::vector<NodeTold> told, geo::Pick pick, std::size_t count_max, std::size_t asked_max);

std::uint64_t sum_of_sizes(const std::vector<NodeTold>& told);

// One page of each node's. What follows the last one of a node that has more is left for the next page.
struct MergedPage {
  ToldMembers members;             // in the order of the range
  std::optional<MemberSpot> next;  // where to go on; none: that was all
};
MergedPage merge_range(std::vector<NodeTold> told, bool descending);

struct MergedLayers {
  std::vector<ToldLayers::Layer> layers;  // ascending
  std::optional<std::string> next;
};
MergedLayers merge_layers(std::vector<NodeTold> told);

ToldScan merge_scans(std::vector<NodeTold> told);

}  // namespace earshot::actors
