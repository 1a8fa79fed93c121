#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/error.hpp"
#include "base/limits.hpp"
#include "watch/health.hpp"
#include "watch/metrics_page.hpp"

namespace earshot::watch {

// The limits of the http port that nobody configures; tests tighten them.
struct WatchOptions {
  std::size_t connections_max = limits::kHttpConnectionsMax;
  std::size_t request_bytes_max = limits::kHttpRequestBytesMax;
  std::uint64_t request_timeout_ms = limits::kHttpRequestTimeoutMs;
  std::uint64_t idle_ms = limits::kHttpIdleMs;
  std::uint64_t write_timeout_ms = limits::kHttpWriteTimeoutMs;
  std::uint64_t reuse_ms = limits::kMetricsReuseMs;
  std::uint64_t health_timeout_ms = limits::kHealthTimeoutMs;
};

// The http port of a node, for whoever watches it:
//
//   /metrics   numbers, in Prometheus' text format                                200
//   /healthz   whether the process works: an actor answers in time                200, 503
//   /readyz    whether the node serves; what is missing, as JSON                  200, 503
//
// GET and HEAD only. It has a KJ thread of its own: gathering numbers holds up no client, and it tells that the
// threads of clients hang when they do. It can be there before the node is: until it is told otherwise by started(),
// the node is starting, which is alive and not ready.
//
// Thread-safe. What collectors and checks look at must outlive stop().
class Watcher {
 public:
  // Calls what it is given on a thread that runs actors, or lets go of it when there is none.
  using Ping = std::function<void(std::function<void()> done)>;

  // Listens and serves; port 0 lets the system pick one. kInvalidArgument(http_address), kUnavailable(http_port) with
  // the system's words.
  static Result<std::unique_ptr<Watcher>> start(const std::string& address, std::uint16_t port,
                                                const WatchOptions& options = {});
  virtual ~Watcher() = default;

  [[nodiscard]] virtual std::uint16_t port() const = 0;
  // Whoever adds to them is asked from then on.
  virtual MetricsPage& metrics() = 0;
  virtual Readiness& readiness() = 0;

  // The node serves, as far as its checks say so; `ping` is how /healthz finds out whether its actors run.
  virtual void started(Ping ping) = 0;
  // The node is about to stop: alive, and not ready.
  virtual void stopping() = 0;
  // Answers no more. Idempotent; the destructor calls it.
  virtual void stop() = 0;
};

}  // namespace earshot::watch
