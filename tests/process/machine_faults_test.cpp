// Faults of the machine under a real node: its wall clock is set, it is suspended, it runs out of descriptors.
#include <csignal>
#include <cstdint>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/clock_shift.hpp"
#include "tests/support/process_client.hpp"
#include "tests/support/sanitizers.hpp"

namespace earshot {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::uint64_t kMessages = 200;

// A connection that says nothing.
class SilentConnection {
 public:
  explicit SilentConnection(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      throw std::runtime_error("cannot connect");
  }
  ~SilentConnection() { ::close(socket_); }
  SilentConnection(const SilentConnection&) = delete;
  SilentConnection& operator=(const SilentConnection&) = delete;

 private:
  int socket_;
};

std::size_t open_descriptors(int pid) {
  std::size_t count = 0;
  for (int fd = 0; fd < 256; ++fd) {
    const std::string link = "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(fd);
    char target[8];
    if (::readlink(link.c_str(), target, sizeof target) >= 0) ++count;
  }
  return count;
}

class MachineFaults : public tests::ProcessTest {};

TEST_F(MachineFaults, AWallClockThatJumpsBothWaysMovesNoMessageAndNoTimeBack) {
  tests::ClockShift shift(directory_ / "shift");
  start_node_on(directory_ / "node", {}, shift.wrapper());
  const auto bob = open(options("bob"), std::make_shared<client::MemoryStore>(tests::kKeepAll));
  const auto alice = open_sender("alice");
  std::uint64_t sent = 0;
  for (const std::int64_t ms : {std::int64_t{0}, kHourMs, -kHourMs, 100 * kHourMs, std::int64_t{0}, -24 * kHourMs}) {
    shift.set(ms);
    post(*alice, "bob", tests::numbered(kMessages));
    flush(*alice);
    sent += kMessages;
    ASSERT_TRUE(bob->wait_received(sent)) << "after a jump to " << ms << " ms";
  }
  const auto stored = mailbox("bob");
  ASSERT_EQ(stored.size(), sent);
  for (std::size_t i = 1; i < stored.size(); ++i) {
    EXPECT_EQ(stored[i].body, std::to_string(i % kMessages + 1));
    EXPECT_GE(stored[i].stored_at_ms, stored[i - 1].stored_at_ms);
    // A clock that left the monotonic one proposes no time: nothing can expire by it.
    EXPECT_LT(stored[i].stored_at_ms, stored[0].stored_at_ms + static_cast<std::uint64_t>(kHourMs));
  }

  // Started again while the clock is a day behind: what is committed stays where it is.
  node().kill();
  node().start();
  send("alice-again", "bob", {"after the restart"});
  const auto after = mailbox("bob");
  ASSERT_EQ(after.size(), sent + 1);
  EXPECT_GE(after.back().stored_at_ms, stored.back().stored_at_ms);
}

TEST_F(MachineFaults, ASuspendedNodeGoesOnWhereItStoodAndLosesNothing) {
  start_node();
  auto impatient = options("bob");
  impatient.request_timeout_ms = 500;
  const auto bob = open(impatient, std::make_shared<client::MemoryStore>(tests::kKeepAll));
  impatient.token = "alice";
  impatient.receive = false;
  const auto alice = open(impatient, std::make_shared<client::MemoryStore>());
  ASSERT_TRUE((*alice)->wait_connected(tests::kPatienceMs));
  ASSERT_TRUE((*bob)->wait_connected(tests::kPatienceMs));
  constexpr std::uint64_t kRounds = 3;
  for (std::uint64_t round = 1; round <= kRounds; ++round) {
    ::kill(node().pid(), SIGSTOP);
    post(*alice, "bob", tests::numbered(kMessages));
    EXPECT_TRUE(alice->wait_changes(client::ConnectionChange::Kind::kDisconnected, static_cast<std::ptrdiff_t>(round)));
    ::kill(node().pid(), SIGCONT);
    flush(*alice);
  }
  ASSERT_TRUE(bob->wait_received(kRounds * kMessages));
  const auto stored = mailbox("bob");
  ASSERT_EQ(stored.size(), kRounds * kMessages);
  for (std::size_t i = 0; i < stored.size(); ++i) EXPECT_EQ(stored[i].body, std::to_string(i % kMessages + 1));
}

TEST_F(MachineFaults, OutOfDescriptorsTheNodeServesWhomItHasAndLaterTheOthers) {
  if (tests::kSanitized) GTEST_SKIP() << "UBSan looks at a type through a pipe, for which it needs descriptors";
  constexpr std::size_t kDescriptors = 64;
  start_node_on(directory_ / "node", {}, {"/usr/bin/prlimit", "--nofile=" + std::to_string(kDescriptors)});
  const auto bob = open(options("bob"), std::make_shared<client::MemoryStore>());
  const auto alice = open_sender("alice");
  ASSERT_TRUE((*bob)->wait_connected(tests::kPatienceMs));
  ASSERT_TRUE((*alice)->wait_connected(tests::kPatienceMs));
  std::vector<std::unique_ptr<SilentConnection>> crowd;
  for (std::size_t i = 0; i < kDescriptors; ++i) crowd.push_back(std::make_unique<SilentConnection>(node().port()));

  // The crowd has more connections than there are descriptors: this one's login waits behind it.
  const auto late = open(options("late"), std::make_shared<client::MemoryStore>());
  post(*alice, "bob", tests::numbered(kMessages));
  flush(*alice);
  ASSERT_TRUE(bob->wait_received(kMessages));
  EXPECT_GE(open_descriptors(node().pid()), kDescriptors);
  EXPECT_FALSE((*late)->stats().connected);

  crowd.clear();
  ASSERT_TRUE((*late)->wait_connected(tests::kPatienceMs));
  EXPECT_EQ(node().stop(), 0);
}

// What a gateway's thread does again and again must leave nothing behind: it once was a chain of promises that grew
// with every round and was taken down, at the end, by one call within another.
TEST_F(MachineFaults, ANodeThatWasWokenOftenStopsInOrderWithLittleStack) {
  if (tests::kSanitized) GTEST_SKIP() << "sanitizers need more stack";
  constexpr std::size_t kStackBytes = 128 << 10;
  constexpr std::size_t kRounds = 4'000;
  start_node_on(directory_ / "node", {}, {"/usr/bin/prlimit", "--stack=" + std::to_string(kStackBytes)});
  const auto alice = open_sender("alice");
  ASSERT_TRUE((*alice)->wait_connected(tests::kPatienceMs));
  for (std::size_t round = 0; round < kRounds; ++round) {
    post(*alice, "bob", {"x"});
    flush(*alice);
  }
  EXPECT_EQ(node().stop(), 0);
}

}  // namespace
}  // namespace earshot
