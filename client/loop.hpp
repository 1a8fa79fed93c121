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

namespace earshot::client {

// The event loop behind a Runtime: a thread, a queue of tasks for it, and a doorbell that is rung only when the queue
// turns non-empty while the loop sleeps.
//
// Thread safety: post() and is_current_thread() from any thread; the rest on the loop's own.
class Loop final : public std::enable_shared_from_this<Loop>, private kj::TaskSet::ErrorHandler {
 public:
  static Result<std::shared_ptr<Loop>> start();
  ~Loop() = default;

  // Runs the task on the loop's thread, after those posted before. Dropped when the loop has ended.
  void post(std::function<void()> task);
  // Ends the loop when nothing is queued and nobody holds it any more; waits for its thread unless called on it.
  void stop();
  // What needs the loop to the end of its own life holds it. release() on the loop's thread.
  void hold() { ++holds_; }
  void release();
  [[nodiscard]] bool is_current_thread() const { return std::this_thread::get_id() == thread_id_.load(); }

  [[nodiscard]] std::thread::id thread_id() const { return thread_id_.load(); }

  void after(std::uint64_t delay_ms, std::function<void()> task);
  [[nodiscard]] kj::Network& network() { return io_->provider->getNetwork(); }

 private:
  Loop() = default;
  void run(std::promise<Status>& started);
  void run_until_stopped();
  void taskFailed(kj::Exception&& exception) override;

  std::thread thread_;
  std::atomic<std::thread::id> thread_id_;

  std::mutex mutex_;
  std::vector<std::function<void()>> queue_;
  kj::Own<kj::CrossThreadPromiseFulfiller<void>> doorbell_;  // set while the loop sleeps
  bool stopping_ = false;
  bool ended_ = false;
  std::atomic<std::size_t> holds_ = 0;

  // Live while the thread runs, on its stack.
  kj::AsyncIoContext* io_ = nullptr;
  kj::TaskSet* timers_ = nullptr;
};

}  // namespace earshot::client
