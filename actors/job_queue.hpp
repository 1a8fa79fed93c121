#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>

#include <caf/resumable.hpp>

namespace earshot::actors {

// The actors that have something to do, for all threads that run them, first come, first served. Waking a thread costs
// more than most turns of an actor take, so one that sleeps is woken only for what those that are awake, or are being
// woken, do not come to soon:
//
//  * a thread that adds a job during its own turn comes for it next: there have to be several before another is woken;
//  * a thread on its way comes for several: only for more there is one more;
//  * a thread that takes a job looks in the same way at what it leaves.
//
// So a few jobs may wait for the end of a turn while a thread sleeps; any that comes from outside wakes it. Jobs must
// not wait for one another.
//
// Invariant: while there is a job, a thread is awake, or on its way. Any thread.
class JobQueue {
 public:
  // From a thread that runs actors, in its turn: it calls pop() afterwards.
  void push_own(caf::resumable* job) { push(job, kTakenNext); }
  // From any other.
  void push(caf::resumable* job) { push(job, 0); }
  // Waits until there is a job.
  caf::resumable* pop();
  // nullptr: there is none.
  caf::resumable* try_pop();

  // How often a thread was woken.
  [[nodiscard]] std::uint64_t wakes() const;

 private:
  // By measurement: waking takes as long as a few turns (docs/decisions/2026-11-28-speed-of-one-node.md).
  static constexpr std::size_t kJobsPerWake = 8;  // that a thread on its way comes for
  static constexpr std::size_t kTakenNext = 4;    // that a thread takes which is awake

  void push(caf::resumable* job, std::size_t taken_soon);
  [[nodiscard]] bool wakes_another(std::size_t taken_soon);
  caf::resumable* take_first();

  mutable std::mutex mutex_;
  std::condition_variable woken_;
  std::deque<caf::resumable*> jobs_;
  std::size_t sleeping_ = 0;
  std::size_t on_their_way_ = 0;  // of those that sleep
  std::uint64_t wakes_ = 0;
};

}  // namespace earshot::actors
