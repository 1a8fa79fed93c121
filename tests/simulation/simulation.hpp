#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/simulation/faults.hpp"
#include "tests/simulation/sim_node.hpp"
#include "tests/simulation/trace.hpp"

// One or several nodes with all their clients on one thread, from one seed. docs/simulation.md tells what is real in
// it.
namespace earshot::simulation {

inline constexpr std::uint32_t kNodesMax = 5;

struct SimulationOptions {
  std::uint64_t seed = 1;
  std::uint32_t nodes = 1;  // of the cluster; at most kNodesMax
  // Without what ends messages and devices: no time to live, no policies, nobody who looks after mailboxes.
  bool plain = false;
  bool walkers = false;       // members walk about in every run, not only in half of them
  bool readers = false;       // every device sends and reads all the time, not only some of them now and then
  std::vector<Fault> faults;  // no others strike; none: as the seed says
  PlantedBugs bugs;
  Trace::Line trace;  // every step, for whoever reads; none: only its hash
};

struct SimulationOutcome {
  std::vector<std::string> violations;  // empty: all promises were kept
  std::uint64_t trace_hash = 0;
  std::uint64_t steps = 0;
  std::uint64_t virtual_ms = 0;
  std::uint64_t messages = 0;         // accepted
  std::uint64_t starts = 0;           // of the node
  std::uint64_t replays = 0;          // of parked messages
  std::uint64_t places = 0;           // questions about places that were answered
  std::uint64_t partial_circles = 0;  // of them
  std::array<std::uint64_t, kFaults> struck{};
};

SimulationOutcome simulate(const SimulationOptions& options);
// What runs it again.
std::string replay_command(const SimulationOptions& options);

}  // namespace earshot::simulation
