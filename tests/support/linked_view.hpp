#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "actors/feed_view.hpp"
#include "actors/place_views.hpp"
#include "base/ids.hpp"
#include "cluster/cell_map.hpp"
#include "cluster/peers.hpp"

namespace earshot::tests {

// For nodes that are told of all members of their shards: the regions are divided among those that are linked, and what
// a node knows is exact once it is complete. Thread-safe.
class LinkedView final : public actors::FeedView {
 public:
  // `peers` outlives it. `nodes`: those of the cluster, `self` among them.
  LinkedView(NodeId self, std::vector<NodeId> nodes, cluster::Peers& peers, std::shared_ptr<actors::PlaceViews> places)
      : self_(self), nodes_(std::move(nodes)), peers_(peers), places_(std::move(places)) {}

  [[nodiscard]] bool is_exact_now() override { return places_->is_complete(); }
  [[nodiscard]] bool is_exact_now(ShardId /*shard*/) override { return is_exact_now(); }
  [[nodiscard]] Waiting when_exact(std::function<void()> then) override {
    return places_->when_complete(std::move(then));
  }
  [[nodiscard]] std::vector<bool> exact_shards() const override { return std::vector<bool>(64, false); }
  [[nodiscard]] std::uint64_t followed_since_ms() const override { return 0; }
  [[nodiscard]] std::shared_ptr<const cluster::CellMap> cells() const override {
    std::vector<NodeId> linked;
    for (const NodeId node : nodes_)
      if (node == self_ || peers_.is_up(node)) linked.push_back(node);
    const std::lock_guard lock(mutex_);
    if (cells_ == nullptr || cells_->view() != linked)
      cells_ = std::make_shared<const cluster::CellMap>(std::move(linked));
    return cells_;
  }

 private:
  const NodeId self_;
  const std::vector<NodeId> nodes_;  // ascending
  cluster::Peers& peers_;
  const std::shared_ptr<actors::PlaceViews> places_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const cluster::CellMap> cells_;
};

}  // namespace earshot::tests
