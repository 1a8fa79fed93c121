#include "tests/simulation/world.hpp"

#include <algorithm>

namespace earshot::simulation {

void World::at(std::uint64_t time_ms, std::function<void()> task) {
  events_.emplace(std::max(time_ms, now_ms_), std::move(task));
}

void World::run_until(std::uint64_t time_ms) {
  while (now_ms_ < time_ms) {
    if (step()) continue;
    advance(std::min(time_ms, next_event_ms()));
  }
}

void World::collect_jobs() {
  jobs_.clear();
  for (Machine* machine : machines_) {
    for (const std::size_t job : machine->collect_jobs()) jobs_.emplace_back(machine, job);
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
    run_job(choice);
  } else if (choice < jobs_.size() + ready_.size()) {
    Runnable& runnable = *ready_[choice - jobs_.size()];
    note("client", runnable.id());
    runnable.run_one();
  } else {
    run_event();
  }
  return true;
}

void World::run_job(std::size_t choice) {
  const auto [machine, job] = jobs_[choice];
  note("actor", machine->actor_at(job));
  machine->run(job);
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
  for (Machine* machine : machines_) next = std::min(next, machine->next_timer_ms());
  return std::max(next, now_ms_);
}

void World::advance(std::uint64_t time_ms) {
  now_ms_ = time_ms;
  for (Machine* machine : machines_) machine->advance(time_ms);
}

}  // namespace earshot::simulation
