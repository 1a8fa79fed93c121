#include "client/server_stream.hpp"

#include <functional>
#include <memory>

#include <capnp/message.h>
#include <capnp/rpc.capnp.h>
#include <gtest/gtest.h>
#include <kj/async-io.h>

#include "base/limits.hpp"
#include "schema/broker.capnp.h"
#include "transport/message_network.hpp"

namespace earshot::client {
namespace {

using capnp::rpc::Message;

// A client's RPC system, and a server at its other end that is nothing but what the test says. The pipe between holds
// no byte by itself.
class ServerStreamTest : public testing::Test {
 protected:
  ServerStreamTest() {
    capnp::MallocMessageBuilder scratch(8);
    auto server = scratch.initRoot<capnp::rpc::twoparty::VatId>();
    server.setSide(capnp::rpc::twoparty::Side::SERVER);
    ends_->broker = std::make_unique<schema::Broker::Client>(ends_->rpc.bootstrap(server).castAs<schema::Broker>());
    io_.waitScope.poll();
  }

  // The server says one message; whether it was taken in.
  bool say(const std::function<void(Message::Builder)>& fill) {
    auto message = std::make_unique<capnp::MallocMessageBuilder>();
    fill(message->initRoot<Message>());
    auto saying = capnp::writeMessage(*ends_->pipe.ends[1], *message);
    return kj::runCatchingExceptions([&] {
             ends_->said = saying.attach(kj::heap<std::unique_ptr<capnp::MallocMessageBuilder>>(std::move(message)))
                               .eagerlyEvaluate(nullptr);
             taken_ = ends_->said.poll(io_.waitScope);
             if (taken_) ends_->said.wait(io_.waitScope);
             io_.waitScope.poll();
           }) == nullptr &&
           taken_;
  }
  // Which has to be answered, with an error.
  bool say_bootstrap(std::uint32_t question) {
    return say([&](Message::Builder to) { to.initBootstrap().setQuestionId(question); });
  }
  bool is_over() {
    io_.waitScope.poll();
    return ends_->is_over;
  }
  // The server takes in all that is written, until nothing more comes.
  void take_all() {
    auto sink = kj::heapArray<kj::byte>(1 << 20);
    for (;;) {
      auto reading = ends_->pipe.ends[1]->tryRead(sink.begin(), 1, sink.size());
      if (!reading.poll(io_.waitScope) || reading.wait(io_.waitScope) == 0) return;
    }
  }

  struct Ends {
    kj::TimerImpl timer{kj::origin<kj::TimePoint>()};
    kj::TwoWayPipe pipe = kj::newTwoWayPipe();
    ServerStream stream{*pipe.ends[0], timer};
    bool is_over = false;
    transport::MessageNetwork network{
        stream, stream.queue(), capnp::rpc::twoparty::Side::CLIENT, {}, [this] { is_over = true; }};
    capnp::RpcSystem<capnp::rpc::twoparty::VatId> rpc = capnp::makeRpcClient(network);
    std::unique_ptr<schema::Broker::Client> broker;
    kj::Promise<void> said = nullptr;
  };

  // Behind pointers, since their destructors may throw and a test's may not.
  const std::unique_ptr<kj::AsyncIoContext> owned_io_ = std::make_unique<kj::AsyncIoContext>(kj::setupAsyncIo());
  kj::AsyncIoContext& io_ = *owned_io_;
  const std::unique_ptr<Ends> ends_ = std::make_unique<Ends>();
  bool taken_ = false;
};

TEST_F(ServerStreamTest, CallsOfOurOwnThatWaitForTheServerDoNotKeepItsAnswersOut) {
  auto request = ends_->broker->loginRequest();
  request.initToken(4 * limits::kConnectionQueueBytesMax);
  auto call = request.send();
  ASSERT_GT(ends_->stream.queue().bytes(), 4 * limits::kConnectionQueueBytesMax);
  EXPECT_TRUE(say_bootstrap(0));
  EXPECT_TRUE(say_bootstrap(1));
  EXPECT_FALSE(is_over());
}

// Where answers say that no Finish is needed, those that are written do not count: here the server takes in none.
TEST_F(ServerStreamTest, CallsThatAreNeverFinishedEndTheConnection) {
  std::uint32_t said = 0;
  while (said < 2 * limits::kUnfinishedCallsMax && say_bootstrap(said)) ++said;
  EXPECT_GE(said, limits::kUnfinishedCallsMax);
  EXPECT_LE(said, limits::kUnfinishedCallsMax + 2);
  take_all();
  EXPECT_TRUE(is_over());
}

// A call that is answered with an error if it is taken in: its target is what a bootstrap gave, which is none.
TEST_F(ServerStreamTest, AnAnswerThatIsToStayHereFails) {
  ASSERT_TRUE(say_bootstrap(0));
  for (const bool stays : {false, true}) {
    take_all();
    EXPECT_FALSE(is_over());
    say([&](Message::Builder to) {
      auto call = to.initCall();
      call.setQuestionId(stays ? 2 : 1);
      call.initTarget().initPromisedAnswer().setQuestionId(0);
      if (stays) call.getSendResultsTo().setYourself();
    });
  }
  take_all();
  EXPECT_TRUE(is_over());
}

}  // namespace
}  // namespace earshot::client
