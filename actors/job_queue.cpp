#include "actors/job_queue.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"

namespace earshot::actors {

JobQueue::~JobQueue() { EARSHOT_INVARIANT(helpers_.empty(), "helpers end before the node does"); }

void JobQueue::add_worker() {
  const std::lock_guard lock(mutex_);
  ++workers_;
}

void JobQueue::push(caf::resumable* job, std::size_t taken_soon) {
  Wake wake;
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(job);
    wake = wakes_another(taken_soon);
  }
  give(wake);
}

void JobQueue::push(std::span<caf::resumable* const> jobs) {
  Wake wake;
  {
    const std::lock_guard lock(mutex_);
    jobs_.insert(jobs_.end(), jobs.begin(), jobs.end());
    wake = wakes_another(0);
  }
  give(wake);
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
  const Wake wake = wakes_another(kTakenNext);
  lock.unlock();
  give(wake);
  return job;
}

void JobQueue::add_helper(Place& place) {
  const std::lock_guard lock(mutex_);
  helpers_.push_back(&place);
}

void JobQueue::remove_helper(Place& place) {
  Wake wake;
  {
    const std::lock_guard lock(mutex_);
    std::erase(helpers_, &place);
    if (std::exchange(place.comes, false)) --coming_;
    wake = wakes_another(0);
  }
  give(wake);
}

void JobQueue::push_own(caf::resumable* job, Place& place) {
  Wake wake;
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(job);
    first = !std::exchange(place.comes, true);
    if (first) ++coming_;
    wake = wakes_another(0);
  }
  if (first) place.helper.run_soon();
  give(wake);
}

caf::resumable* JobQueue::pop(Place& place) {
  std::unique_lock lock(mutex_);
  if (jobs_.empty()) {
    if (std::exchange(place.comes, false)) --coming_;
    return nullptr;
  }
  if (!std::exchange(place.comes, true)) ++coming_;
  if (helpers_.back() != &place)
    std::iter_swap(std::find(helpers_.begin(), helpers_.end(), &place), helpers_.end() - 1);
  caf::resumable* const job = take_first();
  const Wake wake = wakes_another(0);
  lock.unlock();
  give(wake);
  return job;
}

caf::resumable* JobQueue::try_pop() {
  const std::lock_guard lock(mutex_);
  return jobs_.empty() ? nullptr : take_first();
}

JobQueue::Wake JobQueue::wakes_another(std::size_t taken_soon) {
  if (jobs_.size() <= taken_soon + kJobsPerWake * (on_their_way_ + coming_)) return {};
  const bool no_worker_awake = sleeping_ - on_their_way_ == workers_;
  if (no_worker_awake && coming_ == 0 && !helpers_.empty()) {
    helpers_.back()->comes = true;
    ++coming_;
    ++wakes_;
    return {false, helpers_.back()->helper.wake};
  }
  if (sleeping_ == on_their_way_) return {};
  ++on_their_way_;
  ++wakes_;
  return {true, {}};
}

void JobQueue::give(const Wake& wake) {
  if (wake.worker) woken_.notify_one();
  if (wake.helper) wake.helper();
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
