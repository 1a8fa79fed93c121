#include "tests/simulation/simulation.hpp"

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "tests/simulation/seed_line.hpp"

namespace earshot::simulation {
namespace {

// EARSHOT_SEEDS, or as many as a quick run has.
std::uint64_t seeds_of_test(std::uint64_t otherwise) {
  const char* given = std::getenv("EARSHOT_SEEDS");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : otherwise;
}

std::string text_of(const SimulationOutcome& outcome, const SimulationOptions& options) {
  std::string text = "replay: " + replay_command(options) + " --trace\n";
  for (const std::string& violation : outcome.violations) text += "  " + violation + "\n";
  return text;
}

class SimulationTest : public testing::Test {
 protected:
  SimulationTest() { spdlog::set_level(spdlog::level::off); }
  ~SimulationTest() override { spdlog::set_level(spdlog::level::info); }

  static void expect_kept(const SimulationOptions& options) {
    const SimulationOutcome outcome = simulate(options);
    EXPECT_TRUE(outcome.violations.empty()) << text_of(outcome, options);
  }
  static SimulationOptions of_seed(std::uint64_t seed, std::uint32_t nodes = 1) {
    SimulationOptions options;
    options.seed = seed;
    options.nodes = nodes;
    return options;
  }
};

TEST_F(SimulationTest, SeedsThatOnceFailedKeepThePromises) {
  std::ifstream file(EARSHOT_REGRESSIONS "/simulation.txt");
  ASSERT_TRUE(file) << "no file of seeds";
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.front() == '#') continue;
    const auto options = run_of_line(line);
    ASSERT_TRUE(options) << options.error().to_string();
    expect_kept(*options);
  }
}

TEST_F(SimulationTest, OneSeedGivesOneRun) {
  for (const auto& options : {of_seed(3), of_seed(11), of_seed(18), of_seed(5, 3), of_seed(9, 3)}) {
    const SimulationOutcome first = simulate(options);
    const SimulationOutcome second = simulate(options);
    EXPECT_EQ(first.trace_hash, second.trace_hash) << "seed " << options.seed;
    EXPECT_EQ(first.steps, second.steps) << "seed " << options.seed;
    EXPECT_GT(first.messages, 0u);
  }
}

TEST_F(SimulationTest, ManySeedsKeepThePromises) {
  const std::uint64_t seeds = seeds_of_test(50);
  for (std::uint64_t seed = 1'000; seed < 1'000 + seeds; ++seed) expect_kept(of_seed(seed));
}

TEST_F(SimulationTest, ThreeNodesKeepThePromises) {
  const std::uint64_t seeds = seeds_of_test(50);
  for (std::uint64_t seed = 1'000; seed < 1'000 + seeds; ++seed) expect_kept(of_seed(seed, 3));
}

}  // namespace
}  // namespace earshot::simulation
