#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "client/client.hpp"

namespace earshot::client {

// Runs the application's handlers: at once on the caller's thread (the runtime's), or on the application's executor.
// After close() none runs any more.
//
// Thread safety: run() on the runtime's thread, close() from any.
class Announcer {
 public:
  Announcer(Handlers handlers, Executor executor)
      : state_(std::make_shared<State>(std::move(handlers))), executor_(std::move(executor)) {}

  [[nodiscard]] const Handlers& handlers() const { return state_->handlers; }

  // Calls task(handlers), then then(), on the same thread; neither after close().
  template <class Task, class Then>
  void run(Task&& task, Then&& then) {
    if (executor_) {
      executor_([state = state_, task = std::forward<Task>(task), then = std::forward<Then>(then)]() mutable {
        if (state->run(task)) then();
      });
    } else {
      if (state_->run(task)) then();
    }
  }
  template <class Task>
  void run(Task&& task) {
    run(std::forward<Task>(task), [] {});
  }

  // Returns when no handler runs; at once when called from a handler.
  void close() {
    const bool from_handler = state_->runner.load() == std::this_thread::get_id();
    state_->closed = true;
    if (!from_handler) const std::lock_guard wait(state_->running);
  }

 private:
  struct State {
    explicit State(Handlers h) : handlers(std::move(h)) {}
    template <class Task>
    bool run(Task& task) {
      const std::lock_guard lock(running);
      if (closed) return false;
      runner = std::this_thread::get_id();
      task(handlers);
      runner = std::thread::id();
      return true;
    }
    const Handlers handlers;
    std::mutex running;  // held while a handler runs
    std::atomic<std::thread::id> runner;
    std::atomic<bool> closed = false;
  };

  std::shared_ptr<State> state_;
  Executor executor_;
};

}  // namespace earshot::client
