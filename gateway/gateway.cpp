#include "gateway/gateway.hpp"

#include <atomic>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <spdlog/spdlog.h>

#include "gateway/auth.hpp"
#include "gateway/bridge.hpp"
#include "gateway/listener.hpp"
#include "gateway/rpc_server.hpp"

namespace earshot::gateway {
namespace {

class ServingGateway final : public Gateway {
 public:
  ServingGateway(Listener listener, std::unique_ptr<Authenticator> authenticator, std::uint32_t threads,
                 actors::Broker& broker, const GatewayOptions& options)
      : port_(listener.port),
        connections_max_(options.connections_max),
        authenticator_(std::move(authenticator)),
        answers_(options.answers_bytes_max) {
    for (std::uint32_t i = 0; i < threads; ++i)
      bridges_.push_back(std::make_shared<Bridge>(limits::kBridgeQueueItemsMax));
    std::optional<Listener> listens(std::move(listener));  // the first thread does
    for (std::uint32_t i = 0; i < threads; ++i) {
      RpcServer::Parts parts{broker,   *authenticator_, options,      bridges_[i], connections_,
                             answers_, counters_,       std::nullopt, {}};
      if (i == 0) {
        std::swap(parts.listener, listens);
        parts.take = [this](kj::AutoCloseFd socket) { take(kj::mv(socket)); };
      }
      servers_.push_back(std::make_unique<RpcServer>(std::move(parts)));
    }
  }
  ~ServingGateway() override { stop_servers(); }

  [[nodiscard]] std::uint16_t port() const override { return port_; }
  [[nodiscard]] std::size_t connections() const override { return connections_; }
  [[nodiscard]] const GatewayCounters& counters() const override { return counters_; }
  void stop() override { stop_servers(); }

 private:
  // Thread: the one that accepts.
  void take(kj::AutoCloseFd socket) {
    if (connections_ >= connections_max_) {
      if (counters_.connections_refused++ % kRefusalsPerLog == 0)
        spdlog::warn("a connection is refused: {} are open, as many as connections_max", connections_max_);
      return;
    }
    ++connections_;
    bridges_[next_++ % bridges_.size()]->post_socket(kj::mv(socket));
  }

  void stop_servers() {
    const std::lock_guard lock(stop_mutex_);
    for (auto& bridge : bridges_) bridge->post_stop();
    for (auto& server : servers_) server->join();
  }

  static constexpr std::uint64_t kRefusalsPerLog = 1000;

  const std::uint16_t port_;
  const std::size_t connections_max_;
  const std::unique_ptr<Authenticator> authenticator_;
  std::atomic<std::size_t> connections_{0};
  ByteBudget answers_;
  GatewayCounters counters_;
  std::size_t next_ = 0;
  std::vector<std::shared_ptr<Bridge>> bridges_;
  std::mutex stop_mutex_;
  std::vector<std::unique_ptr<RpcServer>> servers_;
};

}  // namespace

Status Gateway::check(const NodeConfig& config) {
  if (config.gateway_threads == 0 || config.gateway_threads > limits::kGatewayThreadsMax)
    return fail(ErrorCode::kInvalidArgument, "gateway_threads",
                "is " + std::to_string(config.gateway_threads) + ", must be 1 to " +
                    std::to_string(limits::kGatewayThreadsMax));
  const auto loopback = is_loopback(config.client_address);
  if (!loopback) return fail(loopback.error());
  if (auto authenticator = make_authenticator(config.auth, *loopback); !authenticator)
    return fail(std::move(authenticator.error()));
  return {};
}

Result<std::unique_ptr<Gateway>> Gateway::start(const NodeConfig& config, actors::Broker& broker,
                                                const GatewayOptions& options) {
  if (auto fit = check(config); !fit) return fail(std::move(fit.error()));
  auto listener = open_listener(config.client_address, config.client_port);
  if (!listener) return fail(std::move(listener.error()));
  auto authenticator = make_authenticator(config.auth, listener->loopback);
  if (!authenticator) return fail(std::move(authenticator.error()));
  return std::make_unique<ServingGateway>(std::move(*listener), std::move(*authenticator), config.gateway_threads,
                                          broker, options);
}

}  // namespace earshot::gateway
