#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <span>
#include <vector>

#include <caf/resumable.hpp>

#include "actors/helper.hpp"

namespace earshot::actors {

// The actors that have something to do, for all threads that run them, first come, first served. Waking a thread costs
// more than most turns of an actor take, so one that sleeps is woken only for what those that are awake, or are being
// woken, do not come to soon:
//
//  * a thread that adds a job during its own turn comes for it next: there have to be several before another is woken;
//  * a thread on its way comes for several: only for more there is one more;
//  * a thread that takes a job looks in the same way at what it leaves;
//  * while no worker is awake it is a helper that is asked: a thread that is awake for other reasons anyway, or will
//    have to be, to write out what the actors have to say.
//
// So a few jobs may wait for the end of a turn while a thread sleeps, a helper's turn, too, once it was asked. One that
// comes from outside while nobody was asked wakes a thread. Jobs must not wait for one another.
//
// Invariant: while there is a job, a thread is awake, or on its way. Any thread, unless said otherwise.
class JobQueue {
 public:
  // A helper's place in the queue.
  struct Place {
    Helper helper;
    bool comes = false;  // it was asked to, or it is at it
  };

  ~JobQueue();

  // ---- a worker: a thread that does nothing else
  void add_worker();
  // In its turn: it calls pop() afterwards.
  void push_own(caf::resumable* job) { push(job, kTakenNext); }
  // Waits until there is a job.
  caf::resumable* pop();

  // ---- a helper
  void add_helper(Place& place);
  void remove_helper(Place& place);
  // On its thread: the helper is told to run soon, unless it was.
  void push_own(caf::resumable* job, Place& place);
  // nullptr: there is none, and the helper needs not come before it is asked again.
  caf::resumable* pop(Place& place);

  // ---- any other thread
  void push(caf::resumable* job) { push(job, 0); }
  void push(std::span<caf::resumable* const> jobs);
  // nullptr: there is none.
  caf::resumable* try_pop();

  // How often a worker was woken, or a helper.
  [[nodiscard]] std::uint64_t wakes() const;

 private:
  // By measurement: waking takes as long as a few turns (docs/decisions/2026-11-28-speed-of-one-node.md).
  static constexpr std::size_t kJobsPerWake = 8;  // that a thread on its way comes for, or a helper
  static constexpr std::size_t kTakenNext = 4;    // that a thread takes which is awake

  // Who is to be woken, once the lock is let go.
  struct Wake {
    bool worker = false;
    std::function<void()> helper;
  };

  void push(caf::resumable* job, std::size_t taken_soon);
  [[nodiscard]] Wake wakes_another(std::size_t taken_soon);
  void give(const Wake& wake);
  caf::resumable* take_first();

  mutable std::mutex mutex_;
  std::condition_variable woken_;
  std::deque<caf::resumable*> jobs_;
  std::size_t workers_ = 0;
  std::size_t sleeping_ = 0;
  std::size_t on_their_way_ = 0;  // of those that sleep
  std::vector<Place*> helpers_;   // the one that helped last is at the end
  std::size_t coming_ = 0;        // of them
  std::uint64_t wakes_ = 0;
};

}  // namespace earshot::actors
