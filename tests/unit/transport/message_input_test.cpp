#include "transport/message_input.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include <gtest/gtest.h>
#include <kj/async-io.h>
#include <kj/exception.h>

#include "base/random.hpp"
#include "tests/support/seed.hpp"

namespace earshot::transport {
namespace {

// Counts what the connection is asked for.
class CountedInput final : public kj::AsyncInputStream {
 public:
  explicit CountedInput(kj::AsyncInputStream& inner) : inner_(inner) {}
  kj::Promise<std::size_t> tryRead(void* buffer, std::size_t bytes_min, std::size_t bytes_max) override {
    ++reads;
    largest = std::max(largest, bytes_max);
    return inner_.tryRead(buffer, bytes_min, bytes_max);
  }
  std::size_t reads = 0;
  std::size_t largest = 0;

 private:
  kj::AsyncInputStream& inner_;
};

class MessageInputTest : public testing::Test {
 protected:
  MessageInputTest() {
    // Everything that is said waits in the connection, as in a socket.
    auto sockets = io_->provider->newTwoWayPipe();
    ends_->own = kj::mv(sockets.ends[0]);
    ends_->peer = kj::mv(sockets.ends[1]);
    counted_ = std::make_unique<CountedInput>(*ends_->own);
    input_ = std::make_unique<MessageInput>(*counted_);
  }

  void say(std::size_t bytes) {
    std::vector<kj::byte> said(bytes);
    for (kj::byte& byte : said) byte = static_cast<kj::byte>(next_said_++ % 251);
    ends_->peer->write(said.data(), said.size()).wait(io_->waitScope);
  }
  // Whether so many bytes come, and are the next that were said.
  void expect(std::size_t bytes) {
    std::vector<kj::byte> got(bytes);
    ASSERT_EQ(input_->tryRead(got.data(), bytes, bytes).wait(io_->waitScope), bytes);
    for (const kj::byte byte : got) ASSERT_EQ(byte, static_cast<kj::byte>(next_expected_++ % 251));
  }
  // A message: its first word, then its body.
  void expect_message(std::size_t body_bytes) {
    input_->begin_message();
    expect(8);
    expect(body_bytes);
  }

  struct Ends {
    kj::Own<kj::AsyncIoStream> own;
    kj::Own<kj::AsyncIoStream> peer;
  };

  // Behind pointers, since their destructors may throw and a test's may not.
  const std::unique_ptr<kj::AsyncIoContext> io_ = std::make_unique<kj::AsyncIoContext>(kj::setupAsyncIo());
  const std::unique_ptr<Ends> ends_ = std::make_unique<Ends>();
  std::unique_ptr<CountedInput> counted_;
  std::unique_ptr<MessageInput> input_;
  std::size_t next_said_ = 0;
  std::size_t next_expected_ = 0;
};

TEST_F(MessageInputTest, SmallMessagesThatAreThereComeInOneRead) {
  say(5 * (8 + 40));
  for (int i = 0; i < 5; ++i) expect_message(40);
  EXPECT_EQ(counted_->reads, 1u);
}

TEST_F(MessageInputTest, OnlyTheSmallBufferIsUsedUntilMoreIsAllowed) {
  say(8 + 3'000);
  say(8 + 3'000);
  expect_message(3'000);
  EXPECT_LE(counted_->largest, 3'000u);
  input_->read_ahead();
  expect_message(3'000);
  EXPECT_EQ(counted_->largest, MessageInput::kLargeBufferBytes);
}

TEST_F(MessageInputTest, ALargeBodyGoesToItsPlaceAndNothingBehindItIsTaken) {
  input_->read_ahead();
  constexpr std::size_t kBody = 3 * MessageInput::kLargeBufferBytes;
  say(8 + kBody);
  expect_message(kBody);
  EXPECT_LE(counted_->largest, kBody);
  say(8);
  input_->begin_message();
  expect(8);
}

TEST_F(MessageInputTest, BytesOfAnySizesComeInTheirOrder) {
  Random random(tests::seed_of_test());
  for (int round = 0; round < 200; ++round) {
    if (round == 20) input_->read_ahead();
    const std::size_t body = 8 * random.between(1, random.chance(0.1) ? 5'000 : 100);
    say(8 + body / 2);
    say(body - body / 2);
    expect_message(body);
  }
}

TEST_F(MessageInputTest, TheEndCutsAMessageShort) {
  say(8 + 10);
  ends_->peer->shutdownWrite();
  input_->begin_message();
  expect(8);
  std::array<kj::byte, 100> got{};
  EXPECT_EQ(input_->tryRead(got.data(), got.size(), got.size()).wait(io_->waitScope), 10u);
}

TEST_F(MessageInputTest, TheEndIsNoMessage) {
  ends_->peer->shutdownWrite();
  input_->begin_message();
  std::array<kj::byte, 8> got{};
  EXPECT_EQ(input_->tryRead(got.data(), got.size(), got.size()).wait(io_->waitScope), 0u);
}

}  // namespace
}  // namespace earshot::transport
