#pragma once

#include <chrono>
#include <memory>

#include <gtest/gtest.h>
#include <kj/async-io.h>

#include "gateway/gateway.hpp"
#include "tests/support/gateway_fake_broker.hpp"
#include "tests/support/raw_client.hpp"

namespace earshot::tests {

// A gateway before a fake broker, and an event loop for clients.
class GatewayTest : public testing::Test {
 protected:
  void start(gateway::GatewayOptions options = {}) { start({}, options); }
  void start(NodeConfig config, gateway::GatewayOptions options = {}) {
    config.client_port = config.resp_port = 0;
    auto started = gateway::Gateway::start(config, *broker_, options);
    ASSERT_TRUE(started) << started.error().to_string();
    gateway_ = std::move(*started);
  }
  // For what is to be closed by something else, or not at all.
  static gateway::GatewayOptions without_login_timeout() {
    gateway::GatewayOptions options;
    options.login_timeout_ms = 600'000;
    return options;
  }
  TestClient connect() { return TestClient(io_, gateway_->port()); }
  template <class T>
  T wait(kj::Promise<T> promise) {
    return promise.wait(io_.waitScope);
  }
  // Runs the clients until something came about on another thread; the event loop cannot wait for that by itself.
  template <class Condition>
  void run_until(Condition condition) {
    const auto give_up = std::chrono::steady_clock::now() + kPatience;
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), give_up);
      io_.provider->getTimer().afterDelay(1 * kj::MILLISECONDS).wait(io_.waitScope);
    }
  }

  // Behind a pointer, since its destructor may throw and a test's may not.
  const std::unique_ptr<kj::AsyncIoContext> owned_io_ = std::make_unique<kj::AsyncIoContext>(kj::setupAsyncIo());
  kj::AsyncIoContext& io_ = *owned_io_;
  std::unique_ptr<FakeBroker> broker_ = std::make_unique<FakeBroker>();
  std::unique_ptr<gateway::Gateway> gateway_;
};

}  // namespace earshot::tests
