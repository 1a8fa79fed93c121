// What a stranger can ask for: every call of a session, before a login, beside one and after one that was refused.
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <capnp/dynamic.h>
#include <capnp/schema.h>
#include <gtest/gtest.h>

#include "tests/support/gateway_client.hpp"
#include "tests/support/gateway_connection.hpp"
#include "tests/support/hostile_stream.hpp"

namespace earshot::gateway {
namespace {

using capnp::rpc::Payload;
using tests::FakeBroker;
using tests::FakeSession;
using tests::GatewayTest;
using tests::HostileStream;
using tests::TestClient;
using tests::welcome_for;
using Message = capnp::rpc::Message;

const std::uint64_t kBroker = capnp::typeId<schema::Broker>();
const std::uint64_t kSession = capnp::typeId<schema::Session>();

class BeforeLogin : public GatewayTest {
 protected:
  HostileStream open() { return {io_, gateway_->port()}; }
  static void log_in(HostileStream& stream, const std::string& token) {
    stream.log_in(token);
    EXPECT_EQ(stream.read_kind(), "return") << "of the bootstrap";
  }
  static std::vector<std::string> methods() {
    std::vector<std::string> names;
    for (const auto method : capnp::Schema::from<schema::Session>().getMethods())
      names.emplace_back(method.getProto().getName().cStr());
    return names;
  }
  // A method of a session, asked of what the login has answered, or will.
  static void call(HostileStream& stream, std::uint16_t method, std::optional<std::uint16_t> field) {
    stream.call(2, 1, field, kSession, method, [](Payload::Builder) {});
  }
  // What the node says next is no, to this call or to the whole connection.
  static void expect_no(HostileStream& stream, const std::string& what) {
    const auto kind = stream.read_kind();
    ASSERT_TRUE(kind) << what;
    EXPECT_TRUE(*kind == "exception" || kind->starts_with("abort")) << what << ": " << *kind;
  }
};

TEST_F(BeforeLogin, NoCallOfASessionIsKnownToTheBroker) {
  start();
  TestClient client = connect();
  auto stranger = client.broker().castAs<capnp::DynamicCapability>(capnp::Schema::from<schema::Session>());
  for (const auto method : capnp::Schema::from<schema::Session>().getMethods()) {
    auto answered = stranger.newRequest(method).send().then([](auto&&) { return kj::Exception::Type::FAILED; },
                                                            [](kj::Exception&& refusal) { return refusal.getType(); });
    EXPECT_EQ(answered.wait(io_.waitScope), kj::Exception::Type::UNIMPLEMENTED) << method.getProto().getName().cStr();
  }
  EXPECT_EQ(broker_->sessions(), 0u);
}

TEST_F(BeforeLogin, ARefusedLoginGivesNoSession) {
  start();
  for (std::uint16_t method = 0; method < methods().size(); ++method) {
    auto stream = open();
    log_in(stream, "");
    call(stream, method, HostileStream::kSession);
    EXPECT_EQ(stream.read_kind(), "return") << "which says that the login is refused";
    expect_no(stream, methods()[method]);
  }
  EXPECT_EQ(broker_->sessions(), 0u);
}

TEST_F(BeforeLogin, CallsAheadOfALoginWaitForItAndFallWithIt) {
  broker_ = std::make_unique<FakeBroker>([](FakeSession&) {});
  start();
  for (std::uint16_t method = 0; method < methods().size(); ++method) {
    auto stream = open();
    log_in(stream, "alice");
    call(stream, method, HostileStream::kSession);
    const auto session = broker_->session(method);
    session->client->logged_in(fail(ErrorCode::kPermissionDenied, "device", "no"));
    EXPECT_EQ(stream.read_kind(), "return");
    expect_no(stream, methods()[method]);
    EXPECT_EQ(session->waiting(), 0u) << "the session was told of " << methods()[method];
  }
}

TEST_F(BeforeLogin, NothingElseInTheAnswerToALoginIsASession) {
  start();
  for (const std::optional<std::uint16_t> field :
       {std::optional<std::uint16_t>(), std::optional<std::uint16_t>(1), std::optional<std::uint16_t>(2)}) {
    {
      auto stream = open();
      log_in(stream, "alice");
      EXPECT_EQ(stream.read_kind(), "return") << "the login is good";
      call(stream, 2, field);
      expect_no(stream, "another field");
    }
    broker_->session(broker_->sessions() - 1)->next<actors::ClientGone>();  // and nothing before
  }
}

// Numbers of capabilities are those of one connection: the session of another one cannot be named.
TEST_F(BeforeLogin, TheSessionOfAnotherConnectionCannotBeGuessed) {
  start();
  TestClient alice = connect();
  alice.login("alice");
  for (const std::uint32_t number : {0u, 1u, 2u, 7u}) {
    auto stream = open();
    stream.bootstrap(0);
    EXPECT_EQ(stream.read_kind(), "return");
    stream.say([&](Message::Builder to) {
      auto call = to.initCall();
      call.setQuestionId(1);
      call.initTarget().setImportedCap(number);
      call.setInterfaceId(kSession);
      call.setMethodId(2);
    });
    expect_no(stream, "capability " + std::to_string(number));
  }
  EXPECT_EQ(broker_->session()->waiting(), 0u);
}

// The RPC system clears 8 KiB for an answer of unknown size, and begins another segment for one that was said to be
// smaller than it is.
TEST_F(BeforeLogin, TheAnswerToALoginIsAsLargeAsItWasSaidToBe) {
  start();
  const std::string longest(limits::kNameBytesMax, 'a');
  for (const std::string& token : {std::string(), longest}) {
    auto stream = open();
    log_in(stream, token);
    std::array<std::uint32_t, 2> table{};  // the number of further segments, and the words of the first
    stream.stream().read(table.data(), sizeof table).wait(io_.waitScope);
    EXPECT_EQ(table[0], 0u) << token;
    EXPECT_LE(table[1], 100u) << token;
  }
}

TEST_F(BeforeLogin, TheBrokerHasThreeMethods) {
  EXPECT_EQ(capnp::Schema::from<schema::Broker>().getMethods().size(), 3u)
      << "the login, and what is asked with a token";
  start();
  auto stream = open();
  stream.bootstrap(0);
  EXPECT_EQ(stream.read_kind(), "return");
  for (std::uint16_t method = 3; method < 32; ++method) {
    stream.call(method, 0, std::nullopt, kBroker, method, [](Payload::Builder) {});
    EXPECT_EQ(stream.read_kind(), "exception") << method;
  }
}

// While nobody has logged in, next to nothing is taken in behind what is not answered yet.
class BeforeWelcome : public tests::ConnectionTest {
 protected:
  // A call on the session that the login will give, of about so many bytes.
  static kj::Array<capnp::word> ack_of(std::uint32_t question, std::size_t bytes) {
    capnp::MallocMessageBuilder message;
    auto call = message.initRoot<Message>().initCall();
    call.setQuestionId(question);
    auto target = call.initTarget().initPromisedAnswer();
    target.setQuestionId(1);
    target.initTransform(1)[0].setGetPointerField(HostileStream::kSession);
    call.setInterfaceId(kSession);
    call.setMethodId(2);
    auto above = call.initParams().getContent().initAs<schema::Session::AckParams>().initAbove(
        static_cast<capnp::uint>(bytes / sizeof(std::uint64_t)));
    for (capnp::uint i = 0; i < above.size(); ++i) above.set(i, i + 2);
    return capnp::messageToFlatArray(message);
  }
  // Says so many calls of so many bytes each; how many of them are taken in at once, of a stream that holds no byte by
  // itself.
  std::size_t taken(HostileStream& stream, std::size_t calls, std::size_t bytes) {
    for (std::uint32_t i = 0; i < calls; ++i) saying_->messages.push_back(ack_of(2 + i, bytes));
    saying_->under_way = say(stream, 0).eagerlyEvaluate(nullptr);
    settle();
    return said_;
  }
  kj::Promise<void> say(HostileStream& stream, std::size_t next) {
    if (next == saying_->messages.size()) return kj::READY_NOW;
    const auto bytes = saying_->messages[next].asBytes();
    return stream.stream().write(bytes.begin(), bytes.size()).then([this, &stream, next] {
      ++said_;
      return say(stream, next + 1);
    });
  }

  struct Saying {
    std::vector<kj::Array<capnp::word>> messages;
    kj::Promise<void> under_way = nullptr;
  };

  std::size_t said_ = 0;
  const std::unique_ptr<Saying> saying_ = std::make_unique<Saying>();  // its destructor may throw, a test's may not
};

TEST_F(BeforeWelcome, CallsBehindALoginThatIsNotAnsweredAreNotTakenIn) {
  constexpr std::size_t kCallBytes = 16 << 10, kCalls = 100;
  welcomes_ = false;
  HostileStream& stream = log_in_raw();
  EXPECT_EQ(stream.read_kind(), "return") << "of the bootstrap";
  EXPECT_EQ(taken(stream, kCalls, kCallBytes), 1u);
  EXPECT_EQ(session().waiting(), 0u);
  session().client->logged_in(welcome_for(session().user));
  settle();
  EXPECT_EQ(said_, kCalls) << "as many as any client may have under way";
  EXPECT_EQ(session().waiting(), kCalls);
}

TEST_F(BeforeWelcome, SmallCallsBehindALoginAreTakenIn) {
  welcomes_ = false;
  HostileStream& stream = log_in_raw();
  EXPECT_EQ(stream.read_kind(), "return") << "of the bootstrap";
  EXPECT_EQ(taken(stream, 4, 8), 4u);
  EXPECT_EQ(session().waiting(), 0u);
  session().client->logged_in(welcome_for(session().user));
  settle();
  EXPECT_EQ(session().waiting(), 4u);
}

}  // namespace
}  // namespace earshot::gateway
