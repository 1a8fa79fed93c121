#include "watch/watch_node.hpp"

#include <algorithm>
#include <functional>
#include <iterator>
#include <optional>
#include <utility>

#include "watch/cluster_metrics.hpp"
#include "watch/gateway_metrics.hpp"
#include "watch/node_metrics.hpp"
#include "watch/process_metrics.hpp"

namespace earshot::watch {

void watch_node(Watcher& watcher, actors::Node& node, const gateway::Gateway& gateway) {
  // Of one report, which costs something.
  watcher.metrics().add([&node] {
    const actors::NodeReport report = node.report();
    auto families = node_metrics(report, node.counters());
    std::ranges::move(cluster_metrics(report), std::back_inserter(families));
    return families;
  });
  watcher.metrics().add([&gateway] { return gateway_metrics(gateway.report(), gateway.counters(), gateway.calls()); });
  watcher.metrics().add([id = node.id().value] { return identity_metrics(id); });
  watcher.readiness().add([&node]() -> std::optional<Missing> {
    if (!node.report().disk_is_full) return std::nullopt;
    return Missing{"disk", "it is full: nothing is stored until there is room"};
  });
  watcher.readiness().add([&node]() -> std::optional<Missing> {
    if (node.report().places.is_complete) return std::nullopt;
    return Missing{"places",
                   "shards are still telling where their members are: questions wait, or are answered in part"};
  });
  watcher.started([&node](std::function<void()> done) { node.ping(std::move(done)); });
}

}  // namespace earshot::watch
