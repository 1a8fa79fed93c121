#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "app/cluster_view.hpp"

// How a cluster is shown.
namespace earshot::app {

// One document, whose fields docs/watching.md lists.
nlohmann::ordered_json to_json(const ClusterView& view);
// For people: a line about the cluster, a table of nodes, one of shards, and what is wrong.
std::vector<std::string> to_lines(const ClusterView& view);

}  // namespace earshot::app
