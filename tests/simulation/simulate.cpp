#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <string>

#include <CLI/CLI.hpp>
#include <spdlog/spdlog.h>

#include "tests/simulation/simulation.hpp"

// The program behind scripts/simulate.
int main(int argc, char** argv) {
  using namespace earshot::simulation;
  std::uint64_t seeds = 50, first = 1, minutes = 0;
  std::uint32_t nodes = 1;
  bool trace = false, plain = false, walkers = false;
  CLI::App app(
      "Runs a node, or several, with their clients in one thread on virtual time, with faults, one run per seed.");
  app.add_option("--seeds", seeds, "how many runs")->capture_default_str();
  const auto* seed = app.add_option("--seed", first, "the first seed; alone: only this one")->capture_default_str();
  app.add_option("--minutes", minutes, "go on for so many minutes, whatever --seeds says");
  app.add_option("--nodes", nodes, "of the cluster")->capture_default_str()->check(CLI::Range(1u, kNodesMax));
  app.add_flag("--walkers", walkers, "members walk about in every run, not only in half of them");
  app.add_flag("--plain", plain, "without times to live, policies and management calls");
  app.add_flag("--trace", trace, "print every step");
  CLI11_PARSE(app, argc, argv);
  if (seed->count() > 0 && app.count("--seeds") == 0 && minutes == 0) seeds = 1;
  spdlog::set_level(trace ? spdlog::level::info : spdlog::level::off);

  const auto start = std::chrono::steady_clock::now();
  const auto goes_on = [&](std::uint64_t run) {
    return minutes > 0 ? std::chrono::steady_clock::now() - start < std::chrono::minutes(minutes) : run < seeds;
  };
  std::uint64_t failures = 0, runs = 0, steps = 0, messages = 0, virtual_ms = 0, replays = 0, places = 0, partial = 0;
  std::uint64_t runs_with_replays = 0;
  std::array<std::uint64_t, kFaults> struck{};
  for (; goes_on(runs); ++runs) {
    SimulationOptions options;
    options.seed = first + runs;
    options.nodes = nodes;
    options.plain = plain;
    options.walkers = walkers;
    if (trace) options.trace = [](const std::string& line) { std::cout << line << '\n'; };
    const SimulationOutcome outcome = simulate(options);
    places += outcome.places, partial += outcome.partial_circles;
    steps += outcome.steps, messages += outcome.messages, virtual_ms += outcome.virtual_ms;
    replays += outcome.replays, runs_with_replays += outcome.replays > 0 ? 1 : 0;
    for (std::size_t i = 0; i < kFaults; ++i) struck[i] += outcome.struck[i];
    if (outcome.violations.empty()) continue;
    ++failures;
    std::cout << "seed " << options.seed << " breaks a promise:\n";
    for (const std::string& violation : outcome.violations) std::cout << "  " << violation << '\n';
    std::cout << "replay: " << replay_command(options) << " --trace" << std::endl;
  }
  for (std::size_t i = 0; i < kFaults; ++i)
    std::cout << (i == 0 ? "" : ", ") << name_of(static_cast<Fault>(i)) << " " << struck[i];
  std::cout << '\n'
            << runs << " seeds, " << failures << " failed; " << messages << " messages, " << replays << " replays in "
            << runs_with_replays << " of them, " << places << " answers about places (" << partial << " partial), "
            << steps << " steps, " << virtual_ms / 60'000 << " virtual minutes" << std::endl;
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
