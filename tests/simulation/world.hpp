#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "tests/simulation/machine.hpp"
#include "tests/simulation/trace.hpp"

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
  World(std::uint64_t seed, Trace::Line line) : random_(seed), trace_(std::move(line)) {}
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

  void add(Machine& machine) { machines_.push_back(&machine); }
  void remove(Machine& machine) { std::erase(machines_, &machine); }

  // Steps until the time has come; the world stands there then.
  void run_until(std::uint64_t time_ms);

 private:
  using Events = std::multimap<std::uint64_t, std::function<void()>>;

  bool step();  // false: nothing can be done now
  void run_job(std::size_t choice);
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
  std::vector<Machine*> machines_;
  std::vector<std::pair<Machine*, std::size_t>> jobs_;  // actors that may run, each with its place in its machine
};

}  // namespace earshot::simulation
