#pragma once

#include <vector>

#include <prometheus/metric_family.h>

#include "actors/node_report.hpp"

namespace earshot::watch {

// Of a node of a cluster: its links to the others, and its replicas together. None of a node alone.
std::vector<prometheus::MetricFamily> cluster_metrics(const actors::NodeReport& report);

}  // namespace earshot::watch
