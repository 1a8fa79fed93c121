#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <kj/async-io.h>

#include "base/error.hpp"
#include "client/loop.hpp"

namespace earshot::client {

// The product's loop: a thread with a KJ event loop, a queue of tasks for it, and a doorbell that is rung only when the
// queue turns non-empty while the loop sleeps.
class KjLoop final : public Loop, public std::enable_shared_from_this<KjLoop>, private kj::TaskSet::ErrorHandler {
 public:
  static Result<std::shared_ptr<KjLoop>> start();
  ~KjLoop() noexcept override = default;

  void post(std::function<void()> task) override;
  void stop() override;
  void hold() override { ++holds_; }
  void release() override;
  [[nodiscard]] std::thread::id thread_id() const override { return thread_id_.load(); }

  void after(std::uint64_t delay_ms, std::function<void()> task) override;
  [[nodiscard]] const Clock& clock() const override { return clock_; }
  Random random() override { return Random::from_system(); }
  std::unique_ptr<Link> make_link(const Options& options, const std::string& address, LinkEvents& events) override;

  [[nodiscard]] kj::AsyncIoProvider& io() { return *io_->provider; }

 private:
  KjLoop() = default;
  void run(std::promise<Status>& started);
  void run_until_stopped();
  void ring();  // holding mutex_
  void taskFailed(kj::Exception&& exception) override;

  const SystemClock clock_{};
  std::thread thread_;
  std::atomic<std::thread::id> thread_id_;

  std::mutex mutex_;
  std::vector<std::function<void()>> queue_;
  // Set while the loop sleeps: for other threads, and for what runs on its own meanwhile.
  kj::Own<kj::CrossThreadPromiseFulfiller<void>> doorbell_;
  kj::Own<kj::PromiseFulfiller<void>> own_bell_;
  bool stopping_ = false;
  bool ended_ = false;
  std::atomic<std::size_t> holds_ = 0;

  // Live while the thread runs, on its stack.
  kj::AsyncIoContext* io_ = nullptr;
  kj::TaskSet* timers_ = nullptr;
};

}  // namespace earshot::client
