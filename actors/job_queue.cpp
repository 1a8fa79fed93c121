#include "actors/job_queue.hpp"

namespace earshot::actors {

void JobQueue::push(caf::resumable* job, std::size_t taken_soon) {
  bool wakes = false;
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(job);
    wakes = wakes_another(taken_soon);
  }
  if (wakes) woken_.notify_one();
}

bool JobQueue::wakes_another(std::size_t taken_soon) {
  if (sleeping_ == on_their_way_ || jobs_.size() <= taken_soon + kJobsPerWake * on_their_way_) return false;
  ++on_their_way_;
  ++wakes_;
  return true;
}

caf::resumable* JobQueue::pop() {
  std::unique_lock lock(mutex_);
  while (jobs_.empty()) {
    ++sleeping_;
    woken_.wait(lock);
    --sleeping_;
    // One that wakes by itself passes for one that was woken: that one finds its job, or sleeps on.
    if (on_their_way_ > 0) --on_their_way_;
  }
  caf::resumable* const job = take_first();
  const bool wakes = wakes_another(kTakenNext);
  lock.unlock();
  if (wakes) woken_.notify_one();
  return job;
}

caf::resumable* JobQueue::try_pop() {
  const std::lock_guard lock(mutex_);
  return jobs_.empty() ? nullptr : take_first();
}

caf::resumable* JobQueue::take_first() {
  caf::resumable* const job = jobs_.front();
  jobs_.pop_front();
  return job;
}

std::uint64_t JobQueue::wakes() const {
  const std::lock_guard lock(mutex_);
  return wakes_;
}

}  // namespace earshot::actors
