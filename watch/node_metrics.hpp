#pragma once

#include <vector>

#include <prometheus/metric_family.h>

#include "actors/counters.hpp"
#include "actors/node_report.hpp"

namespace earshot::watch {

// What a node's sessions have done, and how it is: messages, logins, queues, disk, writers, shards, places.
//
// Of each shard there are six numbers: the applied index (its rate is that of the shard's entries), the overlay's
// bytes, and of its Raft group the leader, the term, the voters and the lag: with 1024 shards 6144 samples. Everything
// else is told of all shards together.
std::vector<prometheus::MetricFamily> node_metrics(const actors::NodeReport& report,
                                                   const actors::SessionCounters& counters);

}  // namespace earshot::watch
