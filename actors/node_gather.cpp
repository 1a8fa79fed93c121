#include "actors/node_gather.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/limits.hpp"

namespace earshot::actors {

std::vector<NodeGather::Ask> NodeGather::ask(std::shared_ptr<const cluster::CellMap> cells, std::uint64_t now_ms) {
  if (is_other(*cells)) {
    put_aside();
    round_ms_ = now_ms;
    cells_ = std::move(cells);
    if (regions_.empty()) {
      for (const NodeId node : cells_->view()) nodes_.try_emplace(node);
    } else {
      for (const cluster::Region region : regions_) nodes_[cells_->owner(layer_, region)].regions.push_back(region);
    }
  }
  std::vector<Ask> asks;
  for (const auto& [node, state] : nodes_)
    if (!state.has_told() || state.is_other_view) asks.push_back({node, state.regions});
  return asks;
}

void NodeGather::put_aside() {
  aside_.clear();
  bytes_ = 0;
  for (auto& [id, node] : nodes_) {
    for (Told& told : node.told) {
      bytes_ += bytes_of(told);
      aside_.push_back({id, std::move(told), node.more});
    }
  }
  nodes_.clear();
}

void NodeGather::drop(Node& node) {
  for (const Told& told : node.told) bytes_ -= bytes_of(told);
  node.told.clear();
}

bool NodeGather::take(NodeId from, NodeAnswer answer, std::uint64_t now_ms) {
  const auto found = nodes_.find(from);
  if (found == nodes_.end()) return false;
  Node& node = found->second;
  if (node.is_whole() || answer.serving < node.serving) return false;
  if (answer.serving > node.serving || node.came.empty()) {
    drop(node);
    node.serving = answer.serving;
    node.came.assign(answer.parts, false);
    node.parts_left = answer.parts;
    node.is_partial = node.is_other_view = node.more = node.is_short = false;
  }
  if (answer.part >= node.came.size() || node.came[answer.part]) return false;
  node.came[answer.part] = true;
  --node.parts_left;
  node.is_partial |= answer.is_partial;
  node.is_other_view |= answer.is_other_view;
  node.more |= answer.more;
  // It looked when this came, at the latest.
  node.is_short |= answer.follows_ms < now_ms - round_ms_ + limits::kFeedLeaseMs + limits::kFeedLeaseMarginMs;
  bytes_ += bytes_of(answer.told);
  node.told.push_back(std::move(answer.told));
  return true;
}

bool NodeGather::is_too_long() const {
  return nodes_.size() > 1 && std::ranges::any_of(nodes_, [](const auto& one) { return one.second.is_short; });
}

bool NodeGather::is_whole() const {
  return !is_too_long() && std::ranges::all_of(nodes_, [](const auto& one) { return one.second.is_whole(); });
}

bool NodeGather::is_over() const {
  const bool is_partial = std::ranges::any_of(nodes_, [](const auto& one) { return one.second.is_partial; });
  return (is_partial || !is_too_long()) && std::ranges::all_of(nodes_, [](const auto& one) {
           return one.second.has_told() && !one.second.is_other_view;
         });
}

bool NodeGather::is_refused() const {
  return is_too_long() ||
         std::ranges::any_of(nodes_, [](const auto& one) { return one.second.has_told() && one.second.is_other_view; });
}

bool NodeGather::waits_for(NodeId node) const {
  const auto found = nodes_.find(node);
  return found != nodes_.end() && !found->second.is_whole();
}

NodesAnswer NodeGather::finish() && {
  NodesAnswer answer;
  answer.is_whole = is_whole();
  for (auto& [id, node] : nodes_) {
    // Parts come in any order, and make one.
    NodeTold whole{id, {}, node.more};
    bool is_first = true;
    for (Told& told : node.told) {
      auto* more = std::get_if<ToldMembers>(&told);
      if (std::exchange(is_first, false) || more == nullptr) {
        whole.told = std::move(told);
      } else {
        auto& members = std::get<ToldMembers>(whole.told);
        members.insert(members.end(), std::make_move_iterator(more->begin()), std::make_move_iterator(more->end()));
      }
    }
    if (!is_first) answer.told.push_back(std::move(whole));
  }
  if (!answer.is_whole) std::ranges::move(aside_, std::back_inserter(answer.told));
  return answer;
}

}  // namespace earshot::actors
