#pragma once

#include <memory>

#include "base/error.hpp"

namespace earshot::client {

class Loop;

// One background thread with an event loop, shared by any number of clients (a load generator runs ten thousand on
// one).
//
// Thread safety: any thread. A client keeps its runtime alive; the thread ends when the last of both is gone.
class Runtime {
 public:
  // Starts the thread. kInternal when the system refuses one.
  static Result<std::shared_ptr<Runtime>> start();
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  // Whether the caller runs on the loop's thread, as a handler without an executor does.
  [[nodiscard]] bool is_current_thread() const;

  // For the library itself and for simulations, which bring a loop of their own.
  explicit Runtime(std::shared_ptr<Loop> loop) : loop_(std::move(loop)) {}
  [[nodiscard]] const std::shared_ptr<Loop>& loop() const { return loop_; }

 private:
  std::shared_ptr<Loop> loop_;
};

}  // namespace earshot::client
