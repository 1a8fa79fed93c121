#include "tests/simulation/simulation.hpp"

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

namespace earshot::simulation {
namespace {

// EARSHOT_SEEDS, or as many as a quick run has.
std::uint64_t seeds_of_test(std::uint64_t otherwise) {
  const char* given = std::getenv("EARSHOT_SEEDS");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : otherwise;
}

std::string text_of(const SimulationOutcome& outcome, std::uint64_t seed, bool plain) {
  std::string text =
      "replay: scripts/simulate --seed " + std::to_string(seed) + (plain ? " --plain" : "") + " --trace\n";
  for (const std::string& violation : outcome.violations) text += "  " + violation + "\n";
  return text;
}

class SimulationTest : public testing::Test {
 protected:
  SimulationTest() { spdlog::set_level(spdlog::level::off); }
  ~SimulationTest() override { spdlog::set_level(spdlog::level::info); }

  static void expect_kept(std::uint64_t seed, bool plain = false) {
    SimulationOptions options;
    options.seed = seed;
    options.plain = plain;
    const SimulationOutcome outcome = simulate(options);
    EXPECT_TRUE(outcome.violations.empty()) << text_of(outcome, seed, plain);
  }
};

TEST_F(SimulationTest, SeedsThatOnceFailedKeepThePromises) {
  std::ifstream file(EARSHOT_REGRESSIONS "/simulation.txt");
  ASSERT_TRUE(file) << "no file of seeds";
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.front() == '#') continue;
    const bool plain = line.starts_with("plain ");
    expect_kept(std::stoull(plain ? line.substr(6) : line), plain);
  }
}

TEST_F(SimulationTest, OneSeedGivesOneRun) {
  for (const std::uint64_t seed : {3, 11, 18}) {
    SimulationOptions options;
    options.seed = seed;
    const SimulationOutcome first = simulate(options);
    const SimulationOutcome second = simulate(options);
    EXPECT_EQ(first.trace_hash, second.trace_hash) << "seed " << seed;
    EXPECT_EQ(first.steps, second.steps) << "seed " << seed;
    EXPECT_GT(first.messages, 0u);
  }
}

TEST_F(SimulationTest, ManySeedsKeepThePromises) {
  const std::uint64_t seeds = seeds_of_test(50);
  for (std::uint64_t seed = 1'000; seed < 1'000 + seeds; ++seed) expect_kept(seed);
}

}  // namespace
}  // namespace earshot::simulation
