#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "actors/feed_view.hpp"
#include "base/ids.hpp"

namespace earshot::actors {

// Whoever waits until this node knows of a shard all that was answered, or until a deadline. That is looked at every
// few ms, since nobody tells of a single shard. Thread: its owner's. Times are monotonic ms.
class ExactWaits {
 public:
  static constexpr std::uint64_t kLookMs = 10;
  using Then = std::function<void(bool is_exact)>;

  ExactWaits(std::shared_ptr<FeedView> feeds, std::size_t waiting_max)
      : feeds_(std::move(feeds)), waiting_max_(waiting_max) {}

  // `then` is called once: at once where it is exact, or where `waiting_max` wait already; else in wake().
  void wait(ShardId shard, std::uint64_t deadline_ms, Then then, std::uint64_t now_ms);
  void wake(std::uint64_t now_ms);
  [[nodiscard]] std::uint64_t wake_at() const { return look_at_ms_; }  // 0: never

 private:
  struct Waiting {
    ShardId shard;
    std::uint64_t deadline_ms = 0;
    Then then;
  };

  const std::shared_ptr<FeedView> feeds_;
  const std::size_t waiting_max_;
  std::vector<Waiting> waiting_;
  std::uint64_t look_at_ms_ = 0;
};

}  // namespace earshot::actors
