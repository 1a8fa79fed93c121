#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

#include "gateway/listener.hpp"
#include "watch/health.hpp"
#include "watch/metrics_page.hpp"
#include "watch/watcher.hpp"

namespace earshot::watch {

enum class Phase : std::uint8_t { kStarting, kServing, kStopping };

// What the http port's thread and those who tell it of the node share. Thread-safe.
struct Watched {
  MetricsPage metrics;
  Readiness readiness;
  std::atomic<Phase> phase{Phase::kStarting};

  void set_ping(Watcher::Ping given) {
    const std::lock_guard lock(mutex_);
    ping_ = std::move(given);
  }
  [[nodiscard]] Watcher::Ping ping() const {
    const std::lock_guard lock(mutex_);
    return ping_;
  }

 private:
  mutable std::mutex mutex_;
  Watcher::Ping ping_;
};

// Serves on the calling thread until what `ready` was given is called, from any thread and once.
void serve_http(gateway::Listener listener, const WatchOptions& options, Watched& watched,
                const std::function<void(std::function<void()> stop)>& ready);

}  // namespace earshot::watch
