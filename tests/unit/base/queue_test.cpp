#include "base/queue.hpp"

#include <deque>
#include <memory>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "tests/support/seed.hpp"

namespace earshot {
namespace {

using testing::ElementsAre;

TEST(Queue, KeepsWhatCameInItsOrder) {
  Queue<int> queue;
  EXPECT_TRUE(queue.empty());
  for (int i = 0; i < 3; ++i) queue.push_back(i);
  EXPECT_EQ(queue.front(), 0);
  queue.pop_front();
  EXPECT_THAT(queue, ElementsAre(1, 2));
  EXPECT_EQ(queue[1], 2);
  queue.clear();
  EXPECT_TRUE(queue.empty());
}

TEST(Queue, LetsGoOfWhatLeavesIt) {
  Queue<std::shared_ptr<int>> queue;
  const auto first = std::make_shared<int>(1);
  queue.push_back(first);
  queue.push_back(nullptr);
  queue.pop_front();
  EXPECT_EQ(first.use_count(), 1);
}

TEST(Queue, IsAsADequeWhateverIsDone) {
  Random random(tests::seed_of_test());
  Queue<std::unique_ptr<std::uint64_t>> queue;
  std::deque<std::uint64_t> expected;
  for (int step = 0; step < 20'000; ++step) {
    const std::uint64_t kind = random.below(100);
    if (kind < 50) {
      expected.push_back(random.next());
      queue.push_back(std::make_unique<std::uint64_t>(expected.back()));
    } else if (kind < 98 && !expected.empty()) {
      expected.pop_front();
      queue.pop_front();
    } else if (kind == 98) {
      std::erase_if(expected, [](std::uint64_t item) { return item % 3 == 0; });
      queue.erase_if([](const auto& item) { return *item % 3 == 0; });
    }
    ASSERT_EQ(queue.size(), expected.size());
    ASSERT_EQ(queue.empty(), expected.empty());
    if (expected.empty()) continue;
    ASSERT_EQ(*queue.front(), expected.front());
    const std::uint64_t place = random.below(expected.size());
    ASSERT_EQ(*queue[place], expected[place]);
  }
}

}  // namespace
}  // namespace earshot
