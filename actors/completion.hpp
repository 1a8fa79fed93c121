#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace earshot::actors {

// Whether something is complete, and who waits until it is. Thread-safe.
class Completion {
 public:
  // Whoever lets go of it waits no longer.
  using Waiting = std::shared_ptr<const std::function<void()>>;

  explicit Completion(bool is_complete = false) : is_complete_(is_complete) {}

  [[nodiscard]] bool is_complete() const { return is_complete_.load(std::memory_order_acquire); }

  // When it is: all who wait are called, on this thread.
  void set(bool is_complete) {
    std::vector<std::weak_ptr<const std::function<void()>>> ready;
    {
      const std::lock_guard lock(mutex_);
      is_complete_.store(is_complete, std::memory_order_release);
      if (is_complete) std::swap(ready, waiting_);
    }
    for (const auto& one : ready)
      if (const Waiting then = one.lock()) (*then)();
  }

  // Calls `then` now when it is complete, and returns nullptr; else when it is.
  [[nodiscard]] Waiting when_complete(std::function<void()> then) {
    {
      const std::lock_guard lock(mutex_);
      if (!is_complete()) {
        if (waiting_.size() >= looks_at_) {
          std::erase_if(waiting_, [](const auto& one) { return one.expired(); });
          looks_at_ = std::max(kLooksAtFirst, 2 * waiting_.size());
        }
        auto waiting = std::make_shared<const std::function<void()>>(std::move(then));
        waiting_.push_back(waiting);
        return waiting;
      }
    }
    then();
    return nullptr;
  }

  // Nobody is called any more of those who wait now.
  void forget() {
    const std::lock_guard lock(mutex_);
    waiting_.clear();
  }
  [[nodiscard]] std::size_t waiting() const {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(std::ranges::count_if(waiting_, [](const auto& one) { return !one.expired(); }));
  }

 private:
  static constexpr std::size_t kLooksAtFirst = 64;

  mutable std::mutex mutex_;
  std::atomic<bool> is_complete_;  // changes under the lock
  std::vector<std::weak_ptr<const std::function<void()>>> waiting_;
  std::size_t looks_at_ = kLooksAtFirst;  // so many: those that nobody waits for are dropped
};

}  // namespace earshot::actors
