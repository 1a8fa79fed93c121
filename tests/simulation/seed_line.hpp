#pragma once

#include <string_view>

#include "base/error.hpp"
#include "tests/simulation/simulation.hpp"

namespace earshot::simulation {

// A line of tests/regressions/simulation.txt: what a run is of, as the flags of scripts/simulate, in any order, and its
// seed: `[plain] [walkers] [nodes N] SEED`. kInvalidArgument, with the word that is none of these, or what is missing.
Result<SimulationOptions> run_of_line(std::string_view line);

}  // namespace earshot::simulation
