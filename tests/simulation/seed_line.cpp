#include "tests/simulation/seed_line.hpp"

#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>
#include <sstream>
#include <string>

namespace earshot::simulation {
namespace {

// None: it is no number, or a greater one.
std::optional<std::uint64_t> number_in(const std::string& word, std::uint64_t max) {
  std::uint64_t number = 0;
  const char* const end = word.data() + word.size();
  const auto read = std::from_chars(word.data(), end, number);
  if (read.ec != std::errc() || read.ptr != end || number > max) return std::nullopt;
  return number;
}

auto refused(const std::string& why) { return fail(ErrorCode::kInvalidArgument, "seed", why); }

}  // namespace

Result<SimulationOptions> run_of_line(std::string_view line) {
  SimulationOptions options;
  bool has_seed = false;
  std::istringstream words{std::string(line)};
  for (std::string word; words >> word;) {
    if (word == "plain") {
      options.plain = true;
    } else if (word == "walkers") {
      options.walkers = true;
    } else if (word == "nodes") {
      words >> word;
      const auto nodes = number_in(word, kNodesMax);
      if (!nodes || *nodes == 0) return refused("\"nodes " + word + "\": 1 to " + std::to_string(kNodesMax));
      options.nodes = static_cast<std::uint32_t>(*nodes);
    } else if (const auto seed = number_in(word, std::numeric_limits<std::uint64_t>::max()); seed && !has_seed) {
      options.seed = *seed;
      has_seed = true;
    } else {
      return refused("\"" + word + "\" is neither plain, walkers, nodes N, nor the one seed");
    }
  }
  if (!has_seed) return refused("no seed");
  return options;
}

}  // namespace earshot::simulation
