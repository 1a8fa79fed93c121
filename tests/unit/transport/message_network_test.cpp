#include "transport/message_network.hpp"

#include <memory>
#include <vector>

#include <capnp/any.h>
#include <capnp/rpc.capnp.h>
#include <capnp/serialize-async.h>
#include <gtest/gtest.h>
#include <kj/exception.h>
#include <kj/timer.h>

#include "base/random.hpp"
#include "tests/support/seed.hpp"
#include "transport/message_output.hpp"
#include "transport/message_source.hpp"

namespace earshot::transport {
namespace {

using capnp::rpc::twoparty::Side;
using Connection = kj::Own<capnp::TwoPartyVatNetworkBase::Connection>;

// A channel over one end of a pipe that holds no byte by itself, and nothing but the test at the other.
class PipeChannel final : public MessageChannel {
 public:
  PipeChannel(kj::AsyncIoStream& stream, kj::Timer& timer)
      : output_(stream, timer, queue, MessageOutput::Answers::kGoAtOnce), source_(stream) {}
  kj::Promise<kj::Maybe<kj::Own<capnp::MessageReader>>> read(capnp::ReaderOptions options) override {
    return source_.try_read(options);
  }
  bool gather(Segments message) override { return output_.gather(message); }
  kj::Promise<void> write(Segments message) override { return output_.write(message); }
  kj::Promise<void> end() override { return output_.end(); }
  void abort() override { output_.abort(); }

  WriteQueue queue;

 private:
  MessageOutput output_;
  MessageSource source_;
};

class MessageNetworkTest : public testing::Test {
 protected:
  static constexpr std::size_t kLarge = 4 * MessageOutput::kSmallMessageBytes;

  static void fill(capnp::AnyPointer::Builder body, std::size_t bytes) {
    auto to = body.initAs<capnp::rpc::Message>().initBootstrap();
    to.getDeprecatedObjectId().initAs<capnp::Data>(static_cast<capnp::uint>(bytes));
  }
  static std::size_t bytes_in(capnp::AnyPointer::Reader body) {
    return body.getAs<capnp::rpc::Message>().getBootstrap().getDeprecatedObjectId().getAs<capnp::Data>().size();
  }
  void send(std::size_t bytes) {
    auto message = connection().newOutgoingMessage(0);
    fill(message->getBody(), bytes);
    message->send();
    poll();
  }
  // The size of the next message; 0: there is none.
  std::size_t receive() {
    auto message = capnp::tryReadMessage(*peer()).wait(parts_->scope);
    KJ_IF_MAYBE (reader, message) return bytes_in((*reader)->getRoot<capnp::AnyPointer>());
    return 0;
  }
  void poll() { parts_->scope.poll(); }
  kj::Own<kj::AsyncIoStream>& peer() { return parts_->pipe.ends[1]; }
  capnp::TwoPartyVatNetworkBase::Connection& connection() {
    if (parts_->connection.get() == nullptr) parts_->connection = parts_->network.accept().wait(parts_->scope);
    return *parts_->connection;
  }

  struct Parts {
    kj::EventLoop loop;
    kj::WaitScope scope{loop};
    kj::TimerImpl timer{kj::origin<kj::TimePoint>()};
    kj::TwoWayPipe pipe = kj::newTwoWayPipe();
    PipeChannel channel{*pipe.ends[0], timer};
    int overs = 0;
    MessageNetwork network{channel, channel.queue, Side::SERVER, {}, [this] { ++overs; }};
    Connection connection;
  };

  // Behind a pointer, since its destructor may throw and a test's may not.
  const std::unique_ptr<Parts> parts_ = std::make_unique<Parts>();
};

TEST_F(MessageNetworkTest, ThereIsOneConnectionWithTheOtherSide) {
  EXPECT_EQ(connection().getPeerVatId().getSide(), Side::CLIENT);
  auto second = parts_->network.accept();
  EXPECT_FALSE(second.poll(parts_->scope));
  capnp::MallocMessageBuilder name;
  auto vat = name.initRoot<capnp::rpc::twoparty::VatId>();
  vat.setSide(Side::SERVER);
  EXPECT_TRUE(parts_->network.connect(vat) == nullptr) << "to oneself";
  vat.setSide(Side::CLIENT);
  EXPECT_TRUE(parts_->network.connect(vat) != nullptr);
}

TEST_F(MessageNetworkTest, ItIsOverOnceTheConnectionIsHandedBack) {
  (void)connection();
  EXPECT_EQ(parts_->overs, 0);
  parts_->connection = nullptr;
  EXPECT_EQ(parts_->overs, 1);
}

TEST_F(MessageNetworkTest, MessagesOfAnySizeGoOutInTheirOrderAndAreCounted) {
  Random random(tests::seed_of_test());
  std::vector<std::size_t> sizes;
  for (int i = 0; i < 300; ++i) sizes.push_back(random.between(1, random.chance(0.2) ? kLarge : 300));
  for (const std::size_t size : sizes) send(size);
  EXPECT_EQ(parts_->channel.queue.messages(), sizes.size());
  EXPECT_GT(parts_->channel.queue.bytes(), 0u);
  for (const std::size_t size : sizes) ASSERT_EQ(receive(), size);
  poll();
  EXPECT_EQ(parts_->channel.queue.messages(), 0u);
  EXPECT_EQ(parts_->channel.queue.bytes(), 0u);
  EXPECT_EQ(parts_->channel.queue.messages_written(), sizes.size());
}

TEST_F(MessageNetworkTest, MessagesComeInAndTheEndIsNone) {
  capnp::MallocMessageBuilder said;
  fill(said.initRoot<capnp::AnyPointer>(), 77);
  auto saying = capnp::writeMessage(*peer(), said).eagerlyEvaluate(nullptr);
  auto received = connection().receiveIncomingMessage().wait(parts_->scope);
  KJ_IF_MAYBE (message, received) {
    EXPECT_EQ(bytes_in((*message)->getBody()), 77u);
  } else {
    FAIL() << "nothing came";
  }
  peer()->shutdownWrite();
  EXPECT_TRUE(connection().receiveIncomingMessage().wait(parts_->scope) == nullptr);
}

TEST_F(MessageNetworkTest, AWriteThatFailsEndsTheReading) {
  auto receiving = connection().receiveIncomingMessage();
  EXPECT_FALSE(receiving.poll(parts_->scope));
  peer()->abortRead();
  send(kLarge);
  send(kLarge);
  EXPECT_TRUE(kj::runCatchingExceptions([&] { (void)receiving.wait(parts_->scope); }) != nullptr);
  EXPECT_TRUE(kj::runCatchingExceptions([&] { (void)connection().receiveIncomingMessage().wait(parts_->scope); }) !=
              nullptr);
  send(1);
  poll();
  EXPECT_EQ(parts_->channel.queue.messages(), 0u) << "nothing waits to be written any more";
}

TEST_F(MessageNetworkTest, TheEndComesBehindAllThatWaits) {
  send(10), send(kLarge), send(20);
  auto ending = connection().shutdown().eagerlyEvaluate(nullptr);
  EXPECT_EQ(receive(), 10u);
  EXPECT_EQ(receive(), kLarge);
  EXPECT_EQ(receive(), 20u);
  EXPECT_EQ(receive(), 0u);
  ending.wait(parts_->scope);
}

TEST_F(MessageNetworkTest, WhatThePeerWouldNotReadIsRefused) {
  auto message = connection().newOutgoingMessage(0);
  fill(message->getBody(), capnp::ReaderOptions().traversalLimitInWords * sizeof(capnp::word));
  EXPECT_TRUE(kj::runCatchingExceptions([&] { message->send(); }) != nullptr);
  EXPECT_EQ(parts_->channel.queue.messages(), 0u);
}

}  // namespace
}  // namespace earshot::transport
