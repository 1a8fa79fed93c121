#include "gateway/guarded_stream.hpp"

#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#include <capnp/message.h>
#include <capnp/rpc-twoparty.h>
#include <gtest/gtest.h>
#include <kj/async-io.h>
#include <kj/timer.h>
#include <sys/socket.h>

#include "base/limits.hpp"
#include "transport/message_network.hpp"
#include "transport/reader_options.hpp"

namespace earshot::gateway {
namespace {

using capnp::rpc::Message;

// A stream with nobody but the test at its other end, on a clock that moves only when told to.
class GuardedStreamTest : public testing::Test {
 protected:
  // Two ends of a TCP connection with small buffers.
  void over_tcp() {
    auto address = io_.provider->getNetwork().parseAddress("127.0.0.1", 0).wait(io_.waitScope);
    auto listener = address->listen();
    auto accepted = listener->accept();
    auto dialled = io_.provider->getNetwork().parseAddress("127.0.0.1", listener->getPort()).wait(io_.waitScope);
    ends_->peer = dialled->connect().wait(io_.waitScope);
    ends_->own = accepted.wait(io_.waitScope);
    const int bytes = 64 << 10;
    ends_->own->setsockopt(SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    guard();
  }
  // Two ends that hold no byte by themselves.
  void over_pipe() {
    auto pipe = kj::newTwoWayPipe();
    ends_->own = kj::mv(pipe.ends[0]);
    ends_->peer = kj::mv(pipe.ends[1]);
    guard();
  }
  void guard() { guard_ = std::make_unique<GuardedStream>(*ends_->own, timer_, room_); }
  void advance(std::uint64_t ms) { timer_.advanceTo(timer_.now() + ms * kj::MILLISECONDS); }

  // Begins to write a message of so many bytes, which the test has to keep.
  kj::Promise<void> write(std::size_t bytes) {
    words_ = kj::heapArray<capnp::word>(bytes / sizeof(capnp::word));
    std::memset(words_.asBytes().begin(), 0, words_.asBytes().size());  // which is a message, if an empty one
    segment_ = words_.asPtr();
    auto writing = guard_->write(kj::arrayPtr(&segment_, 1)).eagerlyEvaluate(nullptr);
    io_.waitScope.poll();
    return writing;
  }
  // The peer takes in so many bytes, as far as there are any.
  void take(std::size_t bytes) {
    auto sink = kj::heapArray<kj::byte>(bytes);
    ends_->peer->tryRead(sink.begin(), bytes, bytes).wait(io_.waitScope);
  }
  // The peer says one message; whether the guard lets it in.
  bool say(const std::function<void(Message::Builder)>& fill) {
    capnp::MallocMessageBuilder message;
    fill(message.initRoot<Message>());
    auto saying = capnp::writeMessage(*ends_->peer, message).eagerlyEvaluate(nullptr);
    const auto failure =
        kj::runCatchingExceptions([&] { EXPECT_TRUE(guard_->read({}).wait(io_.waitScope) != nullptr); });
    return failure == nullptr;
  }
  bool say_bootstrap(std::uint32_t question) {
    return say([&](Message::Builder to) { to.initBootstrap().setQuestionId(question); });
  }

  // What an RPC system would send its messages by.
  kj::Own<capnp::TwoPartyVatNetworkBase::Connection> connect() {
    using capnp::rpc::twoparty::Side;
    ends_->network =
        kj::heap<transport::MessageNetwork>(*guard_, guard_->queue(), Side::SERVER, transport::reader_options(), [] {});
    return ends_->network->accept().wait(io_.waitScope);
  }

  struct Ends {
    kj::Own<kj::AsyncIoStream> own;
    kj::Own<kj::AsyncIoStream> peer;
    kj::Own<transport::MessageNetwork> network;
  };

  // Behind pointers, since their destructors may throw and a test's may not.
  const std::unique_ptr<kj::AsyncIoContext> owned_io_ = std::make_unique<kj::AsyncIoContext>(kj::setupAsyncIo());
  kj::AsyncIoContext& io_ = *owned_io_;
  const std::unique_ptr<kj::TimerImpl> owned_timer_ = std::make_unique<kj::TimerImpl>(kj::origin<kj::TimePoint>());
  kj::TimerImpl& timer_ = *owned_timer_;
  const std::unique_ptr<Ends> ends_ = std::make_unique<Ends>();
  ReadingRoom room_{1 << 20};
  std::unique_ptr<GuardedStream> guard_;
  kj::Array<capnp::word> words_;
  kj::ArrayPtr<const capnp::word> segment_;
};

TEST_F(GuardedStreamTest, AStallIsCountedFromTheLastBytesThatThePeerTook) {
  over_tcp();
  auto writing = write(32 << 20);
  ASSERT_FALSE(writing.poll(io_.waitScope));
  EXPECT_EQ(guard_->stalled_ms(), 0u);
  advance(999);
  EXPECT_EQ(guard_->stalled_ms(), 999u);
  EXPECT_EQ(guard_->writing_ms(), 999u);
  take(16 << 20);
  EXPECT_EQ(guard_->stalled_ms(), 0u) << "it goes on";
  EXPECT_EQ(guard_->writing_ms(), 999u) << "with the same message";
  advance(1'000);
  EXPECT_EQ(guard_->stalled_ms(), 1'000u);
}

TEST_F(GuardedStreamTest, WithNothingToWriteNobodyIsSlow) {
  over_tcp();
  auto writing = write(1 << 20);
  EXPECT_EQ(guard_->stalled_ms(), 0u);
  take(1 << 20);
  writing.wait(io_.waitScope);
  advance(1'000'000);
  EXPECT_EQ(guard_->stalled_ms(), 0u);
  EXPECT_EQ(guard_->writing_ms(), 0u);
}

// A stream that cannot tell what its peer took: all that is known is when the message was begun.
TEST_F(GuardedStreamTest, WithoutASocketAStallIsCountedFromTheBeginningOfEachMessage) {
  over_pipe();
  constexpr std::size_t kBytes = 1 << 10;
  constexpr std::size_t kTableBytes = sizeof(capnp::word);
  auto first = write(kBytes);
  advance(7);
  EXPECT_EQ(guard_->stalled_ms(), 7u);
  take(kTableBytes + kBytes);
  first.wait(io_.waitScope);
  advance(1'000'000);
  auto second = write(kBytes);
  EXPECT_EQ(guard_->stalled_ms(), 0u);
  advance(5);
  EXPECT_EQ(guard_->stalled_ms(), 5u);
}

TEST_F(GuardedStreamTest, WhatIsBeyondTheBoundsOfMessagesIsAViolation) {
  over_pipe();
  ASSERT_TRUE(say_bootstrap(7));
  EXPECT_FALSE(guard_->violated());
  EXPECT_FALSE(say_bootstrap(7));
  EXPECT_TRUE(guard_->violated());
}

TEST_F(GuardedStreamTest, AnAnswerThatIsWrittenFreesItsNumber) {
  over_pipe();
  ASSERT_TRUE(say_bootstrap(7));
  ASSERT_TRUE(say([](Message::Builder to) { to.initFinish().setQuestionId(7); }));
  capnp::MallocMessageBuilder message;
  message.initRoot<Message>().initReturn().setAnswerId(7);
  auto writing = guard_->write(message.getSegmentsForOutput());
  capnp::readMessage(*ends_->peer).wait(io_.waitScope);
  writing.wait(io_.waitScope);
  EXPECT_TRUE(say_bootstrap(7));
}

// A slow client has its time for each of the large messages that wait for it.
TEST_F(GuardedStreamTest, LargeMessagesThatWaitHaveTheirTimeEach) {
  over_pipe();
  auto connection = connect();
  constexpr std::size_t kBytes = 2 * limits::kConnectionQueueBytesMax;
  constexpr std::size_t kMessages = 3;
  for (std::size_t i = 0; i < kMessages; ++i) {
    auto message = connection->newOutgoingMessage(kBytes / sizeof(capnp::word) + 8);
    auto to = message->getBody().initAs<Message>().initBootstrap();
    to.getDeprecatedObjectId().initAs<capnp::Data>(kBytes);
    message->send();
  }
  for (std::size_t i = 0; i < kMessages; ++i) {
    io_.waitScope.poll();
    EXPECT_EQ(guard_->writing_ms(), 0u) << i;
    advance(900);
    EXPECT_EQ(guard_->writing_ms(), 900u) << i;
    capnp::readMessage(*ends_->peer).wait(io_.waitScope);
  }
}

// A peer that reads nothing and asks for what is answered in a few bytes.
TEST_F(GuardedStreamTest, SmallMessagesThatWaitCountWithWhatTheyTake) {
  over_pipe();
  auto connection = connect();
  const auto answer = [&] {
    auto message = connection->newOutgoingMessage(8);
    message->getBody().initAs<Message>().initReturn().setAnswerId(1);
    message->send();
  };
  constexpr std::size_t kFew = limits::kConnectionQueueBytesMax / transport::WriteQueue::kMessageBytes / 2;
  for (std::size_t i = 0; i < kFew; ++i) answer();
  ASSERT_TRUE(say_bootstrap(1));
  for (std::size_t i = 0; i < kFew; ++i) answer();

  capnp::MallocMessageBuilder next;
  next.initRoot<Message>().initBootstrap().setQuestionId(2);
  auto saying = capnp::writeMessage(*ends_->peer, next).eagerlyEvaluate(nullptr);
  auto reading = guard_->read({}).eagerlyEvaluate(nullptr);
  EXPECT_FALSE(reading.poll(io_.waitScope));
  for (std::size_t i = 0; i < 2 * kFew; ++i) capnp::readMessage(*ends_->peer).wait(io_.waitScope);
  EXPECT_TRUE(reading.wait(io_.waitScope) != nullptr);
}

}  // namespace
}  // namespace earshot::gateway
