#pragma once

#include <chrono>
#include <functional>
#include <thread>

namespace earshot::tests {

// Whether the condition comes to hold within ten seconds: for what other threads and real sockets bring about. The time
// is a bound for failure, not a pace: it looks again every millisecond.
inline bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace earshot::tests
