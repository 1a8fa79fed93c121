#include <array>
#include <random>

#include <capnp/rpc.capnp.h>
#include <capnp/serialize.h>
#include <gtest/gtest.h>

#include "tests/support/gateway_client.hpp"
#include "tests/support/hostile_stream.hpp"
#include "tests/support/seed.hpp"

namespace earshot::gateway {
namespace {

using tests::FakeBroker;
using tests::FakeSession;
using tests::FromClient;
using tests::GatewayTest;
using tests::HostileStream;
using tests::TestClient;
using tests::welcome_for;

// Bytes instead of a client.
class HostileTest : public GatewayTest {
 protected:
  HostileStream open() { return {io_, gateway_->port()}; }
  static constexpr auto kLoginWordsMax =
      static_cast<std::uint32_t>(limits::kLoginMessageBytesMax / sizeof(capnp::word));

  // Announces a message of so many words and sends two of them; whether the gateway reads on. What another connection
  // says later is read later, since one thread reads both.
  bool waits_for_the_rest(HostileStream& stream, std::size_t words) {
    std::array<std::uint32_t, 6> begin{0, static_cast<std::uint32_t>(words)};
    stream.write(begin.data(), sizeof begin);
    expect_service();
    char byte = 0;
    return !stream.stream().tryRead(&byte, 1, 1).poll(io_.waitScope);
  }
  // Somebody else is served as if nothing had happened.
  void expect_service() {
    TestClient client = connect();
    client.login("bystander" + std::to_string(broker_->sessions()));
  }
};

TEST_F(HostileTest, RandomBytesCloseOnlyTheirOwnConnection) {
  start();
  std::mt19937_64 random(tests::seed_of_test());
  for (int round = 0; round < 50; ++round) {
    auto stream = open();
    std::vector<std::uint64_t> garbage(1 + random() % 500);
    for (auto& word : garbage) word = random();
    stream.write(garbage.data(), garbage.size() * 8);
    stream.end();
    EXPECT_TRUE(stream.closes()) << "round " << round;
  }
  expect_service();
}

TEST_F(HostileTest, FlippedBitsInARealCallCrashNothing) {
  start();
  std::mt19937_64 random(tests::seed_of_test());
  capnp::MallocMessageBuilder bootstrap;
  bootstrap.initRoot<capnp::rpc::Message>().initBootstrap().setQuestionId(0);
  capnp::MallocMessageBuilder call;
  auto login = call.initRoot<capnp::rpc::Message>().initCall();
  login.setQuestionId(1);
  login.initTarget().initPromisedAnswer().setQuestionId(0);
  login.setInterfaceId(capnp::typeId<schema::Broker>());
  auto request = login.initParams().getContent().initAs<schema::LoginRequest>();
  LoginRequest from;
  from.token = "mallory";
  from.device = DeviceId::trusted("phone");
  wire::write(from, request);
  for (int round = 0; round < 100; ++round) {
    auto stream = open();
    stream.write(bootstrap);
    auto words = capnp::messageToFlatArray(call);
    auto bytes = words.asBytes();
    for (int flips = 0; flips < 1 + round % 8; ++flips)
      bytes[random() % bytes.size()] ^= static_cast<kj::byte>(1u << random() % 8);
    stream.write(bytes.begin(), bytes.size());
    stream.end();
    EXPECT_TRUE(stream.closes()) << "round " << round;
  }
  expect_service();
}

TEST_F(HostileTest, HalfAMessageHoldsNobodyUpAndEndsWithTheLoginTimeout) {
  GatewayOptions options;
  options.login_timeout_ms = 50;
  start(options);
  auto stream = open();
  const std::array<std::uint32_t, 4> half{0, 100, 0, 0};  // one segment of 100 words, of which one comes
  stream.write(half.data(), sizeof half);
  expect_service();
  EXPECT_TRUE(stream.closes());
}

TEST_F(HostileTest, ASegmentTableBeyondTheLimitsIsNotAllocatedFor) {
  start(without_login_timeout());
  const std::vector<std::vector<std::uint32_t>> tables{
      {0, 0xffffffff},  // one segment of 32 GiB
      {0, kLoginWordsMax + 1},
      {0xffffffff, 1},  // 2^32 segments
  };
  for (const auto& table : tables) {
    auto stream = open();
    stream.write(table.data(), table.size() * 4);
    EXPECT_TRUE(stream.read_kind().value_or("").starts_with("abort")) << table[0] << ", " << table[1];
    EXPECT_TRUE(stream.closes());
  }
  expect_service();
}

TEST_F(HostileTest, MoreSegmentsThanTheLibraryReadsCloseTheConnection) {
  start(without_login_timeout());
  auto stream = open();
  const std::vector<std::uint32_t> table{511, 1};  // one more than it takes, then silence
  stream.write(table.data(), table.size() * 4);
  EXPECT_TRUE(stream.read_kind().value_or("").starts_with("abort"));
  EXPECT_TRUE(stream.closes());
}

TEST_F(HostileTest, BeforeTheLoginAMessageIsNotLargerThanALoginCanBe) {
  start();
  auto stream = open();
  EXPECT_TRUE(waits_for_the_rest(stream, kLoginWordsMax));
  auto other = open();
  EXPECT_FALSE(waits_for_the_rest(other, kLoginWordsMax + 1));
  EXPECT_EQ(gateway_->counters().violations, 1u);
}

TEST_F(HostileTest, AfterTheLoginAMessageIsNotLargerThanACallCanBe) {
  start();
  auto stream = open();
  stream.log_in("large");
  run_until([&] { return broker_->sessions() == 1; });
  ASSERT_TRUE(stream.read_kind());  // the bootstrap's and the login's answers
  ASSERT_TRUE(stream.read_kind());
  EXPECT_TRUE(waits_for_the_rest(stream, limits::kCallWordsMax));
  auto other = open();
  other.log_in("larger");
  ASSERT_TRUE(other.read_kind());
  ASSERT_TRUE(other.read_kind());
  EXPECT_FALSE(waits_for_the_rest(other, limits::kCallWordsMax + 1));
}

TEST_F(HostileTest, TooManyCapabilitiesInOneMessageCloseTheConnection) {
  start(without_login_timeout());
  auto stream = open();
  capnp::MallocMessageBuilder bootstrap;
  bootstrap.initRoot<capnp::rpc::Message>().initBootstrap().setQuestionId(0);
  stream.write(bootstrap);
  capnp::MallocMessageBuilder call;
  auto login = call.initRoot<capnp::rpc::Message>().initCall();
  login.setQuestionId(1);
  login.initTarget().initPromisedAnswer().setQuestionId(0);
  login.setInterfaceId(capnp::typeId<schema::Broker>());
  auto capabilities = login.initParams().initCapTable(limits::kMessageCapabilitiesMax + 1);
  for (capnp::uint i = 0; i < capabilities.size(); ++i) capabilities[i].setSenderHosted(i);
  stream.write(call);
  EXPECT_TRUE(stream.closes());
  run_until([&] { return gateway_->counters().violations == 1; });
  expect_service();
}

TEST_F(HostileTest, CallsThatAreNeverFinishedCloseTheConnection) {
  start(without_login_timeout());
  auto stream = open();
  // Every bootstrap is answered at once and kept until its Finish, which does not come. The answers are read.
  auto reading = kj::evalLater([&] {
                   return stream.stream().readAllBytes().then([](kj::Array<kj::byte>&&) { return true; });
                 }).catch_([](kj::Exception&&) {
                     return true;
                   }).eagerlyEvaluate(nullptr);
  for (std::uint32_t question = 0; question <= limits::kUnfinishedCallsMax; ++question) stream.bootstrap(question);
  auto patience = io_.provider->getTimer().afterDelay(20 * kj::SECONDS).then([] { return false; });
  EXPECT_TRUE(reading.exclusiveJoin(kj::mv(patience)).wait(io_.waitScope)) << "the connection is still open";
  expect_service();
}

// Answers without capabilities need no Finish from Cap'n Proto 1.0 on.
TEST_F(HostileTest, AnHonestClientMayMakeMoreCallsThanMayBeUnfinished) {
  broker_ =
      std::make_unique<FakeBroker>([](FakeSession& session) { session.client->logged_in(welcome_for(session.user)); },
                                   [](FakeSession& session, FromClient& message) {
                                     if (const auto* ack = std::get_if<actors::ClientAck>(&message))
                                       session.client->answered(ack->call, Result<Sequence>(Sequence(1)));
                                   });
  start();
  TestClient client = connect();
  client.login("alice");
  for (std::size_t call = 0; call <= limits::kUnfinishedCallsMax; ++call)
    ASSERT_TRUE(client.session().ackRequest().send().wait(io_.waitScope).isCursor()) << call;
  EXPECT_EQ(gateway_->counters().violations, 0u);
}

// A client that asks for large answers and reads none of them: what waits for it is bounded, and after the write
// timeout it is gone.
TEST_F(HostileTest, AClientThatNeverReadsIsNotReadEitherAndIsClosed) {
  std::atomic<std::size_t> fetches{0};
  broker_ =
      std::make_unique<FakeBroker>([](FakeSession& session) { session.client->logged_in(welcome_for(session.user)); },
                                   [&](FakeSession& session, FromClient& message) {
                                     const auto* fetch = std::get_if<actors::ClientFetch>(&message);
                                     if (fetch == nullptr) return;
                                     ++fetches;
                                     Batch batch;
                                     batch.epoch = Epoch(1);
                                     for (std::uint64_t i = 1; i <= 4; ++i) {
                                       IncomingMessage large;
                                       large.sequence = Sequence(i);
                                       large.sender = session.user;
                                       large.sender_device = session.request.device;
                                       large.body = std::string(limits::kBodyBytesMax, 'x');
                                       batch.messages.push_back(std::move(large));
                                     }
                                     session.client->answered(fetch->call, Result<Batch>(std::move(batch)));
                                   });
  GatewayOptions options;
  options.write_timeout_ms = 200;
  start(options);
  auto stream = open();
  stream.log_in("mallory");
  for (std::uint32_t question = 2; question < 400; ++question) {
    stream.call(question, 1, HostileStream::kSession, capnp::typeId<schema::Session>(), 4,
                [](capnp::rpc::Payload::Builder params) {
                  params.getContent().initAs<schema::Session::FetchParams>().setLimit(4);
                });
  }
  run_until([&] { return fetches > 0; });
  run_until([&] { return gateway_->connections() == 0; });
  EXPECT_LT(fetches, 20u) << "of 398: each would have had 4 MiB read for it";
  expect_service();
}

}  // namespace
}  // namespace earshot::gateway
