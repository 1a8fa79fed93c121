#include <gtest/gtest.h>
#include <sys/socket.h>

#include "gateway/refusal_meter.hpp"
#include "tests/support/gateway_client.hpp"
#include "tests/support/hostile_stream.hpp"

namespace earshot::gateway {
namespace {

using capnp::rpc::Payload;
using tests::answers_of;
using tests::FakeBroker;
using tests::FakeSession;
using tests::FromClient;
using tests::GatewayTest;
using tests::HostileStream;
using tests::message_to;
using tests::send_request;
using tests::TestClient;
using tests::welcome_for;

Batch large_batch(const FakeSession& session, std::size_t messages) {
  Batch batch;
  batch.epoch = Epoch(1);
  for (std::uint64_t i = 1; i <= messages; ++i) {
    IncomingMessage large;
    large.sequence = Sequence(i);
    large.sender = session.user;
    large.sender_device = session.request.device;
    large.body = std::string(limits::kBodyBytesMax, 'x');
    batch.messages.push_back(std::move(large));
  }
  return batch;
}

// A gateway before sessions that answer each fetch at once with as many messages of 1 MiB as it asks for.
class BackPressure : public GatewayTest {
 protected:
  BackPressure() {
    broker_ = std::make_unique<FakeBroker>(
        [](FakeSession& session) { session.client->logged_in(welcome_for(session.user)); },
        [](FakeSession& session, FromClient& message) {
          const auto* fetch = std::get_if<actors::ClientFetch>(&message);
          if (fetch == nullptr) return;
          session.client->answered(fetch->call, Result<Batch>(large_batch(session, fetch->limit)));
        });
  }

  HostileStream log_in_slow(const std::string& user) {
    HostileStream stream(io_, gateway_->port());
    // What the kernel would buffer for the client is not what this is about.
    const int bytes = 16 << 10;
    stream.stream().setsockopt(SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    stream.log_in(user);
    return stream;
  }
  static void fetch(HostileStream& stream, std::uint32_t question, std::uint32_t messages) {
    stream.call(question, 1, HostileStream::kSession, capnp::typeId<schema::Session>(), 4,
                [&](Payload::Builder params) {
                  params.getContent().initAs<schema::Session::FetchParams>().setLimit(messages);
                });
  }
  // The time of a client that is slow: the event loop runs, and nothing is read.
  void pass(unsigned ms) { io_.provider->getTimer().afterDelay(ms * kj::MILLISECONDS).wait(io_.waitScope); }
  kj::Promise<Result<Batch>> fetch(TestClient& client, std::uint32_t messages) {
    auto request = client.session().fetchRequest();
    request.setLimit(messages);
    return request.send().then([](auto answer) {
      return answer.isError() ? Result<Batch>(fail(wire::read(answer.getError()))) : wire::read(answer.getBatch());
    });
  }
};

TEST(RefusalMeter, AtTheLimitAClientIsRefusedAndOneMoreCallEndsIt) {
  RefusalMeter meter;
  for (std::size_t i = 0; i < limits::kRefusedCallsMax; ++i) ASSERT_TRUE(meter.refuse(5)) << i;
  EXPECT_FALSE(meter.refuse(5));
}

TEST(RefusalMeter, AClientThatPausesAsItIsAskedToIsNeverCutOff) {
  RefusalMeter meter;
  for (std::uint64_t now_ms = 12'345; now_ms < 1'000'000; now_ms += limits::kRetryAfterMs) {
    for (std::size_t call = 0; call < limits::kCallsInFlightMax; ++call) ASSERT_TRUE(meter.refuse(now_ms));
  }
}

TEST(RefusalMeter, AClientThatCallsOnIsCutOffHoweverSlowlyItDoesSo) {
  RefusalMeter meter;
  std::uint64_t now_ms = 0;
  std::size_t calls = 0;
  while (meter.refuse(now_ms)) {  // twice as many as a client has that waits
    ++calls;
    if (calls % (2 * limits::kCallsInFlightMax) == 0) now_ms += limits::kRetryAfterMs;
    ASSERT_LT(calls, 100'000u);
  }
  EXPECT_GT(calls, limits::kRefusedCallsMax);
}

TEST_F(BackPressure, AClientThatReadsSlowlyButSteadilyIsNotCutOff) {
  GatewayOptions options;
  options.write_timeout_ms = 300;
  start(options);
  HostileStream slow = log_in_slow("snail");
  fetch(slow, 2, 4);
  std::size_t got = 0;
  std::uint64_t ms = 0;
  for (; got < 4 * limits::kBodyBytesMax; ms += 5) {
    const std::size_t now = slow.take(16 << 10);
    ASSERT_GT(now, 0u) << "closed after " << got << " bytes";
    got += now;
    pass(5);
  }
  EXPECT_GT(ms, 3 * options.write_timeout_ms) << "too fast to tell";
  EXPECT_EQ(gateway_->counters().slow_readers, 0u);
}

TEST_F(BackPressure, AClientThatStopsReadingIsCutOffAndCounted) {
  GatewayOptions options;
  options.write_timeout_ms = 100;
  options.close_linger_ms = 20;
  start(options);
  HostileStream deaf = log_in_slow("deaf");
  fetch(deaf, 2, 4);
  run_until([&] { return gateway_->counters().slow_readers == 1; });
  run_until([&] { return gateway_->connections() == 0; });
}

TEST_F(BackPressure, AClientThatReadsAgainInTimeGetsEverything) {
  GatewayOptions options;
  options.write_timeout_ms = 400;
  start(options);
  HostileStream late = log_in_slow("late");
  fetch(late, 2, 4);
  pass(100);
  std::size_t got = 0;
  while (got < 4 * limits::kBodyBytesMax) {
    const std::size_t now = late.take(1 << 20);
    ASSERT_GT(now, 0u);
    got += now;
  }
  EXPECT_EQ(gateway_->counters().slow_readers, 0u);
}

TEST_F(BackPressure, AnswersOfTheWholeNodeAreBoundedAndTheirRoomComesBack) {
  GatewayOptions options;
  options.answers_bytes_max = 4 * limits::kBatchBytesMax;
  start(options);
  TestClient other = connect();
  other.login("other");
  {
    std::vector<HostileStream> deaf;
    for (int i = 0; i < 4; ++i) {
      deaf.push_back(log_in_slow("deaf" + std::to_string(i)));
      fetch(deaf.back(), 2, 4);
    }
    // All of them wait to be written: one more answer would be above the limit.
    run_until([&] { return !wait(fetch(other, 1)); });
    const auto refused = wait(fetch(other, 1));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kOverloaded);
    EXPECT_EQ(refused.error().retry_after_ms, limits::kRetryAfterMs);
    EXPECT_GE(gateway_->counters().answers_refused, 2u);
  }
  // Their connections are gone, and what was held for them with them.
  run_until([&] { return gateway_->connections() == 1; });
  // More than the bound, one after the other: what is written gives its room back.
  for (int i = 0; i < 12; ++i) {
    const auto batch = wait(fetch(other, 4));
    ASSERT_TRUE(batch) << i << ": " << batch.error().to_string();
    EXPECT_EQ(batch->messages.size(), 4u);
  }
}

TEST_F(BackPressure, ASlowReaderMakesWayWhileMemoryIsShort) {
  GatewayOptions options;
  options.answers_bytes_max = 2 * limits::kBatchBytesMax;
  options.write_pressed_ms = 100;
  options.close_linger_ms = 20;
  start(options);
  TestClient other = connect();
  other.login("other");
  std::vector<HostileStream> snails;
  for (int i = 0; i < 2; ++i) {
    snails.push_back(log_in_slow("snail" + std::to_string(i)));
    fetch(snails.back(), 2, 4);
  }
  // They make progress all the time, at the cost of everybody else.
  run_until([&] {
    for (auto& snail : snails) snail.take(512);
    return gateway_->counters().slow_readers > 0;
  });
  run_until([&] { return wait(fetch(other, 1)).has_value(); });
}

TEST_F(BackPressure, AClientThatSendsOnInSpiteOfOverloadedIsToldAndCutOff) {
  start();  // sessions that answer no send: calls in flight reach their limit
  TestClient client = connect();
  client.login("flood");
  std::vector<kj::Promise<void>> calls;
  std::optional<Error> last;
  for (std::size_t i = 0; gateway_->counters().careless_senders == 0; ++i) {
    ASSERT_LT(i, 200'000u);
    calls.push_back(send_request(client.session(), {message_to("bob", i + 1)})
                        .send()
                        .then([&](auto response) {
                          const auto answers = answers_of(response);
                          if (const auto* held = std::get_if<SendAnswer::Held>(&answers.at(0).value))
                            last = held->error;
                        })
                        .eagerlyEvaluate([](kj::Exception&&) {}));
    if (i % 64 == 63) client.flush();
  }
  EXPECT_TRUE(client.wait_until_closed());
  ASSERT_TRUE(last);
  EXPECT_EQ(last->code, ErrorCode::kOverloaded) << last->to_string();
  TestClient other = connect();
  other.login("other");
}

// Four calls of 4 MiB are as much as a connection may have unanswered: the fifth is read when one of them is answered.
TEST_F(BackPressure, BytesOfUnansweredCallsAtTheLimitStopTheReading) {
  broker_ = std::make_unique<FakeBroker>();
  start();
  TestClient client = connect();
  client.login("alice");
  const auto session = broker_->session();
  constexpr std::size_t kCalls = limits::kCallBytesInFlightMax / limits::kBatchBytesMax;
  std::vector<kj::Promise<void>> calls;
  for (std::uint64_t call = 0; call < 2 * kCalls; ++call) {
    std::vector<OutgoingMessage> messages;
    for (std::uint64_t i = 1; i <= 4; ++i)
      messages.push_back(message_to("bob", 4 * call + i, std::string(limits::kBodyBytesMax, 'x')));
    calls.push_back(send_request(client.session(), messages).send().ignoreResult().eagerlyEvaluate(nullptr));
  }
  run_until([&] { return session->waiting() == kCalls; });
  pass(50);
  EXPECT_EQ(session->waiting(), kCalls) << "more was read";
  const auto first = session->next<actors::ClientSend>();
  session->client->answered(first.call, std::vector<SendAnswer>(4, SendAnswer{Stored{Sequence(1), Epoch(1)}}));
  run_until([&] { return session->waiting() == kCalls; });
}

// An event that cannot be written at all (a body above what a pointer can span) ends that session, not the thread.
TEST_F(BackPressure, AnEventThatCannotBePassedOnEndsItsSessionAndNothingElse) {
  broker_ = std::make_unique<FakeBroker>(
      [](FakeSession& session) { session.client->logged_in(welcome_for(session.user)); },
      [](FakeSession& session, FromClient& message) {
        const auto* subscribe = std::get_if<actors::ClientSubscribe>(&message);
        if (subscribe == nullptr) return;
        session.client->answered(subscribe->call, Status());
        IncomingMessage vast = large_batch(session, 1).messages.front();
        vast.body.resize(std::size_t{1} << 29);
        actors::Delivery impossible;
        impossible.items.push_back({std::make_shared<const IncomingMessage>(std::move(vast)), 1});
        session.client->deliver(std::move(impossible));
      });
  start();
  class Taker final : public schema::Receiver::Server {
    kj::Promise<void> deliver(DeliverContext) override { return kj::READY_NOW; }
    kj::Promise<void> closed(ClosedContext) override { return kj::READY_NOW; }
  };
  TestClient client = connect();
  client.login("alice");
  auto request = client.session().subscribeRequest();
  request.setReceiver(kj::heap<Taker>());
  wire::write(SubscribeRequest{}, request);
  auto answer = request.send();
  EXPECT_TRUE(client.wait_until_closed());
  EXPECT_EQ(gateway_->counters().broken_events, 1u);
  TestClient other = connect();
  other.login("other");
}

// The largest call that is allowed is decoded within the traversal limit, although its bodies are visited twice.
TEST_F(BackPressure, TheLargestCallThatIsAllowedIsWithinWhatDecodingMayVisit) {
  broker_ = std::make_unique<FakeBroker>(
      [](FakeSession& session) { session.client->logged_in(welcome_for(session.user)); },
      [](FakeSession& session, FromClient& message) {
        const auto* send = std::get_if<actors::ClientSend>(&message);
        if (send == nullptr) return;
        session.client->answered(
            send->call, std::vector<SendAnswer>(send->items.size(), SendAnswer{Stored{Sequence(1), Epoch(1)}}));
      });
  start();
  TestClient client = connect();
  client.login("alice");
  std::vector<OutgoingMessage> messages;
  const std::string name(limits::kNameBytesMax, 'b');
  const std::string body(limits::kBatchBytesMax / limits::kBatchMessagesMax, 'x');
  for (std::uint64_t i = 1; i <= limits::kBatchMessagesMax; ++i) messages.push_back(message_to(name, i, body));
  const auto answers = answers_of(send_request(client.session(), messages).send().wait(io_.waitScope));
  ASSERT_EQ(answers.size(), limits::kBatchMessagesMax);
  for (const SendAnswer& answer : answers) {
    const auto* refused = std::get_if<SendAnswer::Refused>(&answer.value);
    ASSERT_EQ(refused, nullptr) << refused->error.to_string();
    const auto* held = std::get_if<SendAnswer::Held>(&answer.value);
    ASSERT_EQ(held, nullptr) << held->error.to_string();
  }
}

}  // namespace
}  // namespace earshot::gateway
