// A real node under load, killed again and again: what was answered is there, once, in order, and every device ends up
// with exactly the mailbox.
#include <cstdlib>
#include <iostream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "tests/support/mailbox_load.hpp"
#include "tests/support/process_client.hpp"
#include "tests/support/seed.hpp"

namespace earshot {
namespace {

int rounds() {
  const char* given = std::getenv("EARSHOT_KILL_ROUNDS");
  return given != nullptr ? std::atoi(given) : 20;
}

class Kill : public tests::ProcessTest {};

TEST_F(Kill, LosesNothingDoublesNothingAndKeepsOrderUnderLoad) {
  Random random(tests::seed_of_test());
  // Retransmits soon, so that what an old session had outstanding is seen again within the test.
  start_node({"--retransmit-first-ms", "200"});
  tests::MailboxLoad load({}, random.next());
  load.start([&](std::uint32_t) { return std::vector{node().address()}; }, runtime_);

  const int kills = rounds();
  for (int round = 0; round < kills; ++round) {
    load.wait_for_answers(1 + random.below(3'000), 3'000);
    node().kill();
    node().start();
  }
  EXPECT_THAT(load.judge(), testing::IsEmpty());
  std::cout << kills << " kills, " << load.stored() << " messages stored" << std::endl;
  EXPECT_EQ(node().stop(), 0);
}

}  // namespace
}  // namespace earshot
