#include <atomic>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "gateway/gateway_thread.hpp"
#include "tests/support/gateway_client.hpp"

namespace earshot::gateway {
namespace {

using tests::FakeBroker;
using tests::GatewayTest;
using tests::TestClient;

Error error_of_start(const NodeConfig& config) {
  FakeBroker broker;
  if (auto fit = Gateway::check(config); !fit) return fit.error();
  auto started = Gateway::start(config, broker);
  return started ? Error{} : started.error();
}

TEST(Start, RefusesNoAuthenticationBeyondThisMachine) {
  for (const char* address : {"0.0.0.0", "::", "[::]"}) {
    NodeConfig config;
    config.client_address = address;
    config.client_port = 0;
    const Error error = error_of_start(config);
    EXPECT_EQ(error.code, ErrorCode::kInvalidArgument) << address;
    EXPECT_EQ(error.field, "auth") << address;
    EXPECT_NE(error.detail.find("loopback"), std::string::npos);
  }
}

TEST(Start, ASocketThatCannotBeServedDoesNotDeafenItsThread) {
  FakeBroker broker;
  const SystemClock clock;
  LoginDesk logins(make_authenticator(NodeConfig(), true, clock).value(), clock);
  const auto bridge = std::make_shared<Bridge>(16);
  std::atomic<std::size_t> connections{1};
  ByteBudget answers(limits::kAnswersBytesMax);
  GatewayCounters counters;
  CallStats calls;
  ReadingRoom reading(limits::kReadingBytesMax);
  GatewayThread thread(GatewayThread::Parts{
      broker, logins, nullptr, {}, bridge, connections, answers, reading, counters, calls, 0, {}, {}});
  bridge->post_socket({kj::AutoCloseFd(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC))});  // epoll takes no plain file
  const auto give_up = std::chrono::steady_clock::now() + tests::kPatience;
  while (connections > 0 && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
  EXPECT_EQ(connections, 0u) << "nobody counts it any more";
  bridge->post_stop();
  thread.join();  // it still listens
}

TEST(Start, ServesOnEveryLoopbackAddress) {
  for (const char* address : {"127.0.0.1", "127.1.2.3", "localhost"}) {
    NodeConfig config;
    config.client_address = address;
    config.client_port = 0;
    FakeBroker broker;
    auto started = Gateway::start(config, broker);
    ASSERT_TRUE(started) << address << ": " << started.error().to_string();
    EXPECT_NE((*started)->port(), 0);
  }
}

TEST(Start, NamesTheAddressThatIsNone) {
  for (const char* address : {"", "nowhere.example", "127.0.0.1:7400", "300.0.0.1", "[::1"}) {
    NodeConfig config;
    config.client_address = address;
    const Error error = error_of_start(config);
    EXPECT_EQ(error.code, ErrorCode::kInvalidArgument) << address;
    EXPECT_EQ(error.field, "client_address") << address;
  }
}

TEST(Start, SaysInTheSystemsWordsThatThePortIsTaken) {
  NodeConfig config;
  config.client_port = 0;
  FakeBroker broker;
  auto first = Gateway::start(config, broker);
  ASSERT_TRUE(first);
  config.client_port = (*first)->port();
  const Error error = error_of_start(config);
  EXPECT_EQ(error.code, ErrorCode::kUnavailable);
  EXPECT_EQ(error.field, "client_port");
  EXPECT_NE(error.detail.find("in use"), std::string::npos) << error.detail;
}

TEST(Start, RefusesToRunWithoutThreads) {
  NodeConfig config;
  config.client_port = 0;
  config.gateway_threads = 0;
  EXPECT_EQ(error_of_start(config).field, "gateway_threads");
}

TEST(Start, RefusesMoreThreadsThanTheLimit) {
  NodeConfig config;
  config.gateway_threads = limits::kGatewayThreadsMax;
  EXPECT_TRUE(Gateway::check(config));
  config.gateway_threads = limits::kGatewayThreadsMax + 1;
  const auto refused = Gateway::check(config);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().field, "gateway_threads");
}

TEST_F(GatewayTest, StopsTwiceAndFreesThePort) {
  start();
  const std::uint16_t port = gateway_->port();
  gateway_->stop();
  gateway_->stop();
  NodeConfig config;
  config.client_port = port;
  auto again = Gateway::start(config, *broker_);
  EXPECT_TRUE(again) << again.error().to_string();
}

TEST_F(GatewayTest, SpreadsConnectionsOverItsThreads) {
  NodeConfig config;
  config.gateway_threads = 3;
  start(config);
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 9; ++i) {
    clients.push_back(std::make_unique<TestClient>(io_, gateway_->port()));
    clients.back()->login("user" + std::to_string(i));
  }
  EXPECT_EQ(gateway_->connections(), 9u);
  EXPECT_EQ(broker_->sessions(), 9u);
}

TEST_F(GatewayTest, ClosesAConnectionBeyondTheLimitAtOnce) {
  NodeConfig config;
  config.connections_max = 2;
  start(config);
  TestClient first = connect();
  TestClient second = connect();
  first.login("alice");
  second.login("bob");
  TestClient third = connect();
  EXPECT_TRUE(third.wait_until_closed());
  EXPECT_EQ(gateway_->counters().connections_refused, 1u);
  second.login_raw("bob");  // the others do not notice
}

// Every kind of leak of a connection shows here: its descriptor, its entry, its session.
TEST_F(GatewayTest, AThousandConnectionsLeaveNothingBehind) {
  const auto descriptors = [] {
    std::size_t count = 0;
    for (int fd = 0; fd < 4096; ++fd) {
      int type = 0;
      socklen_t size = sizeof type;
      if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0) ++count;
    }
    return count;
  };
  NodeConfig config;
  config.gateway_threads = 2;
  start(config);
  const std::size_t before = descriptors();
  for (std::size_t round = 0; round < 100; ++round) {
    std::vector<std::unique_ptr<TestClient>> clients;
    for (int i = 0; i < 10; ++i) {
      clients.push_back(std::make_unique<TestClient>(io_, gateway_->port()));
      if (i % 2 == 0) clients.back()->login("alice");
    }
    clients.clear();
  }
  for (std::size_t i = 0; i < 500; ++i) broker_->session(i)->next<actors::ClientGone>();
  gateway_->stop();
  EXPECT_EQ(gateway_->connections(), 0u);
  EXPECT_LE(descriptors(), before);
}

}  // namespace
}  // namespace earshot::gateway
