// Thousands of connections at once: what they cost is given back, and those who were there before are served meanwhile.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include <capnp/message.h>
#include <capnp/rpc.capnp.h>
#include <capnp/serialize.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "schema/broker.capnp.h"
#include "schema/wire.hpp"
#include "tests/support/process_client.hpp"
#include "tests/support/sanitizers.hpp"

namespace earshot {
namespace {

constexpr std::size_t kConnectionsLong = 20'000;
constexpr std::size_t kConnectionsShort = 4'000;
constexpr std::size_t kDescriptorsForOthers = 300;
constexpr std::size_t kConnectionsPerAddress = 5'000;  // far below the ports of one source address, even in TIME_WAIT
constexpr std::chrono::seconds kPatience{60};
constexpr std::chrono::seconds kLatencyMax{10};
// When the timers of ended sessions (10 s) have run out, and the allocator has given back what they leave.
constexpr std::chrono::milliseconds kMemoryPatience{30'000};
constexpr int kLookMs = 50;
// What may be spare; and of each who was there what shards keep, and the pages that it keeps from being given back.
constexpr std::size_t kMemoryLeftMax = 24 << 20;
constexpr std::size_t kMemoryLeftPerUserMax = 8 << 10;

bool is_long() { return std::getenv("EARSHOT_LONG") != nullptr; }

// As many descriptors as the system allows this process and the node that it starts.
std::size_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<std::size_t>(limit.rlim_cur);
}

std::string flat(capnp::MessageBuilder& message) {
  const auto words = capnp::messageToFlatArray(message);
  const auto bytes = words.asChars();
  return {bytes.begin(), bytes.size()};
}

// Bootstrap and login in one piece.
std::string login_bytes(const std::string& user) {
  capnp::MallocMessageBuilder bootstrap;
  bootstrap.initRoot<capnp::rpc::Message>().initBootstrap().setQuestionId(0);
  capnp::MallocMessageBuilder message;
  auto call = message.initRoot<capnp::rpc::Message>().initCall();
  call.setQuestionId(1);
  call.initTarget().initPromisedAnswer().setQuestionId(0);
  call.setInterfaceId(capnp::typeId<schema::Broker>());
  LoginRequest login;
  login.token = user;
  login.device = DeviceId::trusted("storm");
  wire::write(login, call.initParams().getContent().initAs<schema::LoginRequest>());
  return flat(bootstrap) + flat(message);
}

// A blocking socket to the node, from one of many loopback addresses: each has its own ports.
class Connection {
 public:
  Connection(std::uint16_t port, std::size_t number) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    // An abort instead of a farewell when it closes: no port has to wait.
    const linger abort{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
    const timeval patience{kPatience.count(), 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const auto source = static_cast<std::uint32_t>(INADDR_LOOPBACK + 1 + number / kConnectionsPerAddress);
    const bool bound = with_address(source, 0, ::bind);
    connected_ = bound && with_address(INADDR_LOOPBACK, port, ::connect);
  }
  ~Connection() {
    if (fd_ >= 0) ::close(fd_);
  }
  Connection(Connection&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), connected_(std::exchange(other.connected_, false)) {}
  Connection& operator=(Connection&&) = delete;

  [[nodiscard]] bool connected() const { return connected_; }
  [[nodiscard]] int fd() const { return fd_; }
  bool say(const std::string& bytes) const {
    return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  }
  // Reads up to the answer to the login; whether it is a welcome.
  [[nodiscard]] bool welcomed() const {
    try {
      for (;;) {
        capnp::StreamFdMessageReader message(fd_);
        const auto root = message.getRoot<capnp::rpc::Message>();
        if (!root.isReturn()) return false;
        const auto answer = root.getReturn();
        if (answer.getAnswerId() != 1) continue;
        return answer.isResults() && answer.getResults().getContent().getAs<schema::LoginAnswer>().isOk();
      }
    } catch (const kj::Exception&) {
      return false;
    }
  }
  // Whether the node has closed it.
  [[nodiscard]] bool closes(std::chrono::milliseconds patience) const {
    pollfd waiting{fd_, POLLIN, 0};
    const auto give_up = std::chrono::steady_clock::now() + patience;
    while (std::chrono::steady_clock::now() < give_up) {
      if (::poll(&waiting, 1, static_cast<int>(patience.count())) <= 0) return false;
      std::array<char, 4096> sink{};
      if (::recv(fd_, sink.data(), sink.size(), 0) <= 0) return true;
    }
    return false;
  }

 private:
  template <class Call>
  bool with_address(std::uint32_t host, std::uint16_t port, Call call) const {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(host);
    address.sin_port = htons(port);
    return call(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }

  int fd_;
  bool connected_ = false;
};

std::size_t descriptors_of(int pid) {
  const auto folder = std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd");
  return static_cast<std::size_t>(std::distance(begin(folder), end(folder)));
}

class Storm : public tests::ProcessTest {
 protected:
  // Opens them, logs all of them in at once, and closes them. The most memory that the node took meanwhile.
  std::size_t storm(std::size_t count) {
    const std::size_t before = descriptors_of(node().pid());
    std::vector<Connection> connections;
    connections.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      connections.emplace_back(node().port(), i);
      EXPECT_TRUE(connections.back().connected()) << i;
      EXPECT_TRUE(connections.back().say(login_bytes("storm" + std::to_string(i)))) << i;
    }
    std::size_t welcomed = 0;
    for (const auto& connection : connections) welcomed += connection.welcomed() ? 1 : 0;
    EXPECT_EQ(welcomed, count);
    const std::size_t most = tests::anonymous_memory_bytes(node().pid());
    connections.clear();
    // Another process tells nobody when it has closed what is closed: looked at until it has.
    const auto give_up = std::chrono::steady_clock::now() + kPatience;
    while (descriptors_of(node().pid()) > before && std::chrono::steady_clock::now() < give_up)
      std::this_thread::yield();
    EXPECT_LE(descriptors_of(node().pid()), before) << "connections are left behind";
    return most;
  }
  // The memory of the node once it is down to this, or when patience has run out. `talk` is called between looks:
  // threads give memory back when they work.
  std::size_t memory_when_at_most(std::size_t bytes, const std::function<void()>& talk) {
    const auto give_up = std::chrono::steady_clock::now() + kMemoryPatience;
    std::size_t memory = tests::anonymous_memory_bytes(node().pid());
    while (!tests::kSanitized && memory > bytes && std::chrono::steady_clock::now() < give_up) {
      // Another process tells nobody what it gave back: looked at again unless the node has ended.
      if (node().wait_end(kLookMs)) {
        ADD_FAILURE() << "the node has ended";
        return SIZE_MAX;
      }
      talk();
      memory = tests::anonymous_memory_bytes(node().pid());
    }
    return memory;
  }
};

TEST_F(Storm, LoginsOfManyLeaveMemoryFlatAndOthersServed) {
  const std::size_t descriptors = raise_descriptor_limit();
  const std::size_t wanted = is_long() ? kConnectionsLong : kConnectionsShort;
  if (descriptors < 2 * kDescriptorsForOthers)
    GTEST_SKIP() << "this system allows only " << descriptors << " descriptors";
  const std::size_t count = std::min(wanted, descriptors - kDescriptorsForOthers);
  if (count < wanted) std::cout << "the system allows " << descriptors << " descriptors: " << count << " connections\n";
  start_node();

  // Somebody who talks all the time: as fast as can be during the storms, and now and then while it is looked at what
  // they leave behind, since thousands of messages a second leave something of their own until they are flushed.
  const auto bob = open(options("bob"), std::make_shared<client::MemoryStore>());
  const auto alice = open_sender("alice");
  post(*alice, "bob", {"hello"});
  ASSERT_TRUE(bob->wait_received(1));  // from here on the node has exactly two connections, but for the storm
  std::atomic<bool> is_over{false};
  std::atomic<bool> is_storm{true};
  std::chrono::steady_clock::duration slowest{};
  std::mutex talking;
  std::uint64_t talked = 1;
  const auto talk = [&] {
    const std::lock_guard lock(talking);
    const auto began = std::chrono::steady_clock::now();
    post(*alice, "bob", {"how is the weather?"});
    if (!bob->wait_received(++talked)) is_over = true;
    slowest = std::max(slowest, std::chrono::steady_clock::now() - began);
  };
  std::thread talker([&] {
    for (is_storm.wait(false); !is_over; is_storm.wait(false)) talk();
  });

  storm(count / 10);  // whatever a node at work needs, it has from here on
  const std::size_t idle = tests::anonymous_memory_bytes(node().pid());
  const std::size_t flat = idle + kMemoryLeftMax + count * kMemoryLeftPerUserMax;
  const auto set_storm = [&](bool now) {
    is_storm = now;
    is_storm.notify_one();
  };
  const std::size_t most = storm(count);
  set_storm(false);
  const std::size_t first = memory_when_at_most(flat, talk);
  set_storm(true);
  storm(count);
  set_storm(false);
  const std::size_t second = memory_when_at_most(flat, talk);
  is_over = true;
  set_storm(true);
  talker.join();

  const auto slowest_ms = std::chrono::duration_cast<std::chrono::milliseconds>(slowest).count();
  std::cout << count << " connections: " << (most - std::min(most, idle)) / count << " bytes each; memory "
            << (idle >> 20) << " MiB, after one storm " << (first >> 20) << " MiB, after two " << (second >> 20)
            << " MiB; " << talked << " messages meanwhile, the slowest took " << slowest_ms << " ms" << std::endl;
  if (!tests::kSanitized) {
    EXPECT_GT(most, flat) << "too small a storm to tell";
    EXPECT_LE(first, flat);
    EXPECT_LE(second, flat);
  }
  EXPECT_GT(talked, 2u) << "nobody was served meanwhile";
  EXPECT_LT(slowest, kLatencyMax);
}

// Connections that say nothing, or never come to the end of it.
TEST_F(Storm, HalfOpenConnectionsEndWithTheLoginTimeout) {
  raise_descriptor_limit();
  start_node();
  constexpr std::size_t kEach = 50;
  const std::string login = login_bytes("mallory");
  std::vector<Connection> silent;
  std::vector<Connection> halves;
  std::vector<Connection> drippers;
  for (std::size_t i = 0; i < kEach; ++i) {
    silent.emplace_back(node().port(), i);
    halves.emplace_back(node().port(), i);
    EXPECT_TRUE(halves.back().say(login.substr(0, login.size() - 8)));
    drippers.emplace_back(node().port(), i);
  }
  // A byte now and then keeps nobody's connection open.
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::milliseconds(2 * limits::kLoginTimeoutMs);
  std::size_t dripped = 0;
  while (!drippers.front().closes(std::chrono::milliseconds(500)) && std::chrono::steady_clock::now() < give_up) {
    for (const auto& dripper : drippers) (void)dripper.say(login.substr(dripped % login.size(), 1));
    ++dripped;
    send("alice", "bob", {"served"});
  }
  for (const auto* kind : {&silent, &halves, &drippers}) {
    for (const auto& connection : *kind) {
      const auto left = give_up - std::chrono::steady_clock::now();
      EXPECT_TRUE(connection.closes(std::chrono::duration_cast<std::chrono::milliseconds>(left)));
    }
  }
  EXPECT_EQ(mailbox("bob").size(), dripped);
}

}  // namespace
}  // namespace earshot
