#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "actors/broker.hpp"
#include "base/clock.hpp"
#include "base/config.hpp"
#include "base/error.hpp"
#include "base/limits.hpp"
#include "gateway/call_stats.hpp"
#include "gateway/counters.hpp"
#include "gateway/gateway_report.hpp"

namespace earshot::gateway {

// The limits that a connection is held to and nobody configures; tests tighten them.
struct GatewayOptions {
  std::uint64_t login_timeout_ms = limits::kLoginTimeoutMs;
  std::uint64_t write_timeout_ms = limits::kWriteTimeoutMs;
  std::uint64_t call_timeout_ms = limits::kCallTimeoutMs;
  std::uint64_t write_pressed_ms = limits::kWritePressedMs;
  std::uint64_t close_linger_ms = limits::kCloseLingerMs;
  std::uint64_t slow_call_ms = limits::kSlowCallMs;
  std::size_t answers_bytes_max = limits::kAnswersBytesMax;
  std::size_t reading_bytes_max = limits::kReadingBytesMax;
  const Clock* clock = nullptr;  // null: the machine's; outlives the gateway
};

// The door of a node: listens for clients, speaks Cap'n Proto RPC with them on KJ threads of its own and hands what
// they ask to their sessions; those who speak Redis's protocol, on another port, ask about places only. It decodes,
// checks limits and moves messages; it decides nothing about them.
//
// Thread-safe. The broker must outlive it; what sessions still say after stop() is dropped.
class Gateway {
 public:
  // What start() would refuse in the configuration alone, before anything is opened or made for it.
  static Status check(const NodeConfig& config);
  // Listens and serves. kInvalidArgument(client_address, gateway_threads, auth, jwt_keys, tls_certificate, tls_key,
  // login_throttle_exempt), kUnavailable(client_port, resp_port) with the system's words when the address cannot be
  // had.
  static Result<std::unique_ptr<Gateway>> start(const NodeConfig& config, actors::Broker& broker,
                                                const GatewayOptions& options = {});
  virtual ~Gateway() = default;

  // The port that it listens on: the configured one, or the one the system picked for port 0.
  [[nodiscard]] virtual std::uint16_t port() const = 0;
  // The same for Redis's protocol; 0: it is not served, since the configuration or the broker is without.
  [[nodiscard]] virtual std::uint16_t resp_port() const = 0;
  [[nodiscard]] virtual std::size_t connections() const = 0;
  [[nodiscard]] virtual const GatewayCounters& counters() const = 0;
  [[nodiscard]] virtual const CallStats& calls() const = 0;
  // Its numbers now; also after stop().
  [[nodiscard]] virtual GatewayReport report() const = 0;
  // Reads certificate, key and token keys again. What cannot be used stays as it was, and the first reason is returned;
  // connections and sessions that exist go on.
  virtual Status reload() = 0;
  // Accepts nothing more, tells every client kUnavailable, ends their sessions and closes the connections, within about
  // close_linger_ms. Idempotent; the destructor calls it.
  virtual void stop() = 0;
};

}  // namespace earshot::gateway
