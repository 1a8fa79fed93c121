#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include <kj/async-unix.h>
#include <kj/io.h>
#include <kj/timer.h>

namespace earshot::gateway {

// Says a thing at most once per second: for what a flood of clients can cause.
class RareLog {
 public:
  explicit RareLog(kj::Timer& timer) : timer_(timer) {}
  [[nodiscard]] bool due();

 private:
  kj::Timer& timer_;
  std::optional<kj::TimePoint> last_;
};

// Accepts connections from a listening socket and hands them on. Out of file descriptors it waits and tries again,
// since connections that wait already ring no further bell. KJ thread only.
class Acceptor {
 public:
  // `take` gets a connected, non-blocking socket.
  Acceptor(kj::UnixEventPort& port, kj::Timer& timer, kj::AutoCloseFd listener,
           std::function<void(kj::AutoCloseFd)> take);

  // Runs until it is dropped.
  kj::Promise<void> run();

 private:
  enum class Outcome { kTaken, kNoneWaiting, kRetryLater };
  Outcome accept_one();

  kj::Timer& timer_;
  kj::AutoCloseFd listener_;
  kj::UnixEventPort::FdObserver observer_;
  std::function<void(kj::AutoCloseFd)> take_;
  RareLog failures_;
};

}  // namespace earshot::gateway
