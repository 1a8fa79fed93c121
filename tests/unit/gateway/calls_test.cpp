#include <gtest/gtest.h>

#include "tests/support/gateway_client.hpp"

namespace earshot::gateway {
namespace {

using tests::answers_of;
using tests::FakeSession;
using tests::GatewayTest;
using tests::message_to;
using tests::send_request;
using tests::TestClient;

SendAnswer stored(std::uint64_t sequence) { return SendAnswer{Stored{Sequence(sequence), Epoch(1)}}; }

template <class Kind>
const Error* error_in(const SendAnswer& answer) {
  const auto* kind = std::get_if<Kind>(&answer.value);
  return kind == nullptr ? nullptr : &kind->error;
}

class CallsTest : public GatewayTest {
 protected:
  TestClient& log_in(gateway::GatewayOptions options = {}) {
    start(options);
    client_ = std::make_unique<TestClient>(io_, gateway_->port());
    client_->login("alice");
    session_ = broker_->session();
    return *client_;
  }
  // Sends and lets the session answer every forwarded message with Stored, numbered from 1.
  std::vector<SendAnswer> send(const std::vector<OutgoingMessage>& messages) {
    auto call = send_request(client_->session(), messages).send();
    run_until([&] { return session_->waiting() > 0; });  // large batches take more than one write
    forwarded_ = session_->next<actors::ClientSend>();
    std::vector<SendAnswer> answers;
    for (std::size_t i = 0; i < forwarded_.items.size(); ++i) answers.push_back(stored(i + 1));
    session_->client->answered(forwarded_.call, std::move(answers));
    return answers_of(call.wait(io_.waitScope));
  }

  std::unique_ptr<TestClient> client_;
  std::shared_ptr<FakeSession> session_;
  actors::ClientSend forwarded_;
};

TEST_F(CallsTest, ABatchIsForwardedWholeWithItsLanesAndAnsweredInOrder) {
  log_in();
  std::vector<OutgoingMessage> messages;
  for (std::uint64_t i = 1; i <= 100; ++i) messages.push_back(message_to("user" + std::to_string(i % 5), i));
  const auto answers = send(messages);
  ASSERT_EQ(answers.size(), 100u);
  ASSERT_EQ(forwarded_.items.size(), 100u);
  for (std::size_t i = 0; i < 100; ++i) {
    EXPECT_EQ(answers[i], stored(i + 1));
    EXPECT_EQ(forwarded_.items[i].item.message.number, LaneNumber(i + 1));
    EXPECT_EQ(forwarded_.items[i].item.message.body, "hello");
    EXPECT_EQ(forwarded_.items[i].shard, shard_of(messages[i].recipient, 8));
    EXPECT_FALSE(forwarded_.items[i].item.refusal);
  }
}

TEST_F(CallsTest, CallsAreAnsweredEachInItsOwnTime) {
  TestClient& client = log_in();
  auto first = send_request(client.session(), {message_to("bob", 1)}).send();
  auto second = send_request(client.session(), {message_to("bob", 2)}).send();
  client.flush();
  const auto one = session_->next<actors::ClientSend>();
  const auto two = session_->next<actors::ClientSend>();
  session_->client->answered(two.call, {stored(2)});
  EXPECT_EQ(answers_of(second.wait(io_.waitScope)).at(0), stored(2));
  session_->client->answered(one.call, {stored(1)});
  EXPECT_EQ(answers_of(first.wait(io_.waitScope)).at(0), stored(1));
}

TEST_F(CallsTest, AMessageThatBreaksARuleUsesUpItsNumberInItsLane) {
  log_in();
  const std::string bad_name = "two\nlines";
  OutgoingMessage bad = message_to("bob", 2);
  bad.recipient = UserId::trusted(bad_name);
  OutgoingMessage fat = message_to("bob", 3, std::string(limits::kBodyBytesMax + 1, 'x'));
  const auto answers = send({message_to("bob", 1), bad, fat, message_to("bob", 4)});
  EXPECT_EQ(answers.size(), 4u);
  ASSERT_EQ(forwarded_.items.size(), 4u);
  const auto& refused = forwarded_.items[1];
  ASSERT_TRUE(refused.item.refusal);
  EXPECT_EQ(refused.item.refusal->field, "recipient");
  EXPECT_EQ(refused.shard, shard_of(bad_name, 8));
  EXPECT_EQ(refused.item.message.number, LaneNumber(2));
  EXPECT_EQ(refused.item.message.id, bad.id);
  EXPECT_TRUE(refused.item.message.body.empty());
  EXPECT_TRUE(refused.item.message.recipient.empty());
  const auto& too_large = forwarded_.items[2];
  ASSERT_TRUE(too_large.item.refusal);
  EXPECT_EQ(too_large.item.refusal->field, "body");
  EXPECT_EQ(too_large.shard, shard_of("bob", 8)) << "it stays in its lane";
  EXPECT_FALSE(forwarded_.items[3].item.refusal);
}

TEST_F(CallsTest, AMessageWithoutANumberIsRefusedHereAndItsNeighboursKeepTheirPlaces) {
  log_in();
  const auto answers = send(
      {message_to("bob", 0), message_to("bob", 1), message_to("bob", 0), message_to("bob", 2), message_to("bob", 0)});
  ASSERT_EQ(forwarded_.items.size(), 2u);
  ASSERT_EQ(answers.size(), 5u);
  for (const std::size_t index : {0u, 2u, 4u}) {
    const Error* error = error_in<SendAnswer::Refused>(answers[index]);
    ASSERT_NE(error, nullptr) << index;
    EXPECT_EQ(error->field, "number");
  }
  EXPECT_EQ(answers[1], stored(1));
  EXPECT_EQ(answers[3], stored(2));
}

TEST_F(CallsTest, ACallOfNothingButHopelessMessagesIsAnsweredWithoutTheSession) {
  TestClient& client = log_in();
  const auto answers = answers_of(send_request(client.session(), {message_to("bob", 0)}).send().wait(io_.waitScope));
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_NE(error_in<SendAnswer::Refused>(answers[0]), nullptr);
  EXPECT_TRUE(answers_of(send_request(client.session(), {}).send().wait(io_.waitScope)).empty());
  EXPECT_EQ(session_->waiting(), 0u);
}

TEST_F(CallsTest, ABatchAtTheLimitPassesAndOneMessageMoreChangesNothing) {
  TestClient& client = log_in();
  std::vector<OutgoingMessage> messages;
  for (std::uint64_t i = 1; i <= limits::kBatchMessagesMax; ++i) messages.push_back(message_to("bob", i));
  EXPECT_EQ(send(messages).size(), limits::kBatchMessagesMax);
  messages.push_back(message_to("bob", limits::kBatchMessagesMax + 1));
  try {
    send_request(client.session(), messages).send().wait(io_.waitScope);
    FAIL() << "the call should have failed";
  } catch (const kj::Exception& exception) {
    const std::string text = exception.getDescription().cStr();
    EXPECT_NE(text.find("messages"), std::string::npos) << text;
    EXPECT_NE(text.find(std::to_string(limits::kBatchMessagesMax)), std::string::npos) << text;
  }
  EXPECT_EQ(session_->waiting(), 0u);
  EXPECT_EQ(send({message_to("bob", 1)}).size(), 1u) << "the connection goes on";
}

TEST_F(CallsTest, BytesOfABatchAtTheLimitPassAndOneMoreFails) {
  TestClient& client = log_in();
  const std::size_t half = limits::kBodyBytesMax / 2;
  std::vector<OutgoingMessage> messages;
  for (std::size_t i = 0; i < limits::kBatchBytesMax / half; ++i)
    messages.push_back(message_to("bob", i + 1, std::string(half, 'x')));
  EXPECT_EQ(send(messages).size(), messages.size());
  for (const auto& forwarded : forwarded_.items)
    EXPECT_FALSE(forwarded.item.refusal) << forwarded.item.refusal->to_string();
  messages.push_back(message_to("bob", messages.size() + 1, "x"));
  EXPECT_THROW(send_request(client.session(), messages).send().wait(io_.waitScope), kj::Exception);
}

TEST_F(CallsTest, CallsInFlightAtTheLimitPassAndOneMoreIsOverloaded) {
  TestClient& client = log_in();
  std::vector<capnp::RemotePromise<schema::Session::SendResults>> calls;
  for (std::uint64_t i = 1; i <= limits::kCallsInFlightMax; ++i)
    calls.push_back(send_request(client.session(), {message_to("bob", i)}).send());
  auto more = send_request(client.session(), {message_to("bob", 1), message_to("carol", 2)}).send();
  const auto answers = answers_of(more.wait(io_.waitScope));
  ASSERT_EQ(answers.size(), 2u);
  for (const auto& answer : answers) {
    const Error* error = error_in<SendAnswer::Held>(answer);
    ASSERT_NE(error, nullptr);
    EXPECT_EQ(error->code, ErrorCode::kOverloaded);
    EXPECT_GT(error->retry_after_ms, 0u);
  }
  for (std::size_t i = 0; i < limits::kCallsInFlightMax; ++i)
    session_->client->answered(session_->next<actors::ClientSend>().call, {stored(i + 1)});
  for (auto& call : calls) EXPECT_EQ(answers_of(call.wait(io_.waitScope)).size(), 1u);
  EXPECT_EQ(send({message_to("bob", 9)}).at(0), stored(1)) << "there is room again";
}

TEST_F(CallsTest, FetchesHaveALimitOfTheirOwn) {
  TestClient& client = log_in();
  const auto fetch = [&] {
    auto request = client.session().fetchRequest();
    request.setLimit(10);
    return request.send();
  };
  std::vector<capnp::RemotePromise<schema::FetchAnswer>> calls;
  for (std::size_t i = 0; i < limits::kFetchesInFlightMax; ++i) calls.push_back(fetch());
  const auto refused = wire::read(fetch().wait(io_.waitScope));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kOverloaded);
  for (auto& call : calls) {
    session_->client->answered(session_->next<actors::ClientFetch>().call, Result<Batch>(Batch{Epoch(1), {}, {}, {}}));
    EXPECT_TRUE(wire::read(call.wait(io_.waitScope)));
  }
  auto again = fetch();
  client.flush();
  session_->next<actors::ClientFetch>();
}

TEST_F(CallsTest, AFetchBringsMessagesAndHoles) {
  TestClient& client = log_in();
  auto request = client.session().fetchRequest();
  request.setAfter(4);
  request.setLimit(100);
  request.setCause(schema::FetchCause::GAP);
  auto call = request.send();
  client.flush();
  const auto fetch = session_->next<actors::ClientFetch>();
  EXPECT_EQ(fetch.after, Sequence(4));
  EXPECT_EQ(fetch.limit, 100u);
  EXPECT_EQ(fetch.cause, FetchCause::kGap);
  Batch batch;
  batch.epoch = Epoch(3);
  batch.last_sequence = Sequence(9);
  batch.lost.push_back({Sequence(5), Sequence(6), LostReason::kTrimmed});
  IncomingMessage message;
  message.sequence = Sequence(7);
  message.sender = UserId::trusted("bob");
  message.sender_device = DeviceId::trusted("desk");
  message.id = MessageId{1, 2};
  message.body = std::string(100'000, 'b');
  batch.messages.push_back(message);
  session_->client->answered(fetch.call, Result<Batch>(batch));
  const auto answer = wire::read(call.wait(io_.waitScope));
  ASSERT_TRUE(answer) << answer.error().to_string();
  EXPECT_EQ(answer->epoch, Epoch(3));
  EXPECT_EQ(answer->messages, batch.messages);
  EXPECT_EQ(answer->lost, batch.lost);
  EXPECT_EQ(answer->last_sequence, Sequence(9));
}

TEST_F(CallsTest, AcksNacksAndHistoryReachTheSessionAndTheirAnswersComeBack) {
  TestClient& client = log_in();
  auto ack = client.session().ackRequest();
  ack.setUpTo(5);
  ack.initAbove(1).set(0, 9);
  auto ack_call = ack.send();
  auto nack = client.session().nackRequest();
  nack.initSequences(1).set(0, 7);
  nack.setDelayMs(30);
  auto nack_call = nack.send();
  auto history = client.session().historyRequest();
  history.setBefore(8);
  history.setLimit(3);
  auto history_call = history.send();
  client.flush();
  const auto acked = session_->next<actors::ClientAck>();
  EXPECT_EQ(acked.ack.up_to, Sequence(5));
  EXPECT_EQ(acked.ack.above, std::vector{Sequence(9)});
  const auto nacked = session_->next<actors::ClientNack>();
  EXPECT_EQ(nacked.nack.sequences, std::vector{Sequence(7)});
  EXPECT_EQ(nacked.nack.delay_ms, 30u);
  const auto asked = session_->next<actors::ClientHistory>();
  EXPECT_EQ(asked.before, Sequence(8));
  session_->client->answered(acked.call, Result<Sequence>(Sequence(5)));
  session_->client->answered(nacked.call, Status(fail(ErrorCode::kNotFound, "sequences", "not outstanding")));
  session_->client->answered(asked.call, Result<Batch>(fail(ErrorCode::kCorrupt, "", "")));
  EXPECT_EQ(wire::read(ack_call.wait(io_.waitScope)).value(), Sequence(5));
  EXPECT_EQ(wire::read(nack_call.wait(io_.waitScope)).error().field, "sequences");
  EXPECT_EQ(wire::read(history_call.wait(io_.waitScope)).error().code, ErrorCode::kCorrupt);
}

TEST_F(CallsTest, FieldsThatBreakARuleAreNamedAndGoNoFurther) {
  TestClient& client = log_in();
  auto ack = client.session().ackRequest();
  ack.setUpTo(5);
  ack.initAbove(1).set(0, 5);
  EXPECT_EQ(wire::read(ack.send().wait(io_.waitScope)).error().field, "above");
  auto nack = client.session().nackRequest();
  EXPECT_EQ(wire::read(nack.send().wait(io_.waitScope)).error().field, "sequences");
  auto fetch = client.session().fetchRequest();
  fetch.setLimit(static_cast<std::uint32_t>(limits::kFetchMessagesMax + 1));
  EXPECT_EQ(wire::read(fetch.send().wait(io_.waitScope)).error().field, "limit");
  auto subscribe = client.session().subscribeRequest();
  EXPECT_EQ(wire::read(subscribe.send().wait(io_.waitScope)).error().field, "receiver");
  EXPECT_EQ(session_->waiting(), 0u);
}

TEST_F(CallsTest, ACallThatTheSessionLosesIsAnsweredByItsDeadline) {
  GatewayOptions options;
  options.call_timeout_ms = 20;
  TestClient& client = log_in(options);
  auto ack = client.session().ackRequest().send();
  auto send = send_request(client.session(), {message_to("bob", 1)}).send();
  EXPECT_EQ(wire::read(ack.wait(io_.waitScope)).error().code, ErrorCode::kDeadlineExceeded);
  const auto answers = answers_of(send.wait(io_.waitScope));
  const Error* error = error_in<SendAnswer::Held>(answers.at(0));
  ASSERT_NE(error, nullptr);
  EXPECT_EQ(error->code, ErrorCode::kDeadlineExceeded);
  // The answer that comes after all goes nowhere.
  session_->client->answered(session_->next<actors::ClientAck>().call, Result<Sequence>(Sequence(1)));
  EXPECT_EQ(wire::read(client.session().ackRequest().send().wait(io_.waitScope)).error().code,
            ErrorCode::kDeadlineExceeded);
}

TEST_F(CallsTest, WhenTheSessionEndsEveryWaitingCallHearsWhy) {
  TestClient& client = log_in();
  auto ack = client.session().ackRequest().send();
  auto send = send_request(client.session(), {message_to("bob", 1), message_to("bob", 2)}).send();
  client.flush();
  session_->next<actors::ClientAck>();
  session_->next<actors::ClientSend>();
  session_->client->closed(Error{ErrorCode::kSessionReplaced, "", "the device logged in again"});
  EXPECT_EQ(wire::read(ack.wait(io_.waitScope)).error().code, ErrorCode::kSessionReplaced);
  const auto answers = answers_of(send.wait(io_.waitScope));
  ASSERT_EQ(answers.size(), 2u);
  for (const auto& answer : answers) EXPECT_EQ(error_in<SendAnswer::Held>(answer)->code, ErrorCode::kSessionReplaced);
  EXPECT_TRUE(client.wait_until_closed());
  gateway_->stop();
  EXPECT_EQ(session_->waiting(), 0u) << "a session that ended itself needs no ClientGone";
}

}  // namespace
}  // namespace earshot::gateway
