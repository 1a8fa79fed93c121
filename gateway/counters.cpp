#include "gateway/counters.hpp"

#include <array>

namespace earshot::gateway {
namespace {

struct Named {
  const char* name;
  GatewayCounters::Counter GatewayCounters::*counter;
};
constexpr std::array kCounters{
    Named{"connections_refused", &GatewayCounters::connections_refused},
    Named{"login_timeouts", &GatewayCounters::login_timeouts},
    Named{"handshakes_failed", &GatewayCounters::handshakes_failed},
    Named{"logins_refused", &GatewayCounters::logins_refused},
    Named{"tokens_expired", &GatewayCounters::tokens_expired},
    Named{"slow_readers", &GatewayCounters::slow_readers},
    Named{"slow_senders", &GatewayCounters::slow_senders},
    Named{"careless_senders", &GatewayCounters::careless_senders},
    Named{"events_overflowed", &GatewayCounters::events_overflowed},
    Named{"receivers_failed", &GatewayCounters::receivers_failed},
    Named{"broken_events", &GatewayCounters::broken_events},
    Named{"answers_refused", &GatewayCounters::answers_refused},
    Named{"violations", &GatewayCounters::violations},
    Named{"resp_connections", &GatewayCounters::resp_connections},
    Named{"resp_commands", &GatewayCounters::resp_commands},
};
static_assert(sizeof(GatewayCounters) == kCounters.size() * sizeof(GatewayCounters::Counter), "each has its name");

}  // namespace

std::string to_string(const GatewayCounters& counters) {
  std::string text;
  for (const auto& [name, counter] : kCounters) {
    const std::uint64_t value = (counters.*counter).load(std::memory_order_relaxed);
    if (value != 0) text += (text.empty() ? "" : ", ") + std::string(name) + " " + std::to_string(value);
  }
  return text;
}

}  // namespace earshot::gateway
