// What ends a connection, a call or a session by itself: at its time, and not a millisecond before.
#include <array>
#include <optional>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/gateway_connection.hpp"

namespace earshot::gateway {
namespace {

using capnp::rpc::Payload;
using tests::ConnectionTest;
using tests::FakeSession;
using tests::FromClient;
using tests::HostileStream;
using tests::TestClient;

// Notices how a session is ended, and may keep the node waiting for its answer to that.
class ClosedNote final : public schema::Receiver::Server {
 public:
  ClosedNote(std::optional<Error>& reason, bool returns) : reason_(reason), returns_(returns) {}
  kj::Promise<void> deliver(DeliverContext) override { return kj::READY_NOW; }
  kj::Promise<void> closed(ClosedContext context) override {
    reason_ = wire::read(context.getParams().getReason());
    if (!returns_) return kj::NEVER_DONE;
    return kj::READY_NOW;
  }

 private:
  std::optional<Error>& reason_;
  const bool returns_;
};

// Cannot take anything in, since it has lost what it would keep it in.
class CutOffNote final : public schema::Receiver::Server {
 public:
  kj::Promise<void> deliver(DeliverContext) override { return KJ_EXCEPTION(DISCONNECTED, "no database"); }
};

class ConnectionTimes : public ConnectionTest {
 protected:
  // Fetches are answered at once, with one message of 1 MiB.
  void answer_fetches() {
    handler_ = [](FakeSession& session, FromClient& message) {
      const auto* fetch = std::get_if<actors::ClientFetch>(&message);
      if (fetch == nullptr) return session.remember(std::move(message));
      Batch batch;
      batch.epoch = Epoch(1);
      IncomingMessage large;
      large.sequence = Sequence(1);
      large.sender = session.user;
      large.sender_device = session.request.device;
      large.body = std::string(limits::kBodyBytesMax, 'x');
      batch.messages.push_back(std::move(large));
      session.client->answered(fetch->call, Result<Batch>(std::move(batch)));
    };
  }
  void fetch(HostileStream& stream) {
    stream.call(2, 1, HostileStream::kSession, capnp::typeId<schema::Session>(), 4, [](Payload::Builder params) {
      params.getContent().initAs<schema::Session::FetchParams>().setLimit(1);
    });
    settle();
  }
  // A message of 1 MiB is announced, and its first bytes come.
  static void begin_message(HostileStream& stream) {
    const std::array<std::uint32_t, 4> begin{0, limits::kBodyBytesMax / sizeof(capnp::word), 0, 0};
    stream.write(begin.data(), sizeof begin);
  }
  // The answers to bootstrap and login.
  static void read_welcome(HostileStream& stream) {
    for (int i = 0; i < 2; ++i) ASSERT_EQ(stream.read_kind(), "return");
  }
  // Subscribes as question 2; the answer is not read.
  void subscribe(HostileStream& stream) {
    stream.call(2, 1, HostileStream::kSession, capnp::typeId<schema::Session>(), 1, [](Payload::Builder params) {
      params.initCapTable(1)[0].setSenderHosted(0);
      capnp::BuilderCapabilityTable capabilities;
      capabilities.imbue(params.getContent())
          .initAs<schema::Session::SubscribeParams>()
          .setReceiver(kj::heap<CutOffNote>());
    });
    settle();
    session().client->answered(session().next<actors::ClientSubscribe>().call, Status());
    settle();
  }
  // It has been told that it is too slow, and when to come again.
  static void expect_told_why(HostileStream& stream) {
    const auto reason = stream.read_farewell();
    ASSERT_TRUE(reason);
    EXPECT_EQ(reason->code, ErrorCode::kOverloaded);
    EXPECT_EQ(reason->retry_after_ms, limits::kRetryAfterMs);
  }
  void subscribe(TestClient& client, bool returns) { subscribe_with(client, kj::heap<ClosedNote>(reason_, returns)); }
  void subscribe_with(TestClient& client, schema::Receiver::Client receiver) {
    auto request = client.session().subscribeRequest();
    request.setReceiver(kj::mv(receiver));
    auto answer = request.send();
    settle();
    session().client->answered(session().next<actors::ClientSubscribe>().call, Status());
    ASSERT_TRUE(wire::read(answer.wait(io_.waitScope)));
  }

  std::optional<Error> reason_;
};

TEST_F(ConnectionTimes, AConnectionWithoutALoginIsClosedAtTheTimeout) {
  auto silent = serve();
  advance(limits::kLoginTimeoutMs - 1);
  EXPECT_FALSE(is_over());
  advance(1);
  EXPECT_TRUE(is_over());
  EXPECT_EQ(counters_.login_timeouts, 1u);
}

TEST_F(ConnectionTimes, ASessionIsNotEndedByTheLoginsTimeoutHoweverSilent) {
  log_in();
  for (int hour = 0; hour < 24; ++hour) advance(3'600'000);
  EXPECT_FALSE(is_over());
  EXPECT_EQ(counters_.login_timeouts, 0u);
}

TEST_F(ConnectionTimes, ACallIsAnsweredByItsDeadline) {
  TestClient& client = log_in();
  auto ack = client.session().ackRequest().send();
  settle();
  advance(limits::kCallTimeoutMs - 1);
  EXPECT_FALSE(ack.poll(io_.waitScope));
  advance(1);
  EXPECT_EQ(wire::read(ack.wait(io_.waitScope)).error().code, ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(context_.calls_in_flight, 0u);
}

TEST_F(ConnectionTimes, AClientThatTakesInNothingIsCutOffAtTheTimeout) {
  HostileStream& client = log_in_raw();
  subscribe(client);
  advance(limits::kWriteTimeoutMs - 1);
  EXPECT_EQ(counters_.slow_readers, 0u);
  EXPECT_EQ(session().waiting(), 0u);
  advance(1);
  EXPECT_EQ(counters_.slow_readers, 1u);
  EXPECT_TRUE(session().next<actors::ClientGone>().by_node);
  EXPECT_FALSE(is_over()) << "it may still hear why";
  read_welcome(client);
  EXPECT_EQ(client.read_kind(), "return") << "of its subscription";
  expect_told_why(client);
  advance(limits::kCloseLingerMs);  // it does not answer that …
  EXPECT_FALSE(is_over());
  advance(limits::kCloseLingerMs);  // … and does not close
  EXPECT_TRUE(is_over());
  EXPECT_EQ(counters_.slow_readers, 1u);
}

TEST_F(ConnectionTimes, AClientThatHasReadEverythingIsNeverSlow) {
  HostileStream& client = log_in_raw();
  read_welcome(client);
  advance(10 * limits::kWriteTimeoutMs);
  EXPECT_EQ(counters_.slow_readers, 0u);
  EXPECT_FALSE(is_over());
}

TEST_F(ConnectionTimes, WhileAnswersFillTheMemoryASlowTakerOfOneIsCutOffSooner) {
  answer_fetches();
  HostileStream& slow = log_in_raw();
  read_welcome(slow);
  fetch(slow);
  ASSERT_GT(answers_.used(), limits::kBodyBytesMax) << "its answer is being written";
  const ByteLease others(answers_, limits::kAnswersBytesMax - answers_.used());
  advance(limits::kWritePressedMs - 1);
  EXPECT_EQ(counters_.slow_readers, 0u);
  advance(1);
  EXPECT_EQ(counters_.slow_readers, 1u);
}

TEST_F(ConnectionTimes, WhileThereIsRoomForAnswersASlowTakerHasTheWholeTime) {
  answer_fetches();
  HostileStream& slow = log_in_raw();
  read_welcome(slow);
  fetch(slow);
  const ByteLease others(answers_, limits::kAnswersBytesMax - answers_.used() - 1);
  advance(limits::kWriteTimeoutMs - 1);
  EXPECT_EQ(counters_.slow_readers, 0u);
}

TEST_F(ConnectionTimes, WhoTakesNoneOfTheMemoryOfAnswersIsNotPressed) {
  log_in_raw();  // the welcome is being written
  const ByteLease others(answers_, limits::kAnswersBytesMax);
  advance(limits::kWriteTimeoutMs - 1);
  EXPECT_EQ(counters_.slow_readers, 0u);
}

TEST_F(ConnectionTimes, AMessageThatDoesNotGetOnEndsTheConnectionAtTheTimeout) {
  HostileStream& client = log_in_raw();
  subscribe(client);
  read_welcome(client);
  EXPECT_EQ(client.read_kind(), "return") << "of its subscription";
  begin_message(client);
  settle();
  advance(limits::kWriteTimeoutMs - 1);
  client.write("x", 1);  // a slow line is not cut off, however large the message
  advance(limits::kWriteTimeoutMs - 1);
  EXPECT_EQ(counters_.slow_senders, 0u);
  advance(1);
  EXPECT_EQ(counters_.slow_senders, 1u);
  EXPECT_TRUE(session().next<actors::ClientGone>().by_node);
  expect_told_why(client);
}

TEST_F(ConnectionTimes, WhileHalfReadMessagesFillTheMemoryASlowSenderOfOneIsCutOffSooner) {
  HostileStream& client = log_in_raw();
  read_welcome(client);
  begin_message(client);
  settle();
  ASSERT_GT(reading_.used(), 0u);
  const ReadingRoom::Place others(reading_, limits::kReadingBytesMax - reading_.used());
  auto waiting = reading_.enter(1);
  advance(limits::kWritePressedMs - 1);
  EXPECT_EQ(counters_.slow_senders, 0u);
  advance(1);
  EXPECT_EQ(counters_.slow_senders, 1u);
}

TEST_F(ConnectionTimes, WhileNobodyWaitsToBeReadASlowSenderHasTheWholeTime) {
  HostileStream& client = log_in_raw();
  read_welcome(client);
  begin_message(client);
  settle();
  const ReadingRoom::Place others(reading_, limits::kReadingBytesMax - reading_.used());
  advance(limits::kWriteTimeoutMs - 1);
  EXPECT_EQ(counters_.slow_senders, 0u);
}

TEST_F(ConnectionTimes, WhoWaitsForRoomToBeReadIsNotSlow) {
  HostileStream& client = log_in_raw();
  read_welcome(client);
  const ReadingRoom::Place others(reading_, limits::kReadingBytesMax);
  begin_message(client);
  settle();
  advance(2 * limits::kWriteTimeoutMs);
  EXPECT_EQ(counters_.slow_senders, 0u);
  EXPECT_FALSE(is_over());
}

TEST_F(ConnectionTimes, AClientThatDoesNotAnswerTheFarewellIsGivenTheLinger) {
  subscribe(log_in(), false);
  session().client->closed(Error{ErrorCode::kSessionReplaced, "", "the device logged in again"});
  settle();
  ASSERT_TRUE(reason_);
  advance(limits::kCloseLingerMs - 1);
  EXPECT_FALSE(is_over());
  advance(1);
  EXPECT_TRUE(is_over());
}

// As if the connection were lost, which it is not.
TEST_F(ConnectionTimes, AReceiverThatSaysItIsDisconnectedIsAFailingOneAfterTheLinger) {
  subscribe_with(log_in(), kj::heap<CutOffNote>());
  session().client->deliver(actors::Delivery{});
  settle();
  advance(limits::kCloseLingerMs - 1);
  EXPECT_EQ(counters_.receivers_failed, 0u);
  EXPECT_EQ(session().waiting(), 0u);
  advance(1);
  EXPECT_EQ(counters_.receivers_failed, 1u);
  EXPECT_TRUE(session().next<actors::ClientGone>().by_node);
}

TEST_F(ConnectionTimes, AClientThatLoggedOutMayCloseByItselfUntilTheLingerIsOver) {
  TestClient& client = log_in();
  client.session().logoutRequest().send().wait(io_.waitScope);
  advance(limits::kCloseLingerMs - 1);
  EXPECT_FALSE(is_over());
  advance(1);
  EXPECT_TRUE(is_over());
}

TEST_F(ConnectionTimes, ASessionEndsWithItsTokenByTheWallClock) {
  tokens_end_at_ms_ = clock_.wall_ms() + 60'000;
  subscribe(log_in(), true);
  clock_.jump_wall(59'999);  // and no time has passed
  look();
  EXPECT_FALSE(reason_);
  clock_.jump_wall(1);
  look();
  ASSERT_TRUE(reason_);
  EXPECT_EQ(reason_->code, ErrorCode::kUnauthenticated);
  EXPECT_EQ(reason_->field, "token");
  EXPECT_TRUE(session().next<actors::ClientGone>().by_node);
  EXPECT_EQ(counters_.tokens_expired, 1u);
  EXPECT_TRUE(is_over());
}

TEST_F(ConnectionTimes, AWallClockThatIsSetBackDoesNotLengthenASession) {
  tokens_end_at_ms_ = clock_.wall_ms() + 60'000;
  subscribe(log_in(), true);
  clock_.jump_wall(-1'000'000'000);
  advance(59'999);
  EXPECT_FALSE(reason_);
  advance(1);
  EXPECT_TRUE(reason_);
  EXPECT_EQ(counters_.tokens_expired, 1u);
}

TEST_F(ConnectionTimes, ATokenWithoutAnEndEndsNoSession) {
  subscribe(log_in(), true);
  for (int day = 0; day < 400; ++day) advance(86'400'000);
  EXPECT_FALSE(reason_);
}

}  // namespace
}  // namespace earshot::gateway
