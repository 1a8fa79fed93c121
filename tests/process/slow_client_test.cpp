// A device that has a connection and never reads from it: what that costs the node is bounded, and nobody else pays.
#include <algorithm>

#include <gtest/gtest.h>

#include "tests/support/process_client.hpp"
#include "tests/support/raw_device.hpp"
#include "tests/support/sanitizers.hpp"

namespace earshot {
namespace {

constexpr std::size_t kBodyBytes = 64 << 10;
constexpr std::uint64_t kMessages = 1'600;  // 100 MiB
constexpr std::uint64_t kMessagesAtOnce = 160;
// The session's window (8 MiB) in messages and as much again on its way to the socket, unflushed state (8 MiB, set
// below), one transaction of each writer, what the allocator keeps.
constexpr std::size_t kGrowthBytesMax = 72 << 20;

class SlowClient : public tests::ProcessTest {
 protected:
  // Behind a pointer, since its destructor may throw and a test's may not.
  const std::unique_ptr<kj::AsyncIoContext> io_ = std::make_unique<kj::AsyncIoContext>(kj::setupAsyncIo());
};

TEST_F(SlowClient, CostsBoundedMemoryAndHoldsUpNobody) {
  start_node({"--overlay-bytes-max", "8388608", "--overlay-flush-bytes", "1048576"});
  const std::vector<std::string> bodies(kMessagesAtOnce, std::string(kBodyBytes, 'x'));
  const auto bob = open(options("bob"), std::make_shared<client::MemoryStore>());
  send("alice", "bob", bodies);  // whatever a node at work needs, it has from here on
  ASSERT_TRUE(bob->wait_received(kMessagesAtOnce));
  const auto before = tests::anonymous_memory_bytes(node().pid());

  std::size_t most = 0;
  {
    tests::RawDevice slow(*io_, node().port(), "slow", "phone");
    ASSERT_TRUE(slow.subscribe(DeliveryMode::kOrdered, limits::kWindowMessagesMax));
    // From here on its event loop stands still: the socket fills up.
    for (std::uint64_t sent = 0; sent < kMessages; sent += kMessagesAtOnce) {
      send("alice", "slow", bodies);
      send("alice", "bob", {"still there?"});
      ASSERT_TRUE(bob->wait_received(kMessagesAtOnce + sent / kMessagesAtOnce + 1));
      most = std::max(most, tests::anonymous_memory_bytes(node().pid()));
    }
  }
  const auto growth = most - std::min(most, before);
  std::cout << "memory " << (before >> 20) << " MiB, and at most " << (growth >> 20) << " MiB more" << std::endl;
  if (!tests::kSanitized) {
    EXPECT_LT(growth, kGrowthBytesMax);
  }

  const auto cured = open(options("slow"), std::make_shared<client::MemoryStore>());
  ASSERT_TRUE(cured->wait_received(kMessages));
  EXPECT_EQ((*cured)->stats().last_received, Sequence(kMessages));
}

// Stops reading for longer than it takes the mailbox to grow by many windows, reads on, and misses nothing: paused, not
// cut off, and nothing is kept for it in memory meanwhile but its window.
TEST_F(SlowClient, WhoReadsAgainGetsEverythingOnTheSameConnection) {
  start_node({"--overlay-bytes-max", "8388608", "--overlay-flush-bytes", "1048576"});
  const std::vector<std::string> bodies(kMessagesAtOnce, std::string(kBodyBytes, 'x'));
  send("alice", "warm", bodies);  // whatever a node at work needs, it has from here on
  tests::RawDevice sleeper(*io_, node().port(), "sleeper", "phone");
  ASSERT_TRUE(sleeper.subscribe(DeliveryMode::kSequenceOnly, 64));
  const auto before = tests::anonymous_memory_bytes(node().pid());
  std::size_t most = before;
  for (std::uint64_t sent = 0; sent < kMessages / 2; sent += kMessagesAtOnce) {
    send("alice", "sleeper", bodies);
    most = std::max(most, tests::anonymous_memory_bytes(node().pid()));
  }
  if (!tests::kSanitized) {
    EXPECT_LT(most, before + kGrowthBytesMax);
  }
  ASSERT_TRUE(sleeper.wait_until([&] { return sleeper.came(kMessages / 2); }));
  EXPECT_EQ(sleeper.attempts().size(), kMessages / 2) << "each of them, once";
  EXPECT_EQ(sleeper.deliveries().size(), kMessages / 2);
}

TEST_F(SlowClient, WhoNeverAcksKeepsTheNodesMemoryFlat) {
  start_node({"--retransmit-first-ms", "50", "--retransmit-max-ms", "50", "--overlay-bytes-max", "8388608",
              "--overlay-flush-bytes", "1048576"});
  const std::vector<std::string> bodies(kMessagesAtOnce, std::string(kBodyBytes, 'x'));
  tests::RawDevice deaf(*io_, node().port(), "deaf", "phone");
  ASSERT_TRUE(deaf.subscribe(DeliveryMode::kOrdered, 16));
  const auto round = [&](std::uint32_t attempt) {
    send("alice", "deaf", bodies);
    ASSERT_TRUE(deaf.wait_until([&] { return deaf.came(16, attempt); }));
  };
  round(2);
  const auto before = tests::anonymous_memory_bytes(node().pid());
  for (std::uint32_t i = 1; i <= 12; ++i) round(2 + 2 * i);  // 120 MiB
  const auto after = tests::anonymous_memory_bytes(node().pid());
  std::cout << "memory " << (before >> 20) << " MiB, then " << (after >> 20) << " MiB" << std::endl;
  if (!tests::kSanitized) {
    EXPECT_LT(after, before + kGrowthBytesMax);
  }
  EXPECT_EQ(deaf.attempts().size(), 16u);
}

}  // namespace
}  // namespace earshot
