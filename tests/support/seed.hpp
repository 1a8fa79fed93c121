#pragma once

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>

namespace earshot::tests {

// The seed of a random test: EARSHOT_SEED when set, else chosen by the system. Printed, so that a failure can be
// replayed.
inline std::uint64_t seed_of_test() {
  std::uint64_t seed = 0;
  if (const char* given = std::getenv("EARSHOT_SEED")) {
    seed = std::strtoull(given, nullptr, 10);
  } else {
    std::random_device device;
    seed = (std::uint64_t{device()} << 32) ^ device();
  }
  std::cout << "seed " << seed << " (EARSHOT_SEED=" << seed << " replays)" << std::endl;
  return seed;
}

}  // namespace earshot::tests
