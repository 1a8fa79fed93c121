#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include <caf/actor_system.hpp>
#include <caf/fwd.hpp>

#include "actors/node_system.hpp"
#include "base/clock.hpp"
#include "base/random.hpp"
#include "tests/simulation/trace.hpp"

namespace caf::scheduler {
class test_coordinator;
}

namespace earshot::simulation {

// Something that has tasks of its own and does one when it is its turn: a client's event loop.
class Runnable {
 public:
  virtual ~Runnable() = default;
  [[nodiscard]] virtual bool ready() const = 0;
  virtual void run_one() = 0;
  [[nodiscard]] virtual std::uint64_t id() const = 0;
};

// A process's view of time: the world's, with a wall clock that can be wrong.
class ProcessClock final : public Clock {
 public:
  explicit ProcessClock(const std::uint64_t& now_ms) : now_ms_(now_ms) {}
  [[nodiscard]] std::uint64_t monotonic_ms() const override { return now_ms_; }
  [[nodiscard]] std::uint64_t wall_ms() const override {
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(kWallStartMs + now_ms_) + wall_offset_ms_);
  }
  void jump_wall(std::int64_t ms) { wall_offset_ms_ += ms, ++jumps_; }
  void set_wall_right() { wall_offset_ms_ = 0, ++jumps_; }
  [[nodiscard]] std::uint64_t jumps() const { return jumps_; }
  void limit_wall_error(std::int64_t ms) { wall_offset_ms_ = std::clamp(wall_offset_ms_, -ms, ms); }

 private:
  static constexpr std::uint64_t kWallStartMs = 1'700'000'000'000;
  const std::uint64_t& now_ms_;
  std::int64_t wall_offset_ms_ = 0;
  std::uint64_t jumps_ = 0;
};

// Time, chance and turns. Everything that happens is a step: an actor takes a message, a client's loop does a task, or
// a timed event (a frame arrives, a timer fires, a fault strikes). Which one comes next is drawn from the seed; time
// goes on only when nothing can be done now. Timed events keep their order. One thread.
class World {
 public:
  World(std::uint64_t seed, Trace::Line line);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  [[nodiscard]] const std::uint64_t& now_ms() const { return now_ms_; }
  [[nodiscard]] std::uint64_t steps() const { return steps_; }
  // A new source of chance, of this seed.
  Random fork() { return Random(random_.next()); }
  Trace& trace() { return trace_; }
  void note(std::string_view what, std::uint64_t a = 0, std::uint64_t b = 0) { trace_.note(now_ms_, what, a, b); }

  void at(std::uint64_t time_ms, std::function<void()> task);
  void after(std::uint64_t delay_ms, std::function<void()> task) { at(now_ms_ + delay_ms, std::move(task)); }

  void add(Runnable& runnable) { runnables_.push_back(&runnable); }
  void remove(Runnable& runnable) { std::erase(runnables_, &runnable); }

  [[nodiscard]] caf::actor_system& actors() { return system_; }
  // Actors for which this is false stay where they are; whoever lets them go on wakes the world with an event.
  void set_may_run(std::function<bool(caf::actor_id)> may_run) { may_run_ = std::move(may_run); }
  // Called after each message that an actor took.
  void set_after_turn(std::function<void(caf::actor_id)> after_turn) { after_turn_ = std::move(after_turn); }
  // Lets every actor take what it has, whatever may_run says: for the end of a node.
  void drain_actors();

  // Steps until the time has come; the world stands there then.
  void run_until(std::uint64_t time_ms);

 private:
  using Events = std::multimap<std::uint64_t, std::function<void()>>;

  bool step();  // false: nothing can be done now
  void run_job(std::size_t index);
  void run_event();
  void advance(std::uint64_t time_ms);
  [[nodiscard]] std::uint64_t next_event_ms();
  void collect_jobs();

  Random random_;
  Trace trace_;
  std::uint64_t now_ms_ = 0;
  std::uint64_t steps_ = 0;
  Events events_;
  std::vector<Runnable*> runnables_;
  std::vector<Runnable*> ready_;
  std::vector<std::size_t> jobs_;  // places of the actors that may run in the scheduler's queue
  std::function<bool(caf::actor_id)> may_run_;
  std::function<void(caf::actor_id)> after_turn_;

  actors::SystemConfig config_;
  caf::actor_system system_;
  caf::scheduler::test_coordinator& scheduler_;
  std::chrono::steady_clock::time_point caf_start_;
};

}  // namespace earshot::simulation
