// Events from the bridge that make no sense: a mistake in one session ends that session at most.
#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "gateway/gateway_thread.hpp"
#include "tests/support/gateway_client.hpp"

namespace earshot::gateway {
namespace {

using tests::FakeBroker;
using tests::FakeSession;
using tests::FromClient;
using tests::GatewayTest;
using tests::message_to;
using tests::send_request;
using tests::TestClient;
using tests::welcome_for;

class BadEvent : public GatewayTest {
 protected:
  void expect_service() {
    TestClient other = connect();
    other.login("other");
  }
};

const std::map<std::string, std::function<void(actors::ClientPort&, actors::CallId)>> kAnswers{
    {"send",
     [](auto& to, auto call) {
       to.answered(call, {SendAnswer{Stored{Sequence(1), Epoch(1)}}});
     }},
    {"status", [](auto& to, auto call) { to.answered(call, Status()); }},
    {"ack", [](auto& to, auto call) { to.answered(call, Result<Sequence>(Sequence(1))); }},
    {"fetch", [](auto& to, auto call) { to.answered(call, Result<Batch>(Batch{})); }},
    {"manage", [](auto& to, auto call) { to.answered(call, Result<ManageAnswer>(Done{})); }},
};

TEST_F(BadEvent, AnAnswerOfAnotherKindEndsItsSessionAndNothingElse) {
  start();
  const std::map<std::string, std::function<kj::Promise<void>(schema::Session::Client&)>> calls{
      {"send", [](auto& session) { return send_request(session, {message_to("bob", 1)}).send().ignoreResult(); }},
      {"status",
       [](auto& session) {
         auto nack = session.nackRequest();
         nack.initSequences(1).set(0, 1);
         return nack.send().ignoreResult();
       }},
      {"ack", [](auto& session) { return session.ackRequest().send().ignoreResult(); }},
      {"fetch",
       [](auto& session) {
         auto fetch = session.fetchRequest();
         fetch.setLimit(1);
         return fetch.send().ignoreResult();
       }},
      {"manage", [](auto& session) { return session.policyRequest().send().ignoreResult(); }},
  };
  std::size_t broken = 0;
  for (const auto& [asked, call] : calls) {
    for (const auto& [given, answer] : kAnswers) {
      if (given == asked) continue;
      SCOPED_TRACE(asked + " answered as " + given);
      TestClient client = connect();
      client.login("alice");
      const auto session = broker_->session(broker_->sessions() - 1);
      auto asking = call(client.session()).eagerlyEvaluate([](kj::Exception&&) {});
      run_until([&] { return session->waiting() == 1; });
      answer(*session->client, 1);
      EXPECT_TRUE(client.wait_until_closed());
      EXPECT_EQ(gateway_->counters().broken_events, ++broken);
    }
  }
  expect_service();
}

// Of the kinds that look after mailboxes there is one event, and the call itself finds out.
TEST_F(BadEvent, AnAnswerToAnotherQuestionAboutAMailboxIsAnError) {
  start();
  TestClient client = connect();
  client.login("alice");
  auto policy = client.session().policyRequest().send();
  run_until([&] { return broker_->session()->waiting() == 1; });
  broker_->session()->client->answered(1, Result<ManageAnswer>(std::vector<DeviceInfo>()));
  EXPECT_EQ(wire::read(policy.wait(io_.waitScope)).error().code, ErrorCode::kInternal);
}

TEST_F(BadEvent, FewerAnswersThanMessagesEndTheSession) {
  start();
  TestClient client = connect();
  client.login("alice");
  auto sending =
      send_request(client.session(), {message_to("bob", 1), message_to("bob", 2)}).send().eagerlyEvaluate(nullptr);
  run_until([&] { return broker_->session()->waiting() == 1; });
  broker_->session()->client->answered(1, {SendAnswer{Stored{Sequence(1), Epoch(1)}}});
  const auto answers = tests::answers_of(sending.wait(io_.waitScope));
  ASSERT_EQ(answers.size(), 2u) << "what became of them is not known, and that is said of each";
  for (const auto& answer : answers) {
    const auto* held = std::get_if<SendAnswer::Held>(&answer.value);
    ASSERT_NE(held, nullptr);
    EXPECT_EQ(held->error.code, ErrorCode::kInternal);
  }
  EXPECT_TRUE(client.wait_until_closed());
  expect_service();
}

TEST_F(BadEvent, AWelcomeThatTellsNoShardsEndsTheLogin) {
  broker_ = std::make_unique<FakeBroker>([](FakeSession& session) {
    Welcome welcome = welcome_for(session.user);
    if (session.user.text() == "alice") welcome.shard_count = 0;
    session.client->logged_in(std::move(welcome));
  });
  start();
  TestClient client = connect();
  auto answer = client.login_raw("alice");
  ASSERT_TRUE(answer.isError());
  EXPECT_EQ(wire::read(answer.getError()).code, ErrorCode::kInternal);
  EXPECT_TRUE(client.wait_until_closed());
  broker_->session()->next<actors::ClientGone>();
  expect_service();
}

TEST_F(BadEvent, EventsThatNobodyWaitsForChangeNothing) {
  start();
  TestClient client = connect();
  client.login("alice");
  actors::ClientPort& port = *broker_->session()->client;
  port.logged_in(welcome_for(broker_->session()->user));
  port.logged_in(fail(ErrorCode::kUnauthenticated, "token", "too late"));
  for (const auto& [kind, answer] : kAnswers) answer(port, 77), answer(port, 0);
  actors::Delivery unasked;
  unasked.number = 1;
  port.deliver(std::move(unasked));
  auto ack = client.session().ackRequest().send();
  client.flush();
  port.answered(broker_->session()->next<actors::ClientAck>().call, Result<Sequence>(Sequence(3)));
  EXPECT_EQ(wire::read(ack.wait(io_.waitScope)).value(), Sequence(3)) << "it goes on";
  EXPECT_EQ(broker_->session()->waiting(), 0u) << "what has no receiver was not delivered";
  EXPECT_EQ(gateway_->counters().broken_events, 0u);
}

TEST_F(BadEvent, EventsOfASessionThatIsGoneGoNowhere) {
  start();
  for (const bool ended_by_session : {false, true}) {
    std::shared_ptr<FakeSession> session;
    {
      TestClient client = connect();
      client.login("alice");
      session = broker_->session(broker_->sessions() - 1);
      if (ended_by_session) {
        session->client->closed(Error{ErrorCode::kSessionReplaced, "", ""});
        EXPECT_TRUE(client.wait_until_closed());
      }
    }
    run_until([&] { return gateway_->connections() == 0; });
    actors::ClientPort& port = *session->client;
    port.logged_in(welcome_for(session->user));
    for (const auto& [kind, answer] : kAnswers) answer(port, 1);
    port.deliver(actors::Delivery{});
    port.closed(Error{ErrorCode::kUnavailable, "", ""});
    port.closed(Error{ErrorCode::kUnavailable, "", ""});
    expect_service();
    run_until([&] { return gateway_->connections() == 0; });
  }
  EXPECT_EQ(gateway_->counters().broken_events, 0u);
}

TEST_F(BadEvent, EventsBetweenTheEndOfASessionAndThatOfItsConnectionGoNowhere) {
  broker_ =
      std::make_unique<FakeBroker>([](FakeSession& session) { session.client->logged_in(welcome_for(session.user)); },
                                   [](FakeSession& session, FromClient& message) {
                                     const auto* ack = std::get_if<actors::ClientAck>(&message);
                                     if (ack == nullptr) return;
                                     // All in one turn of the thread's loop, before anything is closed.
                                     session.client->closed(Error{ErrorCode::kSessionReplaced, "", ""});
                                     session.client->closed(Error{ErrorCode::kUnavailable, "", ""});
                                     for (const auto& [kind, answer] : kAnswers) answer(*session.client, ack->call);
                                     session.client->deliver(actors::Delivery{});
                                     session.client->logged_in(welcome_for(session.user));
                                   });
  start();
  TestClient client = connect();
  client.login("alice");
  auto ack = client.session().ackRequest().send();
  EXPECT_EQ(wire::read(ack.wait(io_.waitScope)).error().code, ErrorCode::kSessionReplaced);
  EXPECT_TRUE(client.wait_until_closed());
  EXPECT_EQ(gateway_->counters().broken_events, 0u);
  expect_service();
}

// A thread whose bridge holds next to nothing.
TEST_F(BadEvent, AConnectionThatMissedAnEventIsClosedAndOthersAreServed) {
  constexpr std::size_t kItemsMax = 4;
  constexpr std::uint64_t kForOthers = 1'000;
  broker_ = std::make_unique<FakeBroker>(
      [](FakeSession& session) { session.client->logged_in(welcome_for(session.user)); },
      [this](FakeSession& session, FromClient& message) {
        const auto* ack = std::get_if<actors::ClientAck>(&message);
        if (ack == nullptr) return session.remember(std::move(message));
        // On the thread that would take them: none is taken meanwhile.
        const std::uint64_t more = ack->ack.up_to.value;
        const auto& port = more == kForOthers ? broker_->session(0)->client : session.client;
        const std::size_t events = kItemsMax - 1 + std::min(more, 2 * kItemsMax);
        for (std::size_t i = 0; i < events; ++i) port->answered(1'000 + i, Status());
        if (more == kForOthers) return session.remember(std::move(message));
        session.client->answered(ack->call, Result<Sequence>(Sequence(9)));
      });
  const SystemClock clock;
  LoginDesk logins(make_authenticator(NodeConfig(), true, clock).value(), clock);
  const auto bridge = std::make_shared<Bridge>(kItemsMax);
  std::atomic<std::size_t> connections{0};
  ByteBudget answers(limits::kAnswersBytesMax);
  GatewayCounters counters;
  CallStats calls;
  ReadingRoom reading(limits::kReadingBytesMax);
  GatewayThread thread(GatewayThread::Parts{
      *broker_, logins, nullptr, {}, bridge, connections, answers, reading, counters, calls, 0, {}, {}});
  const auto dial = [&] {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    ++connections;
    bridge->post_socket({kj::AutoCloseFd(ends[0])});
    constexpr unsigned kFlags = kj::LowLevelAsyncIoProvider::TAKE_OWNERSHIP |
                                kj::LowLevelAsyncIoProvider::ALREADY_CLOEXEC |
                                kj::LowLevelAsyncIoProvider::ALREADY_NONBLOCK;
    return io_.lowLevelProvider->wrapSocketFd(ends[1], kFlags);
  };
  TestClient first(io_, dial()), second(io_, dial());
  first.login("alice"), second.login("bob");
  const auto ack = [&](TestClient& client, std::uint64_t more) {
    auto request = client.session().ackRequest();
    request.setUpTo(more);
    return wire::read(request.send().wait(io_.waitScope));
  };
  EXPECT_EQ(ack(first, 0).value(), Sequence(9)) << "as many as fit";
  EXPECT_EQ(counters.events_overflowed, 0u);
  EXPECT_EQ(ack(first, 1).error().code, ErrorCode::kOverloaded) << "one more";
  EXPECT_TRUE(first.wait_until_closed());
  EXPECT_EQ(counters.events_overflowed, 1u);
  // A connection that is gone cannot miss anything.
  auto request = second.session().ackRequest();
  request.setUpTo(kForOthers);
  auto pending = request.send();
  const auto call = [&] {
    second.flush();
    return broker_->session(1)->next<actors::ClientAck>().call;
  }();
  // What comes into the bridge behind those events is a socket that cannot be served, which is no longer counted then.
  ++connections;
  bridge->post_socket({kj::AutoCloseFd(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC))});
  run_until([&] { return connections == 1; });
  broker_->session(1)->client->answered(call, Result<Sequence>(Sequence(8)));
  EXPECT_EQ(wire::read(pending.wait(io_.waitScope)).value(), Sequence(8));
  EXPECT_EQ(counters.events_overflowed, 1u);
  bridge->post_stop();
  thread.join();
}

}  // namespace
}  // namespace earshot::gateway
