#include "gateway/gateway.hpp"

#include <atomic>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <spdlog/spdlog.h>

#include "gateway/auth.hpp"
#include "gateway/bridge.hpp"
#include "gateway/gateway_thread.hpp"
#include "gateway/listener.hpp"
#include "gateway/login_desk.hpp"
#include "gateway/reading_room.hpp"
#include "gateway/tls.hpp"

namespace earshot::gateway {
namespace {

const Clock& clock_of(const GatewayOptions& options) {
  static const SystemClock machine;
  return options.clock != nullptr ? *options.clock : machine;
}

// What decides who may come in.
struct Door {
  std::unique_ptr<Authenticator> authenticator;
  std::unique_ptr<ServerTls> tls;  // null: plaintext
  auth::OriginList exempt;         // from the throttle of failed logins
};

Result<Door> make_door(const NodeConfig& config, bool listens_on_loopback, const Clock& clock) {
  Door door;
  auto authenticator = make_authenticator(config, listens_on_loopback, clock);
  if (!authenticator) return fail(std::move(authenticator.error()));
  door.authenticator = std::move(*authenticator);
  auto exempt = auth::OriginList::parse(config.login_throttle_exempt);
  if (!exempt) return fail(std::move(exempt.error()));
  door.exempt = std::move(*exempt);
  if (config.tls_certificate.empty() != config.tls_key.empty())
    return fail(ErrorCode::kInvalidArgument, config.tls_key.empty() ? "tls_key" : "tls_certificate",
                "is missing: tls_certificate and tls_key go together");
  if (config.tls_certificate.empty() && !listens_on_loopback && !config.allow_plaintext)
    return fail(ErrorCode::kInvalidArgument, "tls_certificate",
                "is needed where others can listen in: without one, client_address must be a loopback address (or set "
                "allow_plaintext, if something else encrypts)");
  if (config.tls_certificate.empty()) return door;
  auto tls = ServerTls::open(config.tls_certificate, config.tls_key, clock);
  if (!tls) return fail(std::move(tls.error()));
  door.tls = std::move(*tls);
  return door;
}

class ServingGateway final : public Gateway {
 public:
  // Without `resp` Redis's protocol is not served.
  ServingGateway(Listener listener, std::optional<Listener> resp, Door door, const NodeConfig& config,
                 actors::Broker& broker, const GatewayOptions& options)
      : port_(listener.port),
        resp_port_(resp ? resp->port : std::uint16_t{0}),
        connections_max_(config.connections_max),
        logins_(std::move(door.authenticator), clock_of(options), std::move(door.exempt)),
        tls_(std::move(door.tls)),
        answers_(options.answers_bytes_max) {
    logins_.authenticator().tell();
    if (tls_) tls_->tell();
    if (!tls_ && !listener.loopback)
      spdlog::warn("clients are served without TLS on an address that others reach (allow_plaintext)");
    // What else encrypts is likely a proxy, and all clients come from its address.
    if (!tls_ && config.auth == AuthMode::kJwt && config.login_throttle_exempt.empty())
      spdlog::warn(
          "failed logins slow down all clients of the same address: if they come through a proxy, name it in "
          "login_throttle_exempt");
    for (std::uint32_t i = 0; i < config.gateway_threads; ++i)
      bridges_.push_back(std::make_shared<Bridge>(limits::kBridgeQueueItemsMax));
    std::vector<std::pair<Protocol, Listener>> listeners;  // of the first thread
    listeners.emplace_back(Protocol::kRpc, std::move(listener));
    if (resp) listeners.emplace_back(Protocol::kResp, std::move(*resp));
    for (std::uint32_t i = 0; i < config.gateway_threads; ++i) {
      rooms_.push_back(
          std::make_unique<ReadingRoom>(ReadingRoom::share_of(options.reading_bytes_max, config.gateway_threads)));
      GatewayThread::Parts parts{broker,       logins_,  tls_.get(), options,   bridges_[i],
                                 connections_, answers_, *rooms_[i], counters_, calls_,
                                 resp_port_,   {},       {}};
      if (i == 0) {
        std::swap(parts.listeners, listeners);
        parts.take = [this](AcceptedSocket socket) { take(kj::mv(socket)); };
      }
      threads_.push_back(std::make_unique<GatewayThread>(std::move(parts)));
    }
  }
  ~ServingGateway() override { stop_threads(); }

  [[nodiscard]] std::uint16_t port() const override { return port_; }
  [[nodiscard]] std::uint16_t resp_port() const override { return resp_port_; }
  [[nodiscard]] std::size_t connections() const override { return connections_; }
  [[nodiscard]] const GatewayCounters& counters() const override { return counters_; }
  [[nodiscard]] const CallStats& calls() const override { return calls_; }
  [[nodiscard]] GatewayReport report() const override {
    GatewayReport report{accepted_.load(std::memory_order_relaxed),
                         {connections_, connections_max_},
                         {answers_.used(), answers_.limit()},
                         {}};
    for (std::size_t i = 0; i < bridges_.size(); ++i)
      report.threads.push_back(
          {{bridges_[i]->waiting(), limits::kBridgeQueueItemsMax}, {rooms_[i]->used(), rooms_[i]->limit()}});
    return report;
  }
  void stop() override { stop_threads(); }

  Status reload() override {
    Status keys = logins_.authenticator().reload();
    if (keys) logins_.authenticator().tell();
    if (!tls_) return keys;
    Status certificate = tls_->reload();
    if (certificate) tls_->tell();
    return keys ? certificate : keys;
  }

 private:
  // Thread: the one that accepts.
  void take(AcceptedSocket socket) {
    accepted_.fetch_add(1, std::memory_order_relaxed);
    if (connections_ >= connections_max_) {
      if (counters_.connections_refused++ % kRefusalsPerLog == 0)
        spdlog::warn("a connection is refused: {} are open, as many as connections_max", connections_max_);
      return;
    }
    ++connections_;
    bridges_[next_++ % bridges_.size()]->post_socket(kj::mv(socket));
  }

  void stop_threads() {
    const std::lock_guard lock(stop_mutex_);
    for (auto& bridge : bridges_) bridge->post_stop();
    for (auto& thread : threads_) thread->join();
  }

  static constexpr std::uint64_t kRefusalsPerLog = 1000;

  const std::uint16_t port_;
  const std::uint16_t resp_port_;
  const std::size_t connections_max_;
  LoginDesk logins_;
  const std::unique_ptr<ServerTls> tls_;
  std::atomic<std::size_t> connections_{0};
  ByteBudget answers_;
  GatewayCounters counters_;
  CallStats calls_;
  std::atomic<std::uint64_t> accepted_{0};
  std::size_t next_ = 0;
  std::vector<std::unique_ptr<ReadingRoom>> rooms_;  // by thread
  std::vector<std::shared_ptr<Bridge>> bridges_;
  std::mutex stop_mutex_;
  std::vector<std::unique_ptr<GatewayThread>> threads_;
};

}  // namespace

Status Gateway::check(const NodeConfig& config) {
  if (config.gateway_threads == 0 || config.gateway_threads > limits::kGatewayThreadsMax)
    return fail(ErrorCode::kInvalidArgument, "gateway_threads",
                "is " + std::to_string(config.gateway_threads) + ", must be 1 to " +
                    std::to_string(limits::kGatewayThreadsMax));
  const auto loopback = is_loopback(config.client_address);
  if (!loopback) return fail(loopback.error());
  const SystemClock clock;
  if (auto door = make_door(config, *loopback, clock); !door) return fail(std::move(door.error()));
  return {};
}

Result<std::unique_ptr<Gateway>> Gateway::start(const NodeConfig& config, actors::Broker& broker,
                                                const GatewayOptions& options) {
  if (auto fit = check(config); !fit) return fail(std::move(fit.error()));
  auto listener = open_listener(config.client_address, config.client_port, "client_port");
  if (!listener) return fail(std::move(listener.error()));
  std::optional<Listener> resp;
  if (config.resp && broker.place_desk() != nullptr) {
    auto opened = open_listener(config.client_address, config.resp_port, "resp_port");
    if (!opened) return fail(std::move(opened.error()));
    resp = std::move(*opened);
  }
  auto door = make_door(config, listener->loopback, clock_of(options));
  if (!door) return fail(std::move(door.error()));
  return std::make_unique<ServingGateway>(std::move(*listener), std::move(resp), std::move(*door), config, broker,
                                          options);
}

}  // namespace earshot::gateway
