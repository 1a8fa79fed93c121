// Clients that call on in spite of kOverloaded, whatever it is that they are refused.
#include <functional>
#include <optional>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/gateway_connection.hpp"

namespace earshot::gateway {
namespace {

using tests::answers_of;
using tests::ConnectionTest;
using tests::FakeSession;
using tests::FromClient;
using tests::message_to;
using tests::send_request;
using tests::TestClient;

class Careless : public ConnectionTest {
 protected:
  // Sends are answered at once, in this way.
  void answer_sends(std::vector<SendAnswer> answers) {
    handler_ = [answers = std::move(answers)](FakeSession& session, FromClient& message) {
      const auto* send = std::get_if<actors::ClientSend>(&message);
      if (send == nullptr) return session.remember(std::move(message));
      session.client->answered(send->call,
                               std::vector<SendAnswer>(answers.begin(), answers.begin() + send->items.size()));
    };
  }
  static SendAnswer held(ErrorCode code) {
    return SendAnswer{SendAnswer::Held{Error{code, "", "", limits::kRetryAfterMs}}};
  }
  // Sends so many messages in one call; why the first of them is not stored, if so.
  std::optional<Error> send(TestClient& client, std::size_t messages = 1) {
    std::vector<OutgoingMessage> all;
    for (std::size_t i = 1; i <= messages; ++i) all.push_back(message_to("bob", i));
    const auto answers = answers_of(send_request(client.session(), all).send().wait(io_.waitScope));
    const auto* held = std::get_if<SendAnswer::Held>(&answers.at(0).value);
    return held == nullptr ? std::nullopt : std::optional(held->error);
  }
  std::optional<Error> fetch(TestClient& client) {
    auto request = client.session().fetchRequest();
    request.setLimit(1);
    const auto answer = wire::read(request.send().wait(io_.waitScope));
    return answer ? std::nullopt : std::optional(answer.error());
  }
  // As many refusals as are forgiven, and one more, which ends the session. No time passes meanwhile.
  void expect_cut_off(const std::function<std::optional<Error>()>& call) {
    for (std::size_t i = 0; i < limits::kRefusedCallsMax; ++i) ASSERT_TRUE(call()) << i;
    settle();
    EXPECT_EQ(counters_.careless_senders, 0u);
    EXPECT_FALSE(is_over());
    call();
    settle();
    EXPECT_EQ(counters_.careless_senders, 1u);
    EXPECT_TRUE(is_over());
  }
};

TEST_F(Careless, WithAsManyCallsInFlightAsThereMayBe) {
  TestClient& client = log_in();
  std::vector<capnp::RemotePromise<schema::AckAnswer>> calls;
  for (std::size_t i = 0; i < limits::kCallsInFlightMax; ++i) calls.push_back(client.session().ackRequest().send());
  settle();
  EXPECT_EQ(session().waiting(), limits::kCallsInFlightMax);
  expect_cut_off([&] { return send(client); });
  for (std::size_t i = 0; i < limits::kCallsInFlightMax; ++i) session().next<actors::ClientAck>();
  EXPECT_TRUE(session().next<actors::ClientGone>().by_node);
}

TEST_F(Careless, WithAsManyFetchesInFlightAsThereMayBe) {
  TestClient& client = log_in();
  std::vector<capnp::RemotePromise<schema::FetchAnswer>> calls;
  for (std::size_t i = 0; i < limits::kFetchesInFlightMax; ++i) {
    auto request = client.session().fetchRequest();
    request.setLimit(1);
    calls.push_back(request.send());
  }
  settle();
  expect_cut_off([&] { return fetch(client); });
}

TEST_F(Careless, WhileTheNodeHasNoRoomForAnswers) {
  TestClient& client = log_in();
  const ByteLease others(answers_, limits::kAnswersBytesMax);
  expect_cut_off([&] { return fetch(client); });
  EXPECT_EQ(counters_.answers_refused, limits::kRefusedCallsMax + 1);
}

TEST_F(Careless, WhileTheNodeHasTooManyCallsUnanswered) {
  TestClient& client = log_in();
  context_.calls_in_flight = limits::kBridgeQueueItemsMax / 2 - 1;
  auto last = client.session().ackRequest().send();
  settle();
  EXPECT_EQ(session().waiting(), 1u) << "at the limit it is taken";
  EXPECT_TRUE(send(client)) << "and one more is held";
  advance(limits::kRetryAfterMs);  // that one is forgiven
  expect_cut_off([&] { return send(client); });
  context_.calls_in_flight -= limits::kBridgeQueueItemsMax / 2 - 1;
  EXPECT_EQ(context_.calls_in_flight, 0u);
}

TEST_F(Careless, WhileShardsHoldAllOfEachSend) {
  answer_sends({held(ErrorCode::kOverloaded), held(ErrorCode::kOverloaded)});
  TestClient& client = log_in();
  expect_cut_off([&] { return send(client, 2); });
}

TEST_F(Careless, WhileTheDiskIsFull) {
  answer_sends({held(ErrorCode::kStorageFull)});
  TestClient& client = log_in();
  expect_cut_off([&] { return send(client); });
}

TEST_F(Careless, NotWhoseSendIsHeldInPartOrForAnotherReason) {
  answer_sends({held(ErrorCode::kOverloaded), SendAnswer{Stored{Sequence(1), Epoch(1)}}});
  TestClient& client = log_in();
  for (std::size_t i = 0; i < 2 * limits::kRefusedCallsMax; ++i) send(client, 2);
  answer_sends({held(ErrorCode::kUnavailable)});
  for (std::size_t i = 0; i < 2 * limits::kRefusedCallsMax; ++i) send(client);
  EXPECT_EQ(counters_.careless_senders, 0u);
  EXPECT_FALSE(is_over());
}

// The room of the whole node for answers: at the limit, and one byte below it.
TEST_F(Careless, AnswersAreLetInBelowTheNodesLimitAndNotAtIt) {
  TestClient& client = log_in();
  ByteLease others(answers_, limits::kAnswersBytesMax - 1);
  auto request = client.session().fetchRequest();
  request.setLimit(1);
  auto last = request.send();
  settle();
  EXPECT_EQ(answers_.used(), limits::kAnswersBytesMax - 1 + limits::kBatchBytesMax) << "what it may take at most";
  const auto refused = fetch(client);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, ErrorCode::kOverloaded);
  EXPECT_EQ(refused->retry_after_ms, limits::kRetryAfterMs);
  EXPECT_EQ(counters_.answers_refused, 1u);
  session().client->answered(session().next<actors::ClientFetch>().call, Result<Batch>(Batch{Epoch(1), {}, {}, {}}));
  EXPECT_TRUE(wire::read(last.wait(io_.waitScope)));
  settle();
  EXPECT_EQ(answers_.used(), limits::kAnswersBytesMax - 1) << "it is written, and its room is given back";
}

}  // namespace
}  // namespace earshot::gateway
