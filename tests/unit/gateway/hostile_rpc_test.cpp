// What is well formed and breaks the rules of RPC: every one is answered with an error or closes its own connection.
#include <functional>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "tests/support/gateway_client.hpp"
#include "tests/support/hostile_stream.hpp"
#include "tests/support/seed.hpp"

namespace earshot::gateway {
namespace {

using capnp::rpc::CapDescriptor;
using capnp::rpc::Payload;
using tests::FakeSession;
using tests::FromClient;
using tests::GatewayTest;
using tests::HostileStream;
using tests::TestClient;
using tests::welcome_for;
using Message = capnp::rpc::Message;

constexpr std::uint64_t kMost = ~std::uint64_t{0};
const std::uint64_t kBroker = capnp::typeId<schema::Broker>();
const std::uint64_t kSessionInterface = capnp::typeId<schema::Session>();

class HostileRpc : public GatewayTest {
 protected:
  HostileStream open() { return {io_, gateway_->port()}; }
  void expect_service(const std::string& after) {
    TestClient client = connect();
    ASSERT_NO_THROW(client.login("bystander" + std::to_string(broker_->sessions()))) << after;
  }
};

void nothing(Payload::Builder) {}

// Each of these on a connection of its own. What comes back is an answer that says no, or the end of the connection.
TEST_F(HostileRpc, MessagesAgainstTheRulesHurtOnlyTheirOwnConnection) {
  start();
  using Talk = std::function<void(HostileStream&)>;
  const std::map<std::string, Talk> talks{
      {"a call of an interface that the target has not",
       [](HostileStream& to) {
         to.bootstrap(0);
         to.call(1, 0, std::nullopt, 0xbad, 0, nothing);
       }},
      {"a method that does not exist",
       [](HostileStream& to) {
         to.bootstrap(0);
         to.call(1, 0, std::nullopt, kBroker, 0xffff, nothing);
       }},
      {"a session's method on the broker",
       [](HostileStream& to) {
         to.bootstrap(0);
         to.call(1, 0, std::nullopt, kSessionInterface, 0, nothing);
       }},
      {"a call on the session of a login that fails",
       [](HostileStream& to) {
         to.bootstrap(0);
         to.call(1, 0, std::nullopt, kBroker, 0, nothing);  // no token
         to.call(2, 1, HostileStream::kSession, kSessionInterface, 0, nothing);
       }},
      {"a call on a question that was never asked",
       [](HostileStream& to) { to.call(1, 77, std::nullopt, kBroker, 0, nothing); }},
      {"a call on a question that is finished",
       [](HostileStream& to) {
         to.bootstrap(0);
         to.say([](Message::Builder message) { message.initFinish().setQuestionId(0); });
         to.call(1, 0, std::nullopt, kBroker, 0, nothing);
       }},
      {"a call on a capability that is released",
       [](HostileStream& to) {
         to.bootstrap(0);
         to.say([](Message::Builder message) {
           auto release = message.initRelease();
           release.setId(0);
           release.setReferenceCount(1);
         });
         to.say([](Message::Builder message) {
           auto call = message.initCall();
           call.setQuestionId(1);
           call.initTarget().setImportedCap(0);
           call.setInterfaceId(kBroker);
         });
       }},
      {"the same question twice",
       [](HostileStream& to) {
         to.bootstrap(0);
         to.bootstrap(0);
       }},
      {"a finish of what was not asked",
       [](HostileStream& to) { to.say([](Message::Builder message) { message.initFinish().setQuestionId(5); }); }},
      {"a release of what was not exported",
       [](HostileStream& to) {
         to.say([](Message::Builder message) {
           auto release = message.initRelease();
           release.setId(0xffffffff);
           release.setReferenceCount(0xffffffff);
         });
       }},
      {"an answer to no question",
       [](HostileStream& to) {
         to.say([](Message::Builder message) {
           auto answer = message.initReturn();
           answer.setAnswerId(3);
           answer.initResults();
         });
       }},
      {"a resolution of no promise",
       [](HostileStream& to) {
         to.say([](Message::Builder message) {
           auto resolve = message.initResolve();
           resolve.setPromiseId(9);
           resolve.initCap().setReceiverHosted(12345);
         });
       }},
      {"a promise that resolves to itself",  // which the RPC system would keep for ever
       [](HostileStream& to) {
         to.bootstrap(0);
         to.call(1, 0, std::nullopt, kBroker, 0,
                 [](Payload::Builder params) { params.initCapTable(1)[0].setSenderPromise(5); });
         to.say([](Message::Builder message) {
           auto resolve = message.initResolve();
           resolve.setPromiseId(5);
           resolve.initCap().setSenderPromise(5);
         });
       }},
      {"an embargo of nothing",
       [](HostileStream& to) {
         to.say([](Message::Builder message) {
           auto embargo = message.initDisembargo();
           embargo.initTarget().setImportedCap(4242);
           embargo.getContext().setSenderLoopback(1);
         });
       }},
      {"an embargo that comes back and never went",
       [](HostileStream& to) {
         to.say([](Message::Builder message) {
           auto embargo = message.initDisembargo();
           embargo.initTarget().setImportedCap(0);
           embargo.getContext().setReceiverLoopback(0xffffffff);
         });
       }},
      {"an embargo of a third party",
       [](HostileStream& to) {
         to.say([](Message::Builder message) {
           auto embargo = message.initDisembargo();
           embargo.initTarget().setImportedCap(0);
           embargo.getContext().setProvide(1);
         });
       }},
      {"a provide",
       [](HostileStream& to) { to.say([](Message::Builder message) { message.initProvide().setQuestionId(1); }); }},
      {"an accept", [](HostileStream& to) { to.say([](Message::Builder message) { message.initAccept(); }); }},
      {"a join", [](HostileStream& to) { to.say([](Message::Builder message) { message.initJoin(); }); }},
      {"an abort",
       [](HostileStream& to) { to.say([](Message::Builder message) { message.initAbort().setReason("because"); }); }},
      {"our unimplemented, of a call",
       [](HostileStream& to) {
         to.say([](Message::Builder message) { message.initUnimplemented().initCall().setQuestionId(1); });
       }},
      {"a capability that we are said to host",
       [](HostileStream& to) {
         to.bootstrap(0);
         to.call(1, 0, std::nullopt, kBroker, 0, [](Payload::Builder params) {
           params.initCapTable(1)[0].setReceiverHosted(0xffff);
           params.getContent().setAs<capnp::AnyPointer>(capnp::AnyPointer::Reader());
         });
       }},
      {"a capability of a third party",
       [](HostileStream& to) {
         to.bootstrap(0);
         to.call(1, 0, std::nullopt, kBroker, 0,
                 [](Payload::Builder params) { params.initCapTable(1)[0].initThirdPartyHosted().setVineId(7); });
       }},
      {"results that are to go to a third party",
       [](HostileStream& to) {
         to.bootstrap(0);
         to.say([](Message::Builder message) {
           auto call = message.initCall();
           call.setQuestionId(1);
           call.initTarget().initPromisedAnswer().setQuestionId(0);
           call.setInterfaceId(kBroker);
           call.initSendResultsTo().initThirdParty();
         });
       }},
      {"results that are to stay here",
       [](HostileStream& to) {
         to.bootstrap(0);
         to.say([](Message::Builder message) {
           auto call = message.initCall();
           call.setQuestionId(1);
           call.initTarget().initPromisedAnswer().setQuestionId(0);
           call.setInterfaceId(kBroker);
           call.initSendResultsTo().setYourself();
         });
       }},
      {"a transform through a text",
       [](HostileStream& to) {
         to.log_in("mallory");
         to.call(2, 1, std::uint16_t{1}, kSessionInterface, 0, nothing);
       }},
      {"a transform through what is not there",
       [](HostileStream& to) {
         to.log_in("mallory");
         to.call(2, 1, std::uint16_t{0xffff}, kSessionInterface, 0, nothing);
       }},
  };
  for (const auto& [name, talk] : talks) {
    SCOPED_TRACE(name);
    auto stream = open();
    talk(stream);
    stream.end();
    EXPECT_TRUE(stream.closes());
    expect_service(name);
  }
}

// One such call is enough: many would fill the memory with answers that nothing counts.
TEST_F(HostileRpc, ResultsThatAreToStayHereCloseTheConnection) {
  GatewayOptions options;
  options.login_timeout_ms = 600'000;  // it is not this that closes
  start(options);
  auto stream = open();
  stream.bootstrap(0);
  ASSERT_EQ(stream.read_kind(), "return");
  stream.say([](Message::Builder message) {
    auto call = message.initCall();
    call.setQuestionId(1);
    call.initTarget().initPromisedAnswer().setQuestionId(0);
    call.setInterfaceId(kBroker);
    call.initSendResultsTo().setYourself();
  });
  EXPECT_TRUE(stream.read_kind().value_or("").starts_with("abort"));
  EXPECT_TRUE(stream.closes());
  run_until([&] { return gateway_->counters().violations == 1; });
}

// A message in which a far pointer leads to itself, or back and forth between two segments.
TEST_F(HostileRpc, FarPointersInCirclesEnd) {
  start();
  const auto far = [](std::uint32_t segment, std::uint32_t offset, bool two_words) -> std::uint64_t {
    return std::uint64_t{segment} << 32 | offset << 3 | (two_words ? 4u : 0u) | 2u;
  };
  const std::vector<std::vector<std::vector<std::uint64_t>>> messages{
      {{far(0, 0, false)}},
      {{far(0, 0, true), far(0, 0, true)}},
      {{far(1, 0, false)}, {far(0, 0, false)}},
      {{far(1, 0, true)}, {far(0, 0, true), far(1, 0, true)}},
      {{far(0xffffffff, 0, false)}},
      {{far(0, 0x1fffffff, false)}},
      {{far(0, 1, true), kMost, kMost}},
  };
  for (const auto& segments : messages) {
    std::vector<std::uint32_t> table{static_cast<std::uint32_t>(segments.size() - 1)};
    for (const auto& segment : segments) table.push_back(static_cast<std::uint32_t>(segment.size()));
    if (table.size() % 2 == 1) table.push_back(0);
    auto stream = open();
    stream.write(table.data(), table.size() * sizeof table[0]);
    for (const auto& segment : segments) stream.write(segment.data(), segment.size() * sizeof segment[0]);
    stream.end();
    EXPECT_TRUE(stream.closes());
  }
  expect_service("far pointers");
}

// A few bytes that say they are half a billion elements: nothing may be allocated for them, and looking at them ends.
TEST_F(HostileRpc, AListOfManyEmptyElementsIsNoAmplifier) {
  start();
  for (const std::uint64_t elements : {std::uint64_t{1} << 20, std::uint64_t{1} << 29, (std::uint64_t{1} << 29) - 1}) {
    auto stream = open();
    stream.log_in("mallory");
    capnp::MallocMessageBuilder message;
    auto call = message.initRoot<Message>().initCall();
    call.setQuestionId(2);
    auto target = call.initTarget().initPromisedAnswer();
    target.setQuestionId(1);
    target.initTransform(1)[0].setGetPointerField(HostileStream::kSession);
    call.setInterfaceId(kSessionInterface);
    auto params = call.initParams().getContent().initAs<schema::Session::SendParams>();
    params.initMessages(1);
    auto words = capnp::messageToFlatArray(message);
    // The list's pointer (an inline composite list of one element) becomes one of elements without size.
    const std::uint64_t tag_of_outgoing = capnp::_::structSize<schema::Outgoing>().data |
                                          std::uint64_t{capnp::_::structSize<schema::Outgoing>().pointers} << 16;
    std::size_t changed = 0;
    for (auto& word : words) {
      auto& raw = reinterpret_cast<std::uint64_t&>(word);
      if (raw == (tag_of_outgoing << 32 | 1u << 2)) raw = (elements & 0x3fffffff) << 2, ++changed;
    }
    ASSERT_EQ(changed, 1u) << "the tag of the list was not found";
    stream.write(words.begin(), words.asBytes().size());
    stream.end();
    EXPECT_TRUE(stream.closes());
    expect_service(std::to_string(elements) + " elements");
  }
}

TEST_F(HostileRpc, ManyBootstrapsThatAreFinishedAreServed) {
  start(without_login_timeout());
  auto stream = open();
  for (std::uint32_t question = 0; question < 10'000; ++question) {
    stream.bootstrap(question % 8);
    stream.say([&](Message::Builder to) {
      auto finish = to.initFinish();
      finish.setQuestionId(question % 8);
      finish.setReleaseResultCaps(true);
    });
    ASSERT_EQ(stream.read_kind(), "return") << question;
  }
  expect_service("bootstraps");
}

// A receiver that throws at every delivery ends its session with a reason, not the node.
TEST_F(HostileRpc, AReceiverThatThrowsEndsItsSessionOnly) {
  broker_ = std::make_unique<tests::FakeBroker>(
      [](FakeSession& session) { session.client->logged_in(welcome_for(session.user)); },
      [](FakeSession& session, FromClient& message) {
        const auto* subscribe = std::get_if<actors::ClientSubscribe>(&message);
        if (subscribe == nullptr) return;
        session.client->answered(subscribe->call, Status());
        for (std::uint64_t number = 1; number <= 4; ++number) {
          actors::Delivery delivery;
          delivery.number = number;
          session.client->deliver(std::move(delivery));
        }
      });
  start();
  class Thrower final : public schema::Receiver::Server {
    kj::Promise<void> deliver(DeliverContext) override { KJ_FAIL_REQUIRE("no, thank you"); }
  };
  TestClient client = connect();
  client.login("mallory");
  auto request = client.session().subscribeRequest();
  request.setReceiver(kj::heap<Thrower>());
  wire::write(SubscribeRequest{}, request);
  auto answer = request.send();
  EXPECT_TRUE(client.wait_until_closed());
  expect_service("a thrower");
}

// Messages made of random fields: whatever they mean, the server answers or closes, and serves others.
TEST_F(HostileRpc, RandomMessagesOfTheRightShapeCrashNothing) {
  start();
  std::mt19937_64 random(tests::seed_of_test());
  const auto id = [&] { return static_cast<std::uint32_t>(random() % 4 == 0 ? random() : random() % 4); };
  const auto fill = [&](Message::Builder to) {
    switch (random() % 12) {
      case 0: to.initBootstrap().setQuestionId(id()); break;
      case 1: {
        auto call = to.initCall();
        call.setQuestionId(id());
        if (random() % 2 == 0) {
          call.initTarget().setImportedCap(id());
        } else {
          auto promised = call.initTarget().initPromisedAnswer();
          promised.setQuestionId(id());
          if (random() % 2 == 0) promised.initTransform(1)[0].setGetPointerField(static_cast<std::uint16_t>(id()));
        }
        call.setInterfaceId(random() % 2 == 0 ? kBroker : kSessionInterface);
        call.setMethodId(static_cast<std::uint16_t>(random() % 16));
        auto params = call.initParams();
        auto table = params.initCapTable(static_cast<capnp::uint>(random() % 3));
        for (auto entry : table) random() % 2 == 0 ? entry.setSenderHosted(id()) : entry.setReceiverHosted(id());
        auto content = params.getContent().initAsAnyStruct(static_cast<std::uint16_t>(random() % 8),
                                                           static_cast<std::uint16_t>(random() % 8));
        for (auto& byte : content.getDataSection()) byte = static_cast<kj::byte>(random());
        for (capnp::AnyPointer::Builder pointer : content.getPointerSection()) {
          if (random() % 2 == 0) continue;
          auto text = pointer.initAs<capnp::Data>(static_cast<capnp::uint>(random() % 64));
          for (auto& byte : text) byte = static_cast<kj::byte>(random());
        }
        break;
      }
      case 2: to.initFinish().setQuestionId(id()); break;
      case 3: {
        auto release = to.initRelease();
        release.setId(id());
        release.setReferenceCount(id());
        break;
      }
      case 4: {
        auto answer = to.initReturn();
        answer.setAnswerId(id());
        if (random() % 2 == 0) answer.initException().setReason("?");
        break;
      }
      case 5: {
        auto resolve = to.initResolve();
        resolve.setPromiseId(id());
        random() % 2 == 0 ? resolve.initCap().setReceiverHosted(id()) : resolve.initCap().setSenderPromise(id());
        break;
      }
      case 6: {
        auto embargo = to.initDisembargo();
        embargo.initTarget().setImportedCap(id());
        random() % 2 == 0 ? embargo.getContext().setSenderLoopback(id())
                          : embargo.getContext().setReceiverLoopback(id());
        break;
      }
      case 7: to.initProvide().setQuestionId(id()); break;
      case 8: to.initAccept().setQuestionId(id()); break;
      case 9: to.initJoin().setQuestionId(id()); break;
      case 10: to.initUnimplemented().initResolve().setPromiseId(id()); break;
      default: to.initUnimplemented().initBootstrap().setQuestionId(id()); break;
    }
  };
  for (int round = 0; round < 150; ++round) {
    auto stream = open();
    if (round % 2 == 0) stream.log_in("mallory" + std::to_string(round));
    for (int i = 0; i < 20; ++i) stream.say(fill);
    stream.end();
    EXPECT_TRUE(stream.closes()) << "round " << round;
  }
  expect_service("random messages");
}

}  // namespace
}  // namespace earshot::gateway
