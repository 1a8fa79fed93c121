#pragma once

#include <vector>

#include <prometheus/metric_family.h>

#include "gateway/call_stats.hpp"
#include "gateway/counters.hpp"
#include "gateway/gateway_report.hpp"

namespace earshot::watch {

// What happens at a node's door: connections, calls and how long they take, who was turned away.
std::vector<prometheus::MetricFamily> gateway_metrics(const gateway::GatewayReport& report,
                                                      const gateway::GatewayCounters& counters,
                                                      const gateway::CallStats& calls);

}  // namespace earshot::watch
