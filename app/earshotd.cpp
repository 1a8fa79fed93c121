// The node program: settings in, a node and its gateway up, signals out. Everything is wired here.
#include <csignal>
#include <ctime>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include "actors/node.hpp"
#include "app/allocator.hpp"
#include "app/node_command_line.hpp"
#include "app/peer_node_links.hpp"
#include "base/clock.hpp"
#include "base/host_port.hpp"
#include "base/limits.hpp"
#include "base/out_of_memory.hpp"
#include "gateway/gateway.hpp"
#include "watch/watch_node.hpp"
#include "watch/watcher.hpp"

namespace earshot::app {
namespace {

// What a node frees with a flush it needs again before the next one; over flushes of 5 s, a longer time gains nothing.
constexpr std::uint64_t kFreedMemoryKeptMs = 1'000;
constexpr timespec kGivesBackEvery{1, 0};
constexpr timespec kLooksEvery{0, 50'000'000};

// Blocked before any thread starts, so that all of them leave these signals to the one that waits.
sigset_t block_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGINT);
  ::sigaddset(&signals, SIGTERM);
  ::sigaddset(&signals, SIGHUP);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);  // a lost connection is an error of its write
  return signals;
}

// A connection is a descriptor; the usual soft limit of 1024 would be the first thing to run out.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < limits::kConnectionsMax)
    spdlog::info("at most {} descriptors may be open (ulimit -Hn): that bounds the connections", limit.rlim_max);
}

void set_up_log(const NodeConfig& config) {
  auto log = spdlog::stderr_color_mt("earshotd");
  log->set_level(spdlog::level::from_str(config.log_level));
  log->set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
  spdlog::set_default_logger(std::move(log));
}

NodeExit failed(NodeExit exit, const char* what, const Error& error) {
  spdlog::critical("{}: {}", what, error.to_string());
  return error.code == ErrorCode::kInvalidArgument ? NodeExit::kUsage : exit;
}

// Whom the door turned away or cut off: each was told why, the operator is told how many there were.
void tell_counters(const gateway::Gateway& gateway) {
  const std::string counted = to_string(gateway.counters());
  if (!counted.empty()) spdlog::info("at the door since the start: {}", counted);
}

// Asks a start that waits for others to stop, on a signal. One that came too late for that is for wait_to_stop().
class StartInterrupter {
 public:
  StartInterrupter() : watch_([this](const std::stop_token& over) { watch(over); }) {}

  [[nodiscard]] std::stop_token token() const { return asked_.get_token(); }
  void end() {
    watch_.request_stop();
    watch_.join();
    if (asked_.stop_requested()) ::kill(::getpid(), SIGTERM);
  }

 private:
  void watch(const std::stop_token& over) {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGINT);
    ::sigaddset(&signals, SIGTERM);
    while (!over.stop_requested()) {
      if (::sigtimedwait(&signals, nullptr, &kLooksEvery) < 0) continue;
      asked_.request_stop();
      return;
    }
  }

  std::stop_source asked_;
  std::jthread watch_;
};

// The cluster has removed this node while it ran: it stops as on a signal, and its end says why.
class RemovalNotice {
 public:
  void give(Error why) {
    {
      const std::lock_guard lock(mutex_);
      why_ = std::move(why);
    }
    ::kill(::getpid(), SIGTERM);
  }
  [[nodiscard]] std::optional<Error> why() const {
    const std::lock_guard lock(mutex_);
    return why_;
  }

 private:
  mutable std::mutex mutex_;
  std::optional<Error> why_;
};

// Until a signal other than the one that means: read again what may change while the node runs.
int wait_to_stop(const sigset_t& signals, gateway::Gateway& gateway, PeerNodeLinks& links) {
  for (;;) {
    const int signal = ::sigtimedwait(&signals, nullptr, &kGivesBackEvery);
    if (signal < 0) {  // the time is over, or EINTR, when the process was stopped and goes on
      give_back_freed_memory();
      continue;
    }
    if (signal != SIGHUP) return signal;
    tell_counters(gateway);
    if (const Status read = gateway.reload().and_then([&] { return links.reload(); }); read)
      spdlog::info("certificate and keys are read again");
    else
      spdlog::error("not everything could be read again, what could not stays as it was: {}", read.error().to_string());
  }
}

void tell_ready(const NodeConfig& config, const actors::Node& node, const gateway::Gateway& gateway,
                const PeerNodeLinks& links, const watch::Watcher* watcher) {
  std::cout << "earshotd ready: clients " << host_port(config.client_address, gateway.port());
  if (gateway.resp_port() != 0) std::cout << ", resp " << host_port(config.client_address, gateway.resp_port());
  if (watcher != nullptr) std::cout << ", http " << host_port(config.http_address, watcher->port());
  std::cout << ", data " << config.data_dir << ", node " << node.id().value << ", shards " << node.shard_count()
            << (links.port() == 0 ? "" : ", peers " + host_port(config.peer_address, links.port())) << std::endl;
}

NodeExit run(const NodeConfig& config) {
  const sigset_t signals = block_signals();
  set_up_log(config);
  raise_descriptor_limit();
  const SystemClock clock;
  // A node that cannot serve leaves no data directory behind.
  if (auto fit = gateway::Gateway::check(config); !fit)
    return failed(NodeExit::kUsage, "the configuration does not fit", fit.error());
  // First of all, since opening the data may take long, and whoever watches wants to know that it goes on.
  std::unique_ptr<watch::Watcher> watcher;
  if (config.http) {
    auto started = watch::Watcher::start(config.http_address, config.http_port);
    if (!started) return failed(NodeExit::kNotListening, "the http port cannot be opened", started.error());
    watcher = std::move(*started);
  }
  const auto links = PeerNodeLinks::make(config, clock);
  if (Status fit = links->check(); !fit) return failed(NodeExit::kUsage, "the configuration does not fit", fit.error());
  RemovalNotice removal;
  StartInterrupter interrupter;
  auto node = actors::Node::start(config, clock,
                                  {.links = links.get(), .stop = interrupter.token(), .removed = [&removal](Error why) {
                                     removal.give(std::move(why));
                                   }});
  interrupter.end();
  if (const auto removed = removal.why(); removed && !node)
    return failed(NodeExit::kRemoved, "the node cannot start", *removed);
  if (!node && node.error().code == ErrorCode::kClosed) return NodeExit::kDone;
  if (!node) return failed(NodeExit::kNoData, "the data cannot be opened", node.error());
  auto gateway = gateway::Gateway::start(config, **node);
  if (!gateway) return failed(NodeExit::kNotListening, "the gateway cannot start", gateway.error());
  if (watcher) watch::watch_node(*watcher, **node, **gateway);
  tell_ready(config, **node, **gateway, *links, watcher.get());
  const int signal = wait_to_stop(signals, **gateway, *links);
  const auto removed = removal.why();
  if (removed)
    spdlog::critical("stopping: {}", removed->to_string());
  else
    spdlog::info("stopping on signal {}", signal);
  if (watcher) watcher->stopping();
  // The door first: while it closes, sessions still answer what was asked.
  (*gateway)->stop();
  tell_counters(**gateway);
  (*node)->stop();
  if (watcher) watcher->stop();  // last: while the rest stops, it says so
  spdlog::info("stopped");
  return removed ? NodeExit::kRemoved : NodeExit::kDone;
}

}  // namespace
}  // namespace earshot::app

int main(int argc, char** argv) {
  using namespace earshot::app;
  earshot::stop_when_out_of_memory();
  keep_freed_memory(kFreedMemoryKeptMs);
  const NodeCommandLine command = read_node_command_line(std::vector<std::string>(argv + 1, argv + argc));
  std::cout << command.output << std::flush;
  std::cerr << command.error << std::flush;
  return static_cast<int>(command.config ? run(*command.config) : command.exit);
}
