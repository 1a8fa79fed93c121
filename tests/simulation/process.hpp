#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "client/loop.hpp"
#include "tests/simulation/network.hpp"
#include "tests/simulation/world.hpp"

namespace earshot::simulation {

// One run of a client's program: its event loop, its clock, and whether it lives. Dead, it does nothing any more and
// whatever still points to it leads nowhere.
class Process final : public client::Loop, public Runnable, public std::enable_shared_from_this<Process> {
 public:
  Process(World& world, Network& network, ProcessClock& clock, std::uint64_t id, Random random)
      : world_(world), network_(network), clock_(clock), id_(id), random_(std::move(random)) {
    world_.add(*this);
  }
  ~Process() override { world_.remove(*this); }

  // ---- Loop
  void post(std::function<void()> task) override {
    if (alive_) tasks_.push_back(std::move(task));
  }
  void stop() override {}
  void hold() override { ++holds_; }
  void release() override {
    if (--holds_ == 0) world_.after(0, ended);
  }
  [[nodiscard]] std::thread::id thread_id() const override { return std::this_thread::get_id(); }
  void after(std::uint64_t delay_ms, std::function<void()> task) override {
    world_.after(delay_ms, [weak = weak_from_this(), task = std::move(task)] {
      if (const auto self = weak.lock()) self->post(task);
    });
  }
  [[nodiscard]] const Clock& clock() const override { return clock_; }
  Random random() override { return Random(random_.next()); }
  std::unique_ptr<client::Link> make_link(const client::Options& options, const std::string& address,
                                          client::LinkEvents& events) override {
    return network_.make_link(shared_from_this(), options, address, events);
  }

  // ---- for the checkers: what the server has told this client
  std::function<void(const Welcome&)> welcomed = [](const Welcome&) {};
  std::function<void(Sequence cursor)> acked = [](Sequence) {};

  // ---- for the application: a client that closes uses its store until it has ended
  [[nodiscard]] bool is_used() const { return alive_ && holds_ > 0; }
  std::function<void()> ended = [] {};

  // ---- Runnable
  [[nodiscard]] bool ready() const override { return !tasks_.empty() && world_.now_ms() >= paused_until_ms_; }
  void run_one() override {
    const std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    task();
  }
  [[nodiscard]] std::uint64_t id() const override { return id_; }

  // ---- faults
  void pause_until(std::uint64_t time_ms) {
    paused_until_ms_ = time_ms;
    world_.at(time_ms, [] {});
  }
  void die(bool power_off) {
    alive_ = false;
    powered_off_ = power_off;
    // A task may own what posts again, or what ends others.
    std::exchange(tasks_, {}).clear();
  }
  [[nodiscard]] bool alive() const { return alive_; }
  [[nodiscard]] bool powered_off() const { return powered_off_; }

 private:
  World& world_;
  Network& network_;
  ProcessClock& clock_;
  const std::uint64_t id_;
  Random random_;
  std::deque<std::function<void()>> tasks_;
  std::uint64_t paused_until_ms_ = 0;
  std::size_t holds_ = 0;
  bool alive_ = true;
  bool powered_off_ = false;
};

}  // namespace earshot::simulation
