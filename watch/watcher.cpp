#include "watch/watcher.hpp"

#include <future>
#include <mutex>
#include <thread>
#include <utility>

#include <kj/exception.h>
#include <kj/time.h>
#include <spdlog/spdlog.h>

#include "gateway/listener.hpp"
#include "watch/http_server.hpp"
#include "watch/process_metrics.hpp"

namespace earshot::watch {
namespace {

class ServingWatcher final : public Watcher {
 public:
  ServingWatcher(gateway::Listener listener, const WatchOptions& options) : port_(listener.port) {
    const auto began = std::chrono::steady_clock::now();
    watched_.metrics.add([began] {
      return process_metrics(read_process(),
                             std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
    });
    std::promise<std::function<void()>> ready;
    auto stop = ready.get_future();
    // Behind a pointer: KJ's destructors may throw, and what a thread is given may not.
    thread_ = std::thread([this, options, given = std::make_unique<gateway::Listener>(kj::mv(listener)), &ready] {
      try {
        serve_http(kj::mv(*given), options, watched_, [&](auto stop) { ready.set_value(std::move(stop)); });
      } catch (const kj::Exception& exception) {
        invariant_broken("the http thread handles its exceptions", __FILE__, __LINE__,
                         exception.getDescription().cStr());
      }
    });
    stop_ = stop.get();
  }
  ~ServingWatcher() override { end(); }

  [[nodiscard]] std::uint16_t port() const override { return port_; }
  MetricsPage& metrics() override { return watched_.metrics; }
  Readiness& readiness() override { return watched_.readiness; }
  void started(Ping ping) override {
    watched_.set_ping(std::move(ping));
    watched_.phase = Phase::kServing;
  }
  void stopping() override { watched_.phase = Phase::kStopping; }
  void stop() override { end(); }

 private:
  void end() {
    std::call_once(ended_, [this] {
      stop_();
      thread_.join();
    });
  }

  const std::uint16_t port_;
  Watched watched_;
  std::thread thread_;
  std::function<void()> stop_;
  std::once_flag ended_;
};

}  // namespace

Result<std::unique_ptr<Watcher>> Watcher::start(const std::string& address, std::uint16_t port,
                                                const WatchOptions& options) {
  auto listener = gateway::open_listener(address, port, "http_port", "http_address");
  if (!listener) return fail(std::move(listener.error()));
  return std::make_unique<ServingWatcher>(kj::mv(*listener), options);
}

}  // namespace earshot::watch
