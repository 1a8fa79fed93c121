#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <thread>

#include "base/clock.hpp"
#include "client/connection.hpp"
#include "client/kj_loop.hpp"

namespace earshot::tests {

// The product's loop with its real sockets, on a clock that moves only when told to.
class VirtualLoop final : public client::Loop, public std::enable_shared_from_this<VirtualLoop> {
 public:
  void post(std::function<void()> task) override { loop_->post(std::move(task)); }
  void stop() override { loop_->stop(); }
  void hold() override { loop_->hold(); }
  void release() override { loop_->release(); }
  [[nodiscard]] std::thread::id thread_id() const override { return loop_->thread_id(); }
  void after(std::uint64_t delay_ms, std::function<void()> task) override {
    timers_.emplace(clock_.monotonic_ms() + delay_ms, std::move(task));
  }
  [[nodiscard]] const Clock& clock() const override { return clock_; }
  Random random() override { return loop_->random(); }
  std::unique_ptr<client::Link> make_link(const client::Options& options, const std::string& address,
                                          client::LinkEvents& events) override {
    return std::make_unique<client::Connection>(shared_from_this(), loop_->io(), events, options, address);
  }

  // Lets time pass; returns when all that was due by then has run, each at its time.
  void advance(std::uint64_t ms) {
    std::promise<void> done;
    post([&] {
      const std::uint64_t until_ms = clock_.monotonic_ms() + ms;
      while (!timers_.empty() && timers_.begin()->first <= until_ms) {
        const auto next = timers_.extract(timers_.begin());
        clock_.now_ms = std::max(clock_.now_ms.load(), next.key());
        next.mapped()();
      }
      clock_.now_ms = until_ms;
      done.set_value();
    });
    done.get_future().wait();
  }
  [[nodiscard]] std::uint64_t now_ms() const { return clock_.monotonic_ms(); }

 private:
  struct AnyThreadClock final : Clock {
    [[nodiscard]] std::uint64_t monotonic_ms() const override { return now_ms; }
    [[nodiscard]] std::uint64_t wall_ms() const override { return 1'700'000'000'000 + now_ms; }
    std::atomic<std::uint64_t> now_ms = 1'000;
  };

  AnyThreadClock clock_;
  std::multimap<std::uint64_t, std::function<void()>> timers_;  // by when they are due; on the loop's thread
  const std::shared_ptr<client::KjLoop> loop_ = client::KjLoop::start().value();
};

}  // namespace earshot::tests
