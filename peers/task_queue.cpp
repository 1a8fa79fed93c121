#include "peers/task_queue.hpp"

#include <utility>

#include "base/error.hpp"

namespace earshot::peers {

void TaskQueue::post(std::function<void()> task) {
  kj::Own<kj::CrossThreadPromiseFulfiller<void>> bell;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    tasks_.push_back(std::move(task));
    if (bell_.get() == nullptr) return;
    if (std::this_thread::get_id() == thread_) {
      if (own_bell_.get() != nullptr) std::exchange(own_bell_, nullptr)->fulfill();
      return;
    }
    bell = std::move(bell_);
  }
  bell->fulfill();
}

kj::Promise<void> TaskQueue::wait() {
  const std::lock_guard lock(mutex_);
  EARSHOT_INVARIANT(bell_.get() == nullptr, "one wait at a time");
  thread_ = std::this_thread::get_id();
  if (!tasks_.empty()) return kj::evalLater([] {});
  auto from_elsewhere = kj::newPromiseAndCrossThreadFulfiller<void>();
  auto from_here = kj::newPromiseAndFulfiller<void>();
  bell_ = kj::mv(from_elsewhere.fulfiller);
  own_bell_ = kj::mv(from_here.fulfiller);
  return from_elsewhere.promise.exclusiveJoin(kj::mv(from_here.promise));
}

kj::Promise<void> TaskQueue::run() {
  return wait().then([this] {
    std::vector<std::function<void()>> tasks;
    kj::Own<kj::CrossThreadPromiseFulfiller<void>> bell;  // dropped without the lock
    {
      const std::lock_guard lock(mutex_);
      bell = std::move(bell_);
      own_bell_ = nullptr;
      tasks.swap(tasks_);
    }
    for (const auto& task : tasks) task();
    return run();
  });
}

void TaskQueue::close() {
  std::vector<std::function<void()>> dropped;  // what they hold may post again
  kj::Own<kj::CrossThreadPromiseFulfiller<void>> bell;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    dropped.swap(tasks_);
    bell = std::move(bell_);
    own_bell_ = nullptr;
  }
}

}  // namespace earshot::peers
