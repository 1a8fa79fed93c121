#pragma once

#include <vector>

#include <caf/policy/unprofiled.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>
#include <caf/scheduler/coordinator.hpp>

#include "actors/job_queue.hpp"

namespace earshot::actors {

// How CAF's threads share the actors that have something to do: as its own policy "sharing" does, with one queue, but
// with fewer wake-ups. A private header of node_system.
// Whose actors a thread runs.
struct RunsHere {
  JobQueue* queue = nullptr;
  JobQueue::Place* place = nullptr;  // null: as a worker
};

// Actors of this thread's SentTogether.
struct HeldJobs {
  bool holds = false;
  JobQueue* queue = nullptr;
  std::vector<caf::resumable*> jobs;
};

class SharedJobs : public caf::policy::unprofiled {
 public:
  struct coordinator_data {  // NOLINT(readability-identifier-naming): CAF's names from here on
    explicit coordinator_data(caf::scheduler::abstract_coordinator*) {}
    JobQueue jobs;
  };
  struct worker_data {  // NOLINT(readability-identifier-naming)
    explicit worker_data(caf::scheduler::abstract_coordinator*) {}
  };

  template <class Coordinator>
  void central_enqueue(Coordinator* coordinator, caf::resumable* job) {
    // A message sent from no actor's name comes in here, too.
    JobQueue& jobs = d(coordinator).jobs;
    if (held_.holds && (held_.queue == nullptr || held_.queue == &jobs)) {
      held_.queue = &jobs;
      held_.jobs.push_back(job);
      return;
    }
    if (here_.queue != &jobs) return jobs.push(job);
    here_.place != nullptr ? jobs.push_own(job, *here_.place) : jobs.push_own(job);
  }
  template <class Worker>
  void external_enqueue(Worker* worker, caf::resumable* job) {
    d(worker->parent()).jobs.push(job);
  }
  template <class Worker>
  void internal_enqueue(Worker* worker, caf::resumable* job) {
    d(worker->parent()).jobs.push_own(job);
  }
  template <class Worker>
  void resume_job_later(Worker* worker, caf::resumable* job) {
    d(worker->parent()).jobs.push_own(job);
  }
  template <class Worker>
  caf::resumable* dequeue(Worker* worker) {
    JobQueue& jobs = d(worker->parent()).jobs;
    if (here_.queue != &jobs) {
      here_ = {&jobs, nullptr};
      jobs.add_worker();
    }
    return jobs.pop();
  }
  template <class Worker, class Visit>
  void foreach_resumable(Worker*, Visit) {}
  template <class Coordinator, class Visit>
  void foreach_central_resumable(Coordinator* coordinator, Visit visit) {
    while (auto* const job = d(coordinator).jobs.try_pop()) visit(job);
  }
  static RunsHere& here() { return here_; }
  static HeldJobs& held() { return held_; }

 private:
  static inline thread_local RunsHere here_;
  static inline thread_local HeldJobs held_;
};

using SharedJobsScheduler = caf::scheduler::coordinator<SharedJobs>;

}  // namespace earshot::actors
