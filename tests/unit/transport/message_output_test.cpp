#include "transport/message_output.hpp"

#include <cstring>
#include <memory>
#include <vector>

#include <capnp/message.h>
#include <capnp/rpc.capnp.h>
#include <capnp/serialize-async.h>
#include <gtest/gtest.h>
#include <kj/exception.h>

namespace earshot::transport {
namespace {

using capnp::rpc::Message;

// Counts the writes to a connection; reads and the rest are the connection's own.
class CountedStream final : public kj::AsyncIoStream {
 public:
  explicit CountedStream(kj::AsyncIoStream& inner) : inner_(inner) {}
  kj::Promise<void> write(const void* buffer, std::size_t size) override {
    ++writes;
    return inner_.write(buffer, size);
  }
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override {
    ++writes;
    return inner_.write(pieces);
  }
  kj::Promise<void> whenWriteDisconnected() override { return inner_.whenWriteDisconnected(); }
  void shutdownWrite() override { inner_.shutdownWrite(); }
  kj::Promise<std::size_t> tryRead(void* buffer, std::size_t bytes_min, std::size_t bytes_max) override {
    return inner_.tryRead(buffer, bytes_min, bytes_max);
  }
  std::size_t writes = 0;

 private:
  kj::AsyncIoStream& inner_;
};

class MessageOutputTest : public testing::Test {
 protected:
  using Builder = std::unique_ptr<capnp::MallocMessageBuilder>;

  static Builder bootstrap(std::uint32_t question, std::size_t bytes = 0) {
    auto message = std::make_unique<capnp::MallocMessageBuilder>();
    auto to = message->initRoot<Message>().initBootstrap();
    to.setQuestionId(question);
    if (bytes > 0) to.getDeprecatedObjectId().initAs<capnp::Data>(static_cast<capnp::uint>(bytes));
    return message;
  }
  static Builder finish(std::uint32_t question) {
    auto message = std::make_unique<capnp::MallocMessageBuilder>();
    message->initRoot<Message>().initFinish().setQuestionId(question);
    return message;
  }
  static Builder answer(std::uint32_t question) {
    auto message = std::make_unique<capnp::MallocMessageBuilder>();
    message->initRoot<Message>().initReturn().setAnswerId(question);
    return message;
  }
  // The builder may go when the promise is there.
  void write(Builder message) {
    auto writing = parts_->output.write(message->getSegmentsForOutput());
    writes_.push_back(writing.attach(kj::heap<Builder>(std::move(message))).eagerlyEvaluate(nullptr));
  }
  std::uint32_t read() {
    auto message = capnp::readMessage(*parts_->pipe.ends[1]).wait(parts_->scope);
    const auto root = message->getRoot<Message>();
    if (root.isReturn()) return root.getReturn().getAnswerId();
    return root.isFinish() ? root.getFinish().getQuestionId() : root.getBootstrap().getQuestionId();
  }
  // So that nothing but what has been read is read.
  [[nodiscard]] bool nothing_comes() {
    parts_->scope.poll();
    kj::byte byte = 0;
    auto reading = parts_->pipe.ends[1]->tryRead(&byte, 1, 1);
    return !reading.poll(parts_->scope);
  }
  void advance(std::uint64_t ms) { parts_->timer.advanceTo(parts_->timer.now() + ms * kj::MILLISECONDS); }

  struct Parts {
    kj::EventLoop loop;
    kj::WaitScope scope{loop};
    kj::TimerImpl timer{kj::origin<kj::TimePoint>()};
    kj::TwoWayPipe pipe = kj::newTwoWayPipe();
    CountedStream stream{*pipe.ends[0]};
    WriteQueue queue;
    MessageOutput output{stream, timer, queue, MessageOutput::Answers::kGoInPairs};
  };

  // Behind a pointer, since its destructor may throw and a test's may not.
  const std::unique_ptr<Parts> parts_ = std::make_unique<Parts>();
  std::vector<kj::Promise<void>> writes_;
};

TEST_F(MessageOutputTest, SmallMessagesThatAreReadyTogetherGoOutInOneWrite) {
  for (std::uint32_t i = 0; i < 100; ++i) write(bootstrap(i));
  for (std::uint32_t i = 0; i < 100; ++i) ASSERT_EQ(read(), i);
  EXPECT_EQ(parts_->stream.writes, 1u);
}

TEST_F(MessageOutputTest, AMessageIsNeededNoMoreOnceItIsGathered) {
  write(bootstrap(1));
  EXPECT_TRUE(writes_.back().poll(parts_->scope));
  EXPECT_EQ(parts_->queue.messages_written(), 0u) << "nobody has read it";
  EXPECT_EQ(read(), 1u);
  parts_->scope.poll();
  EXPECT_EQ(parts_->queue.messages_written(), 1u);
}

TEST_F(MessageOutputTest, LargeMessagesKeepTheirPlace) {
  constexpr std::size_t kLarge = 2 * MessageOutput::kSmallMessageBytes;
  write(bootstrap(0));
  write(bootstrap(1, kLarge));
  parts_->scope.poll();
  EXPECT_FALSE(writes_.back().poll(parts_->scope)) << "it is needed until it is written";
  EXPECT_EQ(read(), 0u);
  EXPECT_EQ(read(), 1u);
  writes_.back().wait(parts_->scope);
  write(bootstrap(2));
  EXPECT_EQ(read(), 2u);
}

// A peer that does not read: so much is gathered behind the write that it holds up, and no more.
TEST_F(MessageOutputTest, WhoFindsNoRoomWaits) {
  write(bootstrap(0));
  parts_->scope.poll();
  std::uint32_t next = 1;
  while (next < 1'000) {
    write(bootstrap(next++, 1'000));
    if (!writes_.back().poll(parts_->scope)) break;
  }
  ASSERT_LT(next, 1'000u);
  EXPECT_GT(next * 1'000, MessageOutput::kGatheredBytesMax * 9 / 10);
  for (std::uint32_t i = 0; i < next; ++i) ASSERT_EQ(read(), i);
  writes_.back().wait(parts_->scope);
}

TEST_F(MessageOutputTest, WhatNobodyWaitsForGoesWithTheNextMessage) {
  write(finish(0));
  EXPECT_TRUE(nothing_comes());
  write(bootstrap(1));
  EXPECT_EQ(read(), 0u);
  EXPECT_EQ(read(), 1u);
  EXPECT_EQ(parts_->stream.writes, 1u);
}

TEST_F(MessageOutputTest, WhatNobodyWaitsForGoesAfterAWhile) {
  write(finish(0));
  advance(MessageOutput::kUnhurriedMs - 1);
  EXPECT_TRUE(nothing_comes());
  write(finish(1));
  advance(1);
  EXPECT_EQ(read(), 0u);
  EXPECT_EQ(read(), 1u);
  EXPECT_EQ(parts_->stream.writes, 1u);
}

TEST_F(MessageOutputTest, AnswersGoInPairsOrAfterAWhile) {
  write(answer(1));
  EXPECT_TRUE(nothing_comes());
  write(answer(2));
  EXPECT_EQ(read(), 1u);
  EXPECT_EQ(read(), 2u);
  write(answer(3));
  EXPECT_TRUE(nothing_comes()) << "a new pair begins";
  advance(MessageOutput::kUnhurriedMs);
  EXPECT_EQ(read(), 3u);
  write(answer(4));
  write(bootstrap(5));
  EXPECT_EQ(read(), 4u);
  EXPECT_EQ(read(), 5u);
}

TEST_F(MessageOutputTest, TheEndComesBehindEverything) {
  write(bootstrap(0));
  write(finish(1));
  auto ending = parts_->output.end().eagerlyEvaluate(nullptr);
  EXPECT_EQ(read(), 0u);
  EXPECT_EQ(read(), 1u);
  kj::byte byte = 0;
  EXPECT_EQ(parts_->pipe.ends[1]->tryRead(&byte, 1, 1).wait(parts_->scope), 0u);
  ending.wait(parts_->scope);
}

TEST_F(MessageOutputTest, WhatAWriteFailedWithIsToldToLaterOnes) {
  write(bootstrap(0));
  parts_->pipe.ends[1] = nullptr;
  parts_->scope.poll();
  auto message = bootstrap(1);
  auto writing = parts_->output.write(message->getSegmentsForOutput());
  EXPECT_TRUE(kj::runCatchingExceptions([&] { writing.wait(parts_->scope); }) != nullptr);
}

}  // namespace
}  // namespace earshot::transport
