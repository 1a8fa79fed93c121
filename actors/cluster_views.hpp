#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/feed_view.hpp"
#include "actors/place_views.hpp"
#include "actors/ports.hpp"
#include "actors/question_desk.hpp"
#include "base/ids.hpp"
#include "places/privacy_table.hpp"

namespace earshot::actors {

// The way to the desk of questions. Thread-safe, and nothing waits.
class NodesAsker {
 public:
  virtual ~NodesAsker() = default;
  virtual void ask(NodesQuestion question) = 0;
  // Says whether FeedView::is_exact_now(shard) within `deadline_ms`; as soon as it is.
  virtual void when_exact(ShardId shard, std::uint32_t deadline_ms, std::function<void(bool)> then) = 0;
};

// Where everybody is in a cluster: asked of the nodes that have members of the regions in question, and put together.
// Where single members are, their shards say.
//
// Which layers are known at once are those that somebody in this node's regions is in, or that have a privacy of their
// own, which every node is told of: see knows_all_layers(). So are permits: a layer that this node does not have counts
// as a new one.
class ClusterViews final : public PlaceViews, public std::enable_shared_from_this<ClusterViews> {
 public:
  // `own`: what this node has itself; `feeds`: what it is told.
  ClusterViews(std::shared_ptr<PlaceViews> own, std::shared_ptr<const Router> router, std::shared_ptr<NodesAsker> nodes,
               std::shared_ptr<FeedView> feeds, std::shared_ptr<const places::PrivacyTable> privacies)
      : own_(std::move(own)),
        router_(std::move(router)),
        nodes_(std::move(nodes)),
        feeds_(std::move(feeds)),
        privacies_(std::move(privacies)) {}

  void ask(const LayerId& layer, NearbyQuestion question) override;
  void ask(const LayerId& layer, ScoresQuestion question) override;
  void ask(const LayerId& layer, SizeQuestion question) override;
  void ask(const LayerId& layer, RangeQuestion question) override;
  void ask_layers(LayersQuestion question) override { look_on(std::move(question), {}); }
  void scan_layers(LayersScan scan) override;
  void count_layers(std::function<void(std::size_t)> done) override;
  [[nodiscard]] bool has_layer(const LayerId& layer) const override { return own_->has_layer(layer); }
  [[nodiscard]] bool knows_all_layers() const override { return false; }
  void when_shown(const LayerId& layer, std::function<void()> then) override {
    own_->when_shown(layer, std::move(then));
  }
  [[nodiscard]] Result<LayerPermit> permit_setting(const LayerId& layer) override {
    return own_->permit_setting(layer);
  }
  void when_privacy_is_known(const LayerId& layer, std::uint32_t deadline_ms, std::function<void(bool)> then) override;
  // Whether this node has known of all that it is told of. From then on nodes say themselves what they know when they
  // are asked, this one too.
  [[nodiscard]] bool is_complete() const override {
    if (!was_complete_.load(std::memory_order_relaxed) && own_->is_complete()) was_complete_ = true;
    return was_complete_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] Waiting when_complete(std::function<void()> then) override {
    return own_->when_complete(std::move(then));
  }

 private:
  using Where = std::function<void(Result<WhereAnswer>)>;
  struct RangeWalk;

  // Of all of them, in order, by their shards.
  void where(const LayerId& layer, const std::vector<std::string>& members, Where done) const;
  void where(ShardId shard, ShardWhere question, std::uint32_t tries_left) const;
  void search(const LayerId& layer, const geo::Point& centre, NearbyQuestion question) const;
  void say_who_is_nowhere(const LayerId& layer, NearbyQuestion question);
  void walk(std::shared_ptr<RangeWalk> walk) const;
  void look_on(LayersQuestion question, FoundLayers found) const;

  const std::shared_ptr<PlaceViews> own_;
  const std::shared_ptr<const Router> router_;
  const std::shared_ptr<NodesAsker> nodes_;
  const std::shared_ptr<FeedView> feeds_;
  const std::shared_ptr<const places::PrivacyTable> privacies_;
  mutable std::atomic<bool> was_complete_{false};
};

}  // namespace earshot::actors
