#include <array>
#include <random>

#include <capnp/any.h>
#include <capnp/rpc.capnp.h>
#include <capnp/serialize.h>
#include <gtest/gtest.h>

#include "tests/support/gateway_client.hpp"
#include "tests/support/seed.hpp"

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

// Bytes instead of a client.
class HostileTest : public GatewayTest {
 protected:
  kj::Own<kj::AsyncIoStream> open() {
    return io_.provider->getNetwork()
        .parseAddress("127.0.0.1", gateway_->port())
        .wait(io_.waitScope)
        ->connect()
        .wait(io_.waitScope);
  }
  void write(kj::AsyncIoStream& stream, const void* bytes, std::size_t size) {
    try {
      stream.write(bytes, size).wait(io_.waitScope);
    } catch (const kj::Exception&) {
      // Closed on us in the middle: that is what it should do.
    }
  }
  void write(kj::AsyncIoStream& stream, capnp::MessageBuilder& message) {
    const auto words = capnp::messageToFlatArray(message);
    write(stream, words.begin(), words.asBytes().size());
  }
  void end(kj::AsyncIoStream& stream) {
    try {
      stream.shutdownWrite();
    } catch (const kj::Exception&) {
      // Closed on us already.
    }
  }
  // Reads until the server closes; what it says before (an abort) is of no interest.
  bool closes(kj::AsyncIoStream& stream) {
    std::array<char, 4096> sink{};
    auto& timer = io_.provider->getTimer();
    try {
      while (true) {
        auto patience = timer.afterDelay(20 * kj::SECONDS).then([] { return std::size_t{12'345'678}; });
        const std::size_t got =
            stream.tryRead(sink.data(), 1, sink.size()).exclusiveJoin(kj::mv(patience)).wait(io_.waitScope);
        if (got == 12'345'678) return false;
        if (got == 0) return true;
      }
    } catch (const kj::Exception&) {
      return true;  // reset
    }
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
    write(*stream, garbage.data(), garbage.size() * 8);
    end(*stream);
    EXPECT_TRUE(closes(*stream)) << "round " << round;
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
    write(*stream, bootstrap);
    auto words = capnp::messageToFlatArray(call);
    auto bytes = words.asBytes();
    for (int flips = 0; flips < 1 + round % 8; ++flips)
      bytes[random() % bytes.size()] ^= static_cast<kj::byte>(1u << random() % 8);
    write(*stream, bytes.begin(), bytes.size());
    end(*stream);
    EXPECT_TRUE(closes(*stream)) << "round " << round;
  }
  expect_service();
}

TEST_F(HostileTest, HalfAMessageHoldsNobodyUpAndEndsWithTheLoginTimeout) {
  GatewayOptions options;
  options.login_timeout_ms = 50;
  start(options);
  auto stream = open();
  const std::array<std::uint32_t, 4> half{0, 100, 0, 0};  // one segment of 100 words, of which one comes
  write(*stream, half.data(), sizeof half);
  expect_service();
  EXPECT_TRUE(closes(*stream));
}

TEST_F(HostileTest, ASegmentTableBeyondTheLimitsIsNotAllocatedFor) {
  start();
  const std::vector<std::vector<std::uint32_t>> tables{
      {0, 0xffffffff},                                             // one segment of 32 GiB
      {0, static_cast<std::uint32_t>(limits::kCallWordsMax + 1)},  // one word too many
      {0xffffffff, 1},                                             // 2^32 segments
      {511, 1},  // as many segments as the library would read, then silence
  };
  for (const auto& table : tables) {
    auto stream = open();
    write(*stream, table.data(), table.size() * 4);
    end(*stream);
    EXPECT_TRUE(closes(*stream));
  }
  expect_service();
}

// A chain of pointers deeper than call_nesting_max, where a text of the login should be.
TEST_F(HostileTest, DeepNestingIsRefused) {
  start();
  TestClient client = connect();
#if CAPNP_VERSION >= 1000000
  auto request = client.broker().typelessRequest(capnp::typeId<schema::Broker>(), 0, nullptr, {});
#else
  auto request = client.broker().typelessRequest(capnp::typeId<schema::Broker>(), 0, nullptr);
#endif
  auto pointer = request.getAs<capnp::AnyPointer>();
  auto level = pointer.initAsAnyStruct(0, 1);
  for (int i = 0; i < 1000; ++i) level = level.getPointerSection()[0].initAsAnyStruct(0, 1);
  try {
    auto response = request.send().wait(io_.waitScope);
    EXPECT_TRUE(response.getAs<schema::LoginAnswer>().isError());
  } catch (const kj::Exception&) {
    // The library may refuse it before we see it.
  }
  expect_service();
}

TEST_F(HostileTest, TooManyCapabilitiesInOneMessageCloseTheConnection) {
  start();
  auto stream = open();
  capnp::MallocMessageBuilder bootstrap;
  bootstrap.initRoot<capnp::rpc::Message>().initBootstrap().setQuestionId(0);
  write(*stream, bootstrap);
  capnp::MallocMessageBuilder call;
  auto login = call.initRoot<capnp::rpc::Message>().initCall();
  login.setQuestionId(1);
  login.initTarget().initPromisedAnswer().setQuestionId(0);
  login.setInterfaceId(capnp::typeId<schema::Broker>());
  auto capabilities = login.initParams().initCapTable(100'000);
  for (capnp::uint i = 0; i < capabilities.size(); ++i) capabilities[i].setSenderHosted(i);
  write(*stream, call);
  EXPECT_TRUE(closes(*stream));
  expect_service();
}

TEST_F(HostileTest, CallsThatAreNeverFinishedCloseTheConnection) {
  GatewayOptions options;
  options.login_timeout_ms = 600'000;  // it is not this that closes
  start(options);
  auto stream = open();
  // Every bootstrap is answered at once and kept until its Finish, which does not come. The answers are read.
  auto reading = kj::evalLater([&] {
                   return stream->readAllBytes().then([](kj::Array<kj::byte>&&) { return true; });
                 }).catch_([](kj::Exception&&) {
                     return true;
                   }).eagerlyEvaluate(nullptr);
  for (std::uint32_t question = 0; question <= limits::kUnfinishedCallsMax; ++question) {
    capnp::MallocMessageBuilder bootstrap;
    bootstrap.initRoot<capnp::rpc::Message>().initBootstrap().setQuestionId(question);
    write(*stream, bootstrap);
  }
  auto patience = io_.provider->getTimer().afterDelay(20 * kj::SECONDS).then([] { return false; });
  EXPECT_TRUE(reading.exclusiveJoin(kj::mv(patience)).wait(io_.waitScope)) << "the connection is still open";
  expect_service();
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
  const auto write_call = [&](auto init) {
    capnp::MallocMessageBuilder message;
    init(message.initRoot<capnp::rpc::Message>());
    write(*stream, message);
  };
  write_call([](capnp::rpc::Message::Builder to) { to.initBootstrap().setQuestionId(0); });
  write_call([](capnp::rpc::Message::Builder to) {
    auto call = to.initCall();
    call.setQuestionId(1);
    call.initTarget().initPromisedAnswer().setQuestionId(0);
    call.setInterfaceId(capnp::typeId<schema::Broker>());
    LoginRequest login;
    login.token = "mallory";
    login.device = DeviceId::trusted("phone");
    wire::write(login, call.initParams().getContent().initAs<schema::LoginRequest>());
  });
  for (std::uint32_t question = 2; question < 400; ++question) {
    write_call([&](capnp::rpc::Message::Builder to) {
      auto call = to.initCall();
      call.setQuestionId(question);
      auto target = call.initTarget().initPromisedAnswer();
      target.setQuestionId(1);
      target.initTransform(1)[0].setGetPointerField(0);
      call.setInterfaceId(capnp::typeId<schema::Session>());
      call.setMethodId(4);
      call.initParams().getContent().initAs<schema::Session::FetchParams>().setLimit(4);
    });
  }
  run_until([&] { return fetches > 0; });
  run_until([&] { return gateway_->connections() == 0; });
  EXPECT_LT(fetches, 20u) << "of 398: each would have had 4 MiB read for it";
  expect_service();
}

}  // namespace
}  // namespace earshot::gateway
