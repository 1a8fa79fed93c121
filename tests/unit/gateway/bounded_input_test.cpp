#include "gateway/bounded_input.hpp"

#include <array>
#include <memory>
#include <vector>

#include <gtest/gtest.h>
#include <kj/async-io.h>

#include "base/limits.hpp"

namespace earshot::gateway {
namespace {

constexpr std::size_t kLarge = 5'000;  // bytes: more than is read without an account

// Inputs that share one room, with nobody but the test at their other ends, on a clock that moves only when told to.
class BoundedInputTest : public testing::Test {
 protected:
  struct Connection {
    Connection(kj::Timer& timer, ReadingRoom& room) : pipe(kj::newOneWayPipe()), input(*pipe.in, timer, room) {
      input.login_done();
    }
    // Asks for a message of so many bytes.
    kj::Promise<std::size_t> read(std::size_t bytes) {
      buffer.resize(bytes);
      return input.tryRead(buffer.data(), bytes, bytes).eagerlyEvaluate(nullptr);
    }

    std::vector<kj::byte> buffer;
    kj::OneWayPipe pipe;
    BoundedInput input;
  };

  std::unique_ptr<Connection> connect() { return std::make_unique<Connection>(timer_, room_); }
  void advance(std::uint64_t ms) { timer_.advanceTo(timer_.now() + ms * kj::MILLISECONDS); }
  // So many bytes come in.
  void say(Connection& connection, std::size_t bytes) {
    const std::vector<kj::byte> said(bytes, 'x');
    connection.pipe.out->write(said.data(), said.size()).wait(scope_);
    scope_.poll();
  }

  struct Own {
    kj::EventLoop loop;
    kj::WaitScope scope{loop};
    kj::TimerImpl timer{kj::origin<kj::TimePoint>()};
  };

  // Behind a pointer, since their destructors may throw and a test's may not.
  const std::unique_ptr<Own> own_ = std::make_unique<Own>();
  kj::WaitScope& scope_ = own_->scope;
  kj::TimerImpl& timer_ = own_->timer;
  ReadingRoom room_{2 * kLarge};
};

TEST_F(BoundedInputTest, WhatIsSmallNeedsNoPlace) {
  const auto one = connect();
  auto reading = one->read(4'096);
  scope_.poll();
  EXPECT_EQ(room_.used(), 0u);
  say(*one, 4'096);
  EXPECT_EQ(reading.wait(scope_), 4'096u);
}

TEST_F(BoundedInputTest, AMessageHasItsPlaceUntilItIsThere) {
  const auto one = connect();
  auto reading = one->read(kLarge);
  scope_.poll();
  EXPECT_EQ(room_.used(), kLarge);
  say(*one, 1);
  say(*one, kLarge - 2);
  EXPECT_FALSE(reading.poll(scope_));
  say(*one, 1);
  EXPECT_EQ(reading.wait(scope_), kLarge);
  EXPECT_EQ(room_.used(), 0u);
}

TEST_F(BoundedInputTest, WhoFindsTheRoomFullWaitsForItsTurn) {
  const auto one = connect(), two = connect(), three = connect(), four = connect();
  auto first = one->read(kLarge), second = two->read(kLarge);
  scope_.poll();
  EXPECT_TRUE(room_.is_full());
  auto third = three->read(kLarge), fourth = four->read(kLarge);
  scope_.poll();
  EXPECT_EQ(room_.used(), 2 * kLarge);
  third = kj::Promise<std::size_t>(nullptr);  // its connection is gone
  say(*one, kLarge);
  EXPECT_EQ(first.wait(scope_), kLarge);
  say(*four, kLarge);
  EXPECT_EQ(fourth.wait(scope_), kLarge);
  EXPECT_EQ(room_.used(), kLarge);
  second = kj::Promise<std::size_t>(nullptr);
  EXPECT_EQ(room_.used(), 0u);
}

TEST_F(BoundedInputTest, TheRoomIsPressedOnlyWhileSomebodyWaitsForIt) {
  const auto one = connect(), two = connect(), three = connect();
  auto first = one->read(2 * kLarge);
  scope_.poll();
  EXPECT_TRUE(room_.is_full());
  EXPECT_FALSE(room_.is_pressed()) << "nobody is kept out";
  auto second = two->read(kLarge), third = three->read(kLarge);
  scope_.poll();
  EXPECT_TRUE(room_.is_pressed());
  second = kj::Promise<std::size_t>(nullptr);
  EXPECT_TRUE(room_.is_pressed()) << "one is gone, the other waits";
  third = kj::Promise<std::size_t>(nullptr);
  EXPECT_FALSE(room_.is_pressed());
  third = three->read(kLarge);
  say(*one, 2 * kLarge);
  EXPECT_FALSE(room_.is_pressed()) << "it is let in";
}

TEST_F(BoundedInputTest, BeforeTheLoginNobodyWaitsForARoomNorFillsIt) {
  kj::OneWayPipe pipe = kj::newOneWayPipe();
  BoundedInput input(*pipe.in, timer_, room_);
  const ReadingRoom::Place others(room_, 2 * kLarge);
  std::vector<kj::byte> buffer(kLarge);
  const std::vector<kj::byte> sent(kLarge);
  auto reading = input.tryRead(buffer.data(), kLarge, kLarge).eagerlyEvaluate(nullptr);
  pipe.out->write(sent.data(), 1).wait(scope_);
  advance(100);
  EXPECT_EQ(input.stalled_ms(), 100u);
  EXPECT_EQ(input.reading_ms(), 0u) << "it costs nobody a place";
  EXPECT_EQ(room_.used(), 2 * kLarge);
  pipe.out->write(sent.data(), kLarge - 1).wait(scope_);
  EXPECT_EQ(reading.wait(scope_), kLarge);
  EXPECT_EQ(input.stalled_ms(), 0u);
}

TEST(ReadingRoom, ManyThreadsHaveRoomForAFewOfTheLargestBatchesEach) {
  EXPECT_EQ(ReadingRoom::share_of(limits::kReadingBytesMax, 1), limits::kReadingBytesMax);
  EXPECT_EQ(ReadingRoom::share_of(limits::kReadingBytesMax, 4), limits::kReadingBytesMax / 4);
  EXPECT_EQ(ReadingRoom::share_of(limits::kReadingBytesMax, limits::kGatewayThreadsMax), 4 * limits::kBatchBytesMax);
  EXPECT_EQ(ReadingRoom::share_of(1'000, 4), 1'000u) << "not more than there is";
}

TEST_F(BoundedInputTest, OneMessageMayBeLargerThanTheRoom) {
  const auto one = connect(), two = connect();
  auto first = one->read(10 * kLarge), second = two->read(kLarge);
  scope_.poll();
  EXPECT_EQ(room_.used(), 10 * kLarge);
  say(*one, 10 * kLarge);
  EXPECT_EQ(first.wait(scope_), 10 * kLarge);
  EXPECT_EQ(room_.used(), kLarge) << "the other one's turn";
}

TEST_F(BoundedInputTest, BeforeTheLoginALargeMessageIsNotRead) {
  kj::OneWayPipe pipe = kj::newOneWayPipe();
  BoundedInput input(*pipe.in, timer_, room_);
  std::vector<kj::byte> buffer(limits::kLoginMessageBytesMax + 1);
  {
    auto allowed = input.tryRead(buffer.data(), buffer.size() - 1, buffer.size() - 1);
    EXPECT_FALSE(allowed.poll(scope_));
    EXPECT_FALSE(input.violated());
  }
  auto refused = input.tryRead(buffer.data(), buffer.size(), buffer.size());
  EXPECT_THROW(refused.wait(scope_), kj::Exception);
  EXPECT_TRUE(input.violated());
  input.login_done();
  EXPECT_FALSE(input.tryRead(buffer.data(), buffer.size(), buffer.size()).poll(scope_));
}

TEST_F(BoundedInputTest, TimesCountWhileAMessageIsReadAndNotOtherwise) {
  const auto one = connect(), two = connect(), three = connect();
  advance(1'000);
  EXPECT_EQ(one->input.stalled_ms(), 0u);
  auto first = one->read(kLarge), second = two->read(kLarge), third = three->read(kLarge);
  scope_.poll();
  advance(100);
  EXPECT_EQ(one->input.stalled_ms(), 100u);
  EXPECT_EQ(three->input.stalled_ms(), 0u) << "it is not its client that is waited for";
  say(*one, 1);
  EXPECT_EQ(one->input.stalled_ms(), 0u);
  advance(50);
  EXPECT_EQ(one->input.stalled_ms(), 50u);
  EXPECT_EQ(one->input.reading_ms(), 150u);
  say(*one, kLarge - 1);
  EXPECT_EQ(first.wait(scope_), kLarge);
  EXPECT_EQ(one->input.reading_ms(), 0u);
}

}  // namespace
}  // namespace earshot::gateway
