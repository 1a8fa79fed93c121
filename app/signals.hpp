#pragma once

#include <functional>
#include <thread>

namespace earshot::app {

// Calls `interrupted` once, on a thread of its own, when SIGINT or SIGTERM arrives. Make it before other threads start:
// the signals are blocked in this thread and in those that it starts from then on.
class SignalWatch {
 public:
  explicit SignalWatch(std::function<void()> interrupted);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  int end_ = -1;  // an eventfd that ends the thread
  std::thread thread_;
};

}  // namespace earshot::app
