#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "report.hpp"

namespace earshot::bench {

struct NearbyOptions {
  std::uint16_t ours_port = 0;  // of a server that runs already; 0: a node is started
  bool with_redis = false;
  bool with_synced_redis = false;
  bool with_rpc = false;
  std::size_t members = 1'000'000;
  std::chrono::milliseconds run_time{2'000};
  std::string directory;  // where servers keep their data
};

// Loads a node, and others beside it, with the same people, and asks the same of each in turn. Prints
// nearby.CASE.SERVER.FIGURE and how often the node's rate is that of the others; SERVER is "rpc" for the node asked by
// the client library.
void measure_nearby(const Report& report, const NearbyOptions& options);

}  // namespace earshot::bench
