#include "tests/simulation/world.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <caf/all.hpp>
#include <caf/scheduler/test_coordinator.hpp>

namespace earshot::simulation {
namespace {

caf::actor_id actor_of(caf::resumable* job) {
  const auto* actor = dynamic_cast<caf::local_actor*>(job);
  return actor != nullptr ? actor->id() : caf::invalid_actor_id;
}

}  // namespace

World::World(std::uint64_t seed, Trace::Line line)
    : random_(seed),
      trace_(std::move(line)),
      config_(actors::SystemConfig::simulated()),
      system_(config_),
      scheduler_(dynamic_cast<caf::scheduler::test_coordinator&>(system_.scheduler())),
      caf_start_(scheduler_.clock().current_time) {
  system_.await_actors_before_shutdown(false);
}

World::~World() { drain_actors(); }

void World::at(std::uint64_t time_ms, std::function<void()> task) {
  events_.emplace(std::max(time_ms, now_ms_), std::move(task));
}

void World::drain_actors() {
  while (scheduler_.try_run_once()) {
  }
}

void World::run_until(std::uint64_t time_ms) {
  while (now_ms_ < time_ms) {
    if (step()) continue;
    advance(std::min(time_ms, next_event_ms()));
  }
}

void World::collect_jobs() {
  jobs_.clear();
  for (std::size_t i = 0; i < scheduler_.jobs.size(); ++i) {
    if (!may_run_ || may_run_(actor_of(scheduler_.jobs[i]))) jobs_.push_back(i);
  }
}

bool World::step() {
  collect_jobs();
  ready_.clear();
  for (Runnable* runnable : runnables_) {
    if (runnable->ready()) ready_.push_back(runnable);
  }
  const bool due = !events_.empty() && events_.begin()->first <= now_ms_;
  const std::size_t choices = jobs_.size() + ready_.size() + (due ? 1 : 0);
  if (choices == 0) return false;
  ++steps_;
  const std::size_t choice = choices == 1 ? 0 : random_.below(choices);
  if (choice < jobs_.size()) {
    run_job(jobs_[choice]);
  } else if (choice < jobs_.size() + ready_.size()) {
    Runnable& runnable = *ready_[choice - jobs_.size()];
    note("client", runnable.id());
    runnable.run_one();
  } else {
    run_event();
  }
  return true;
}

void World::run_job(std::size_t index) {
  auto& jobs = scheduler_.jobs;
  std::rotate(jobs.begin(), jobs.begin() + static_cast<std::ptrdiff_t>(index),
              jobs.begin() + static_cast<std::ptrdiff_t>(index) + 1);
  const caf::actor_id actor = actor_of(jobs.front());
  note("actor", actor);
  scheduler_.try_run_once();
  if (after_turn_) after_turn_(actor);
}

void World::run_event() {
  const auto event = events_.begin();
  const std::function<void()> task = std::move(event->second);
  events_.erase(event);
  note("event");
  task();
}

std::uint64_t World::next_event_ms() {
  std::uint64_t next = events_.empty() ? UINT64_MAX : events_.begin()->first;
  const auto& timers = scheduler_.clock().schedule();
  if (!timers.empty()) {
    const auto due = std::chrono::ceil<std::chrono::milliseconds>(timers.begin()->first - caf_start_).count();
    next = std::min(next, static_cast<std::uint64_t>(std::max<std::int64_t>(due, 0)));
  }
  return std::max(next, now_ms_);
}

void World::advance(std::uint64_t time_ms) {
  now_ms_ = time_ms;
  const auto target = caf_start_ + std::chrono::milliseconds(time_ms);
  scheduler_.clock().advance_time(target - scheduler_.clock().current_time);
}

}  // namespace earshot::simulation
