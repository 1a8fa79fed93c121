#include "tests/support/free_port.hpp"

#include <cstdlib>
#include <set>

#include <gtest/gtest.h>

namespace earshot::tests {
namespace {

// In a process of its own, which holds as many sockets until it ends. By chance alone no two would be the same once in
// some thousand times.
TEST(FreePort, IsPickedOnceOnly) {
  constexpr std::size_t kPorts = 600;
  const auto pick = [] {
    std::set<std::uint16_t> picked;
    for (std::size_t i = 0; i < kPorts; ++i) picked.insert(free_port());
    std::exit(picked.size() == kPorts ? 0 : 1);
  };
  EXPECT_EXIT(pick(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace earshot::tests
