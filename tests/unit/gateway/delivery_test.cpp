#include <deque>

#include <gtest/gtest.h>

#include "tests/support/gateway_client.hpp"

namespace earshot::gateway {
namespace {

using tests::FakeSession;
using tests::GatewayTest;
using tests::TestClient;

// Takes batches in, and returns from each call only when the test says so.
class TestReceiver final : public schema::Receiver::Server {
 public:
  struct State {
    std::deque<Batch> batches;
    std::vector<Error> closed;
    std::deque<kj::Own<kj::PromiseFulfiller<void>>> returns;
    bool hold = false;   // deliver does not return by itself
    bool fail = false;   // deliver throws
    bool never = false;  // closed does not return
    std::vector<GoAway> goings;
    bool is_old = false;  // it does not know goAway
  };
  explicit TestReceiver(State& state) : state_(state) {}

 protected:
  kj::Promise<void> deliver(DeliverContext context) override {
    if (state_.fail) KJ_FAIL_REQUIRE("the database is full");
    state_.batches.push_back(wire::read(context.getParams().getBatch()).value());
    if (!state_.hold) return kj::READY_NOW;
    auto paf = kj::newPromiseAndFulfiller<void>();
    state_.returns.push_back(kj::mv(paf.fulfiller));
    return kj::mv(paf.promise);
  }
  kj::Promise<void> closed(ClosedContext context) override {
    state_.closed.push_back(wire::read(context.getParams().getReason()));
    if (state_.never) return kj::NEVER_DONE;
    return kj::READY_NOW;
  }
  kj::Promise<void> goAway(GoAwayContext context) override {
    if (state_.is_old) return Server::goAway(context);
    state_.goings.push_back(wire::read(context.getParams()).value());
    return kj::READY_NOW;
  }

 private:
  State& state_;
};

class DeliveryTest : public GatewayTest {
 protected:
  TestClient& subscribe(GatewayOptions options = {}) {
    start(options);
    client_ = std::make_unique<TestClient>(io_, gateway_->port());
    client_->login("alice");
    session_ = broker_->session();
    auto call = subscribe_request().send();
    client_->flush();
    const auto asked = session_->next<actors::ClientSubscribe>();
    session_->client->answered(asked.call, Status());
    EXPECT_TRUE(wire::read(call.wait(io_.waitScope)));
    return *client_;
  }
  capnp::Request<schema::Session::SubscribeParams, schema::StatusAnswer> subscribe_request() {
    auto request = client_->session().subscribeRequest();
    request.setReceiver(kj::heap<TestReceiver>(receiver_));
    request.setWindowMessages(16);
    return request;
  }
  // One message, delivered as number `number`.
  actors::Delivery delivery(std::uint64_t number, std::string body = "hi") {
    IncomingMessage message;
    message.sequence = Sequence(number);
    message.sender = UserId::trusted("bob");
    message.sender_device = DeviceId::trusted("desk");
    message.id = MessageId{9, number};
    message.body = std::move(body);
    message.stored_at_ms = 5;
    actors::Delivery made;
    made.number = number;
    made.epoch = Epoch(1);
    made.items.push_back({std::make_shared<const IncomingMessage>(std::move(message)), 3});
    made.last_sequence = Sequence(number);
    return made;
  }

  TestReceiver::State receiver_;
  std::unique_ptr<TestClient> client_;
  std::shared_ptr<FakeSession> session_;
};

TEST_F(DeliveryTest, TheWishesOfASubscriptionReachTheSession) {
  start();
  client_ = std::make_unique<TestClient>(io_, gateway_->port());
  client_->login("alice");
  session_ = broker_->session();
  auto request = subscribe_request();
  request.setMode(schema::Mode::UNORDERED);
  auto call = request.send();
  client_->flush();
  const auto asked = session_->next<actors::ClientSubscribe>();
  EXPECT_EQ(asked.mode, DeliveryMode::kUnordered);
  EXPECT_EQ(asked.window_messages, 16u);
}

TEST_F(DeliveryTest, ADeliveryArrivesAsItWasSaid) {
  subscribe();
  actors::Delivery made = delivery(4, std::string(50'000, 'x'));
  made.lost.push_back({Sequence(2), Sequence(3), LostReason::kCorrupt});
  session_->client->deliver(made);
  run_until([&] { return !receiver_.batches.empty(); });
  const Batch& batch = receiver_.batches.front();
  EXPECT_EQ(batch.epoch, Epoch(1));
  EXPECT_EQ(batch.last_sequence, Sequence(4));
  EXPECT_EQ(batch.lost, made.lost);
  ASSERT_EQ(batch.messages.size(), 1u);
  IncomingMessage expected = *made.items[0].message;
  expected.attempt = 3;
  EXPECT_EQ(batch.messages[0], expected);
}

TEST_F(DeliveryTest, OnlyAReturnedCallCountsAsTakenIn) {
  receiver_.hold = true;
  subscribe();
  session_->client->deliver(delivery(1));
  session_->client->deliver(delivery(2));
  run_until([&] { return receiver_.batches.size() == 2; });
  EXPECT_EQ(session_->waiting(), 0u) << "nothing has returned yet";
  receiver_.returns[1]->fulfill();
  client_->flush();
  EXPECT_EQ(session_->next<actors::ClientDelivered>().number, 2u);
  receiver_.returns[0]->fulfill();
  client_->flush();
  EXPECT_EQ(session_->next<actors::ClientDelivered>().number, 1u);
}

TEST_F(DeliveryTest, AReceiverThatNeverReturnsDoesNotHinderOtherCalls) {
  receiver_.hold = true;
  TestClient& client = subscribe();
  session_->client->deliver(delivery(1));
  run_until([&] { return receiver_.batches.size() == 1; });
  auto ack = client.session().ackRequest().send();
  client.flush();
  session_->client->answered(session_->next<actors::ClientAck>().call, Result<Sequence>(Sequence(1)));
  EXPECT_EQ(wire::read(ack.wait(io_.waitScope)).value(), Sequence(1));
  EXPECT_EQ(session_->waiting(), 0u);
}

TEST_F(DeliveryTest, AReceiverThatFailsEndsTheSessionOnce) {
  receiver_.fail = true;
  TestClient& client = subscribe();
  session_->client->deliver(delivery(1));
  session_->client->deliver(delivery(2));
  EXPECT_TRUE(client.wait_until_closed());
  session_->next<actors::ClientGone>();
  ASSERT_EQ(receiver_.closed.size(), 1u);
  EXPECT_EQ(receiver_.closed[0].code, ErrorCode::kClosed);
  EXPECT_EQ(receiver_.closed[0].field, "receiver");
  EXPECT_EQ(receiver_.closed[0].detail.find("the database is full"), std::string::npos)
      << "what a client says of itself may be anything, and of any length";
  EXPECT_EQ(gateway_->counters().receivers_failed, 1u);
  gateway_->stop();
  EXPECT_EQ(session_->waiting(), 0u);
}

// The delivery fails with the connection, before the end of that is noticed: a call that waits keeps the session's
// object.
TEST_F(DeliveryTest, AConnectionThatIsLostInMidDeliveryIsNoFailingReceiver) {
  receiver_.hold = true;
  TestClient& client = subscribe();
  session_->client->deliver(delivery(1));
  run_until([&] { return receiver_.batches.size() == 1; });
  auto ack = client.session().ackRequest().send();
  client.flush();
  session_->next<actors::ClientAck>();
  client_.reset();
  EXPECT_FALSE(session_->next<actors::ClientGone>().by_node);
  EXPECT_EQ(gateway_->counters().receivers_failed, 0u);
}

TEST_F(DeliveryTest, AReplacedSessionIsToldWhyBeforeItsConnectionCloses) {
  TestClient& client = subscribe();
  session_->client->closed(Error{ErrorCode::kSessionReplaced, "", "the device logged in again"});
  EXPECT_TRUE(client.wait_until_closed());
  ASSERT_EQ(receiver_.closed.size(), 1u);
  EXPECT_EQ(receiver_.closed[0].code, ErrorCode::kSessionReplaced);
  gateway_->stop();
  EXPECT_EQ(session_->waiting(), 0u);
}

TEST_F(DeliveryTest, AClientThatDoesNotAnswerTheFarewellIsClosedAllTheSame) {
  receiver_.never = true;
  GatewayOptions options;
  options.close_linger_ms = 20;
  TestClient& client = subscribe(options);
  session_->client->closed(Error{ErrorCode::kUnavailable, "", "shutting down"});
  EXPECT_TRUE(client.wait_until_closed());
  EXPECT_EQ(receiver_.closed.size(), 1u);
}

TEST_F(DeliveryTest, AClientThatIsAskedToGoHasTheTimeAndIsEndedAfterIt) {
  TestClient& client = subscribe();
  session_->client->go_away({{"b:7400"}, 300});
  run_until([&] { return !receiver_.goings.empty(); });
  EXPECT_EQ(receiver_.goings[0], (GoAway{{"b:7400"}, 300}));
  session_->client->deliver(delivery(1));
  run_until([&] { return receiver_.batches.size() == 1; });
  EXPECT_EQ(session_->next<actors::ClientDelivered>().number, 1u) << "until then everything goes on";
  EXPECT_TRUE(client.wait_until_closed());
  ASSERT_EQ(receiver_.closed.size(), 1u);
  EXPECT_EQ(receiver_.closed[0].code, ErrorCode::kUnavailable);
  EXPECT_TRUE(session_->next<actors::ClientGone>().by_node);
}

TEST_F(DeliveryTest, AClientThatDoesNotKnowHowToGoAwayIsEndedAtOnce) {
  receiver_.is_old = true;
  TestClient& client = subscribe();
  session_->client->go_away({{"b:7400"}, 3'600'000});
  EXPECT_TRUE(client.wait_until_closed());
  EXPECT_EQ(receiver_.closed.at(0).code, ErrorCode::kUnavailable);
  EXPECT_TRUE(session_->next<actors::ClientGone>().by_node);
}

TEST_F(DeliveryTest, AClientWithoutAReceiverCannotBeAskedToGoAndIsEndedWithItsMessagesHeld) {
  start();
  client_ = std::make_unique<TestClient>(io_, gateway_->port());
  client_->login("alice");
  session_ = broker_->session();
  auto sent = tests::send_request(client_->session(), {tests::message_to("bob", 1)}).send();
  client_->flush();
  session_->next<actors::ClientSend>();
  session_->client->go_away({{"b:7400"}, 3'600'000});
  const auto answers = tests::answers_of(sent.wait(io_.waitScope));
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(std::get<SendAnswer::Held>(answers[0].value).error.code, ErrorCode::kUnavailable);
  EXPECT_TRUE(client_->wait_until_closed());
}

TEST_F(DeliveryTest, ASecondSubscriptionIsRefusedAndTheFirstGoesOn) {
  TestClient& client = subscribe();
  TestReceiver::State other;
  auto request = client.session().subscribeRequest();
  request.setReceiver(kj::heap<TestReceiver>(other));
  EXPECT_EQ(wire::read(request.send().wait(io_.waitScope)).error().code, ErrorCode::kConflict);
  session_->client->deliver(delivery(1));
  run_until([&] { return !receiver_.batches.empty(); });
  EXPECT_TRUE(other.batches.empty());
}

TEST_F(DeliveryTest, ARefusedSubscriptionMayBeTriedAgain) {
  start();
  client_ = std::make_unique<TestClient>(io_, gateway_->port());
  client_->login("alice");
  session_ = broker_->session();
  for (const bool well : {false, true}) {
    auto call = subscribe_request().send();
    client_->flush();
    const auto asked = session_->next<actors::ClientSubscribe>();
    session_->client->answered(asked.call, well ? Status() : Status(fail(ErrorCode::kOverloaded, "", "")));
    EXPECT_EQ(wire::read(call.wait(io_.waitScope)).has_value(), well);
  }
}

TEST_F(DeliveryTest, StoppingTellsEveryClientAndEndsItsSession) {
  TestClient& client = subscribe();
  // On a thread of its own, since the client must be able to answer meanwhile.
  std::thread stopper([this] { gateway_->stop(); });
  EXPECT_TRUE(client.wait_until_closed());
  stopper.join();
  ASSERT_EQ(receiver_.closed.size(), 1u);
  EXPECT_EQ(receiver_.closed[0].code, ErrorCode::kUnavailable);
  session_->next<actors::ClientGone>();
  EXPECT_EQ(session_->waiting(), 0u);
}

}  // namespace
}  // namespace earshot::gateway
