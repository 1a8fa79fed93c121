#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>
#include <kj/async-io.h>
#include <kj/timer.h>

#include "gateway/rpc_connection.hpp"
#include "tests/support/gateway_fake_broker.hpp"
#include "tests/support/hostile_stream.hpp"
#include "tests/support/raw_client.hpp"

namespace earshot::tests {

// One connection of a gateway, without its thread: the client is in the same event loop, at the other end of a pipe
// that holds no byte by itself, and time passes only when it is told to. All limits are those of a real node.
class ConnectionTest : public testing::Test {
 protected:
  ConnectionTest() { own_->listening = listen().eagerlyEvaluate(nullptr); }

  // Begins to serve; what is returned is the client's end.
  kj::Own<kj::AsyncIoStream> serve() {
    auto pipe = kj::newTwoWayPipe();
    serve<gateway::RpcConnection>(kj::mv(pipe.ends[0]));
    return kj::mv(pipe.ends[1]);
  }
  template <class Connection>
  void serve(kj::Own<kj::AsyncIoStream> stream) {
    auto over = [this] {
      is_over_ = true;
      own_->ending = kj::evalLater([this] { own_->connection = nullptr; }).eagerlyEvaluate(nullptr);
    };
    own_->connection = kj::heap<Connection>(
        context_, kj::mv(stream), timer_.now() + context_.options.login_timeout_ms * kj::MILLISECONDS, std::move(over));
  }
  // A client that has logged in.
  TestClient& log_in() {
    client_ = std::make_unique<TestClient>(io_, serve());
    client_->login("alice");
    return *client_;
  }
  // A client that has logged in and reads nothing that it is not told to.
  HostileStream& log_in_raw() {
    raw_ = std::make_unique<HostileStream>(io_, serve());
    raw_->log_in("alice");
    settle();
    return *raw_;
  }
  FakeSession& session() { return *broker_.session(); }
  [[nodiscard]] bool is_over() const { return is_over_; }

  // Everything that is ready runs, on both sides.
  void settle() { io_.waitScope.poll(); }
  // Time passes at once, and the thread looks after what has its time.
  void advance(std::uint64_t ms) {
    timer_.advanceTo(timer_.now() + ms * kj::MILLISECONDS);
    clock_.advance(ms);
    look();
  }
  void look() {
    settle();
    if (own_->connection.get() != nullptr) own_->connection->check_times();
    settle();
  }

  // As when the gateway stops.
  void end(const Error& reason) { own_->connection->end(reason); }
  void hang_up() { own_->connection = nullptr; }

  // Whom tokens prove their holders to be: whom they name, until then; "wrong" is none where they are secret.
  class Names final : public gateway::Authenticator {
   public:
    explicit Names(const ConnectionTest& test) : test_(test) {}
    Result<Identity> authenticate(std::string_view token) override {
      if (test_.tokens_are_secret_ && token == "wrong") return fail(ErrorCode::kUnauthenticated, "token", "is wrong");
      return Identity{UserId::trusted(std::string(token)), test_.tokens_role_, test_.tokens_end_at_ms_};
    }
    [[nodiscard]] bool keeps_secrets() const override { return test_.tokens_are_secret_; }

   private:
    const ConnectionTest& test_;
  };

  // Behind pointers, since their destructors may throw and a test's may not.
  const std::unique_ptr<kj::AsyncIoContext> owned_io_ = std::make_unique<kj::AsyncIoContext>(kj::setupAsyncIo());
  kj::AsyncIoContext& io_ = *owned_io_;
  const std::unique_ptr<kj::TimerImpl> owned_timer_ = std::make_unique<kj::TimerImpl>(kj::origin<kj::TimePoint>());
  kj::TimerImpl& timer_ = *owned_timer_;
  ManualClock clock_;
  std::uint64_t tokens_end_at_ms_ = 0;  // never
  bool tokens_are_secret_ = false;      // logins may fail
  Role tokens_role_ = Role::kUser;
  FakeSession::Handler handler_;  // what sessions do with what they are told; by default they remember it
  bool welcomes_ = true;          // logins are answered at once
  FakeBroker broker_{[this](FakeSession& session) {
                       if (welcomes_) session.client->logged_in(welcome_for(session.user));
                     },
                     [this](FakeSession& session, FromClient& message) {
                       if (handler_) return handler_(session, message);
                       session.remember(std::move(message));
                     }};
  gateway::LoginDesk logins_{std::make_unique<Names>(*this), clock_};
  ByteBudget answers_{limits::kAnswersBytesMax};
  gateway::ReadingRoom reading_{limits::kReadingBytesMax};
  gateway::GatewayCounters counters_;
  gateway::CallStats calls_;
  std::atomic<std::size_t> connections_{1};
  gateway::SessionContext context_{.broker = broker_,
                                   .node = NodeId(1),
                                   .desk = nullptr,
                                   .logins = logins_,
                                   .bridge = std::make_shared<gateway::Bridge>(limits::kBridgeQueueItemsMax),
                                   .timer = timer_,
                                   .options = {},
                                   .answers = answers_,
                                   .reading = reading_,
                                   .counters = counters_,
                                   .calls = {calls_, timer_, limits::kSlowCallMs},
                                   .connections = connections_,
                                   .ports = {}};

 private:
  kj::Promise<void> listen() {
    return context_.bridge->wait().then([this] {
      for (auto& event : context_.bridge->take().events) {
        const auto port = context_.ports.find(event.port);
        if (port != context_.ports.end()) port->second->handle(std::move(event.event));
      }
      return listen();
    });
  }

  struct Own {
    kj::Own<gateway::ServedConnection> connection;
    kj::Promise<void> ending = nullptr;
    kj::Promise<void> listening = nullptr;
  };

  bool is_over_ = false;
  std::unique_ptr<TestClient> client_;
  std::unique_ptr<HostileStream> raw_;
  const std::unique_ptr<Own> own_ = std::make_unique<Own>();
};

}  // namespace earshot::tests
