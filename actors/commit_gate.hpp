#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>

namespace earshot::actors {

// How many shards of a disk are about to write to their logs: requests have been posted to them that they have not
// gathered yet. A commit that waits for these takes all parts of a call that goes to many shards; one that does not
// takes those that came first, and the call waits for another.
//
// Only a hint: whoever waits does so for a bounded time, and nothing depends on what it was told. Thread-safe.
class CommitGate {
 public:
  // One shard's part in it.
  class Shard {
   public:
    explicit Shard(std::shared_ptr<CommitGate> gate) : gate_(std::move(gate)) {}
    Shard(const Shard&) = delete;
    Shard& operator=(const Shard&) = delete;
    ~Shard() { gathered(); }

    // A request has been posted to it.
    void expect() {
      if (!expected_.exchange(true, std::memory_order_relaxed)) gate_->change(1);
    }
    // It has handed what it has to the log writer, or has nothing for it.
    void gathered() {
      if (expected_.exchange(false, std::memory_order_relaxed)) gate_->change(-1);
    }

   private:
    const std::shared_ptr<CommitGate> gate_;
    std::atomic<bool> expected_{false};
  };

  [[nodiscard]] bool is_open() const { return expected_.load(std::memory_order_relaxed) <= 0; }

  // Returns when no shard is about to write, or when the time is up.
  void wait(std::chrono::nanoseconds at_most) {
    std::unique_lock lock(mutex_);
    waits_ = true;
    opened_.wait_for(lock, at_most, [this] { return is_open(); });
    waits_ = false;
  }

 private:
  void change(int by) {
    if (expected_.fetch_add(by, std::memory_order_relaxed) + by > 0 || !waits_) return;
    const std::lock_guard lock(mutex_);  // the waiting thread looks, or sleeps, and not between
    opened_.notify_one();
  }

  std::atomic<int> expected_{0};
  std::atomic<bool> waits_{false};
  std::mutex mutex_;
  std::condition_variable opened_;
};

}  // namespace earshot::actors
