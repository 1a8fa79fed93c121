#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include <caf/actor.hpp>
#include <caf/fwd.hpp>

#include "actors/exchange.hpp"
#include "actors/feed_faults.hpp"
#include "actors/feed_view.hpp"
#include "actors/places.hpp"
#include "base/clock.hpp"
#include "base/ids.hpp"
#include "cluster/peers.hpp"

namespace earshot::actors {

// What the feeds of all shards come to on a node, as others see it. The desk says until when it is exact; asking says
// that somebody wants to know. Thread-safe.
class FeedExactness final : public FeedView {
 public:
  // `clock` outlives it.
  FeedExactness(const Clock& clock, std::vector<NodeId> view, std::uint16_t shard_count)
      : clock_(clock), until_ms_(shard_count), cells_(std::make_shared<const cluster::CellMap>(std::move(view))) {}

  // ---- FeedView
  [[nodiscard]] bool is_exact_now() override {
    return was_asked_at() < exact_until_ms_.load(std::memory_order_acquire);
  }
  [[nodiscard]] bool is_exact_now(ShardId shard) override {
    return was_asked_at() < until_ms_.at(shard.value).load(std::memory_order_acquire);
  }
  [[nodiscard]] Waiting when_exact(std::function<void()> then) override;
  [[nodiscard]] std::vector<bool> exact_shards() const override;
  [[nodiscard]] std::uint64_t followed_since_ms() const override {
    return followed_since_ms_.load(std::memory_order_acquire);
  }
  [[nodiscard]] std::shared_ptr<const cluster::CellMap> cells() const override;

  // ---- the desk's
  // Called, on any thread, when somebody wants to know who did not for a while.
  void set_wake(std::function<void()> wake);
  // Of each shard: not after that time. All of them: everybody who waits goes on, if it is still to come.
  void set_exact_until(ShardId shard, std::uint64_t until_ms) {
    until_ms_[shard.value].store(until_ms, std::memory_order_release);
  }
  void set_exact_until(std::uint64_t until_ms);
  // Whoever had left by then may not be followed. Also any thread.
  void forgot(std::uint64_t left_ms);
  void set_view(std::vector<NodeId> view);
  // Whether somebody has asked lately; false: the next one to ask wakes the desk.
  [[nodiscard]] bool is_wanted();
  // Nobody is called any more.
  void end();

 private:
  // Now: somebody wants to know.
  std::uint64_t was_asked_at();

  const Clock& clock_;
  std::atomic<std::uint64_t> exact_until_ms_{0};
  std::vector<std::atomic<std::uint64_t>> until_ms_;  // by shard
  std::atomic<std::uint64_t> followed_since_ms_{0};
  std::atomic<std::uint64_t> asked_at_ms_{0};
  std::atomic<bool> is_awake_{false};
  Completion completion_;
  mutable std::mutex mutex_;
  std::function<void()> wake_;
  std::shared_ptr<const cluster::CellMap> cells_;
};

struct FeedDeskSetup {
  NodeId self;
  std::uint16_t shard_count = 0;
  std::uint64_t random = 0;  // of this start of the node: no other has the same
  std::shared_ptr<Exchange> exchange;
  cluster::Peers* peers = nullptr;  // outlives the actor, as does the clock
  const Clock* clock = nullptr;
  std::shared_ptr<Places> places;
  std::shared_ptr<FeedExactness> exactness;
  FeedFaults faults;
};

// Subscribes at the leaders of all shards, hands on to the node's places what they tell, decides which nodes are taken
// for live, and keeps leases while somebody asks. Ends by StopWriter.
caf::actor spawn_feed_desk(caf::actor_system& system, FeedDeskSetup setup);
// The way in for what others tell.
std::shared_ptr<FeedInbox> feed_inbox(caf::actor desk);

}  // namespace earshot::actors
