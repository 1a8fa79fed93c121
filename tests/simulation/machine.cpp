#include "tests/simulation/machine.hpp"

#include <algorithm>

#include <caf/all.hpp>
#include <caf/scheduler/test_coordinator.hpp>

#include "tests/simulation/world.hpp"

namespace earshot::simulation {

Machine::Machine(World& world)
    : world_(world),
      config_(actors::SystemConfig::simulated()),
      system_(config_),
      scheduler_(dynamic_cast<caf::scheduler::test_coordinator&>(system_.scheduler())),
      start_(scheduler_.clock().current_time - std::chrono::milliseconds(world.now_ms())) {
  system_.await_actors_before_shutdown(false);
  world_.add(*this);
}

Machine::~Machine() {
  drain();
  world_.remove(*this);
}

void Machine::drain() {
  while (scheduler_.try_run_once()) {
  }
}

caf::actor_id Machine::actor_of(caf::resumable* job) {
  const auto* actor = dynamic_cast<caf::local_actor*>(job);
  return actor != nullptr ? actor->id() : caf::invalid_actor_id;
}

caf::actor_id Machine::actor_at(std::size_t job) const { return actor_of(scheduler_.jobs[job]); }

const std::vector<std::size_t>& Machine::collect_jobs() {
  jobs_.clear();
  for (std::size_t i = 0; i < scheduler_.jobs.size(); ++i) {
    if (!may_run_ || may_run_(actor_at(i))) jobs_.push_back(i);
  }
  return jobs_;
}

void Machine::run(std::size_t job) {
  auto& jobs = scheduler_.jobs;
  const caf::actor_id actor = actor_at(job);
  std::rotate(jobs.begin(), jobs.begin() + static_cast<std::ptrdiff_t>(job),
              jobs.begin() + static_cast<std::ptrdiff_t>(job) + 1);
  scheduler_.try_run_once();
  if (after_turn_) after_turn_(actor);
}

std::uint64_t Machine::next_timer_ms() {
  const auto& timers = scheduler_.clock().schedule();
  if (timers.empty()) return UINT64_MAX;
  const auto due = std::chrono::ceil<std::chrono::milliseconds>(timers.begin()->first - start_).count();
  return static_cast<std::uint64_t>(std::max<std::int64_t>(due, 0));
}

void Machine::advance(std::uint64_t now_ms) {
  const auto target = start_ + std::chrono::milliseconds(now_ms);
  scheduler_.clock().advance_time(target - scheduler_.clock().current_time);
}

}  // namespace earshot::simulation
