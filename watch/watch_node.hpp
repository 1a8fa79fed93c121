#pragma once

#include "actors/node.hpp"
#include "gateway/gateway.hpp"
#include "watch/watcher.hpp"

namespace earshot::watch {

// Has a node and its gateway watched: their numbers, whether they serve, whether their actors run. Both outlive the
// watcher's stop(); that they stop before it is fine.
void watch_node(Watcher& watcher, actors::Node& node, const gateway::Gateway& gateway);

}  // namespace earshot::watch
