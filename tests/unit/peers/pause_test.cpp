#include <csignal>
#include <cstdint>
#include <string>
#include <utility>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/peer_fixture.hpp"

namespace earshot::peers {
namespace {

using cluster::PeerTopic;
using tests::eventually;
using tests::PeerTest;

// Node 2 in a process of its own, which sends everything back.
class OtherProcess {
 public:
  explicit OtherProcess(PeerLinksOptions options) {
    EXPECT_EQ(::pipe(to_), 0);
    EXPECT_EQ(::pipe(from_), 0);
    pid_ = ::fork();
    if (pid_ == 0) run(std::move(options));
    EXPECT_EQ(::read(from_[0], &port_, sizeof port_), static_cast<ssize_t>(sizeof port_));
  }
  ~OtherProcess() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    for (const int fd : {to_[0], to_[1], from_[0], from_[1]}) ::close(fd);
  }
  OtherProcess(const OtherProcess&) = delete;
  OtherProcess& operator=(const OtherProcess&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  void introduce(std::uint16_t port_of_one) const {
    EXPECT_EQ(::write(to_[1], &port_of_one, sizeof port_of_one), static_cast<ssize_t>(sizeof port_of_one));
  }
  void signal(int number) const { ::kill(pid_, number); }

 private:
  // Never returns, and runs nothing of the test's own at its end.
  [[noreturn]] void run(PeerLinksOptions options) const {
    tests::PeerHost host(std::move(options));
    host.heard.keep_nothing();
    host.heard.on_frame([&](NodeId from, const PeerFrame& frame) { host.links->send(from, frame); });
    host.start();
    std::uint16_t other = 0;
    const bool told = host.links && ::write(from_[1], &*host.options.port, sizeof other) == sizeof other &&
                      ::read(to_[0], &other, sizeof other) == sizeof other;
    if (!told) ::_exit(1);
    host.links->set_nodes({{NodeId(1), {"127.0.0.1:" + std::to_string(other)}}});
    for (;;) ::pause();
  }

  int to_[2] = {-1, -1};
  int from_[2] = {-1, -1};
  pid_t pid_ = -1;
  std::uint16_t port_ = 0;
};

class PauseTest : public PeerTest {};

TEST_F(PauseTest, AProcessThatIsStoppedIsGivenUpAndLinkedAgainWhenItGoesOn) {
  auto options = options_of(2);
  options.times = {.heartbeat_ms = 50, .silence_ms = 300, .stall_ms = 60'000};
  const OtherProcess two(options);  // before this process has threads
  options.node = NodeId(1);
  tests::PeerHost one(options);
  one.start();
  two.introduce(one.links->port());
  one.links->set_nodes({{NodeId(2), {"127.0.0.1:" + std::to_string(two.port())}}});
  std::size_t answers = 0;
  for (std::size_t round = 1; round <= 3; ++round) {
    ASSERT_TRUE(eventually([&] { return one.links->is_up(NodeId(2)); }));
    ASSERT_TRUE(eventually([&] {
      one.send(NodeId(2), PeerTopic::kCall, "there?");
      return one.heard.count() > answers;
    }));
    two.signal(SIGSTOP);
    ASSERT_TRUE(eventually([&] { return one.heard.downs(NodeId(2)) == round; }));
    EXPECT_FALSE(one.links->is_up(NodeId(2)));
    answers = one.heard.count();
    two.signal(SIGCONT);
  }
  ASSERT_TRUE(eventually([&] { return one.links->is_up(NodeId(2)); }));
  two.signal(SIGKILL);
  ASSERT_TRUE(eventually([&] { return !one.links->is_up(NodeId(2)); }));
}

}  // namespace
}  // namespace earshot::peers
