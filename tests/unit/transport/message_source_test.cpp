#include "transport/message_source.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <capnp/any.h>
#include <capnp/serialize-async.h>
#include <gtest/gtest.h>
#include <kj/exception.h>

#include "base/random.hpp"
#include "tests/support/seed.hpp"

namespace earshot::transport {
namespace {

using Read = kj::Maybe<kj::Own<capnp::MessageReader>>;

class MessageSourceTest : public testing::Test {
 protected:
  // A message of so many segments, with a text in each.
  static kj::Array<capnp::word> message_of(std::size_t segments, std::size_t bytes) {
    capnp::MallocMessageBuilder builder(1, capnp::AllocationStrategy::FIXED_SIZE);
    auto texts = builder.initRoot<capnp::AnyPointer>().initAs<capnp::List<capnp::Text>>(segments);
    for (capnp::uint i = 0; i < segments; ++i) texts.set(i, std::string(bytes, static_cast<char>('a' + i % 26)));
    return capnp::messageToFlatArray(builder);
  }
  void say(kj::ArrayPtr<const kj::byte> bytes) {
    said_.push_back(kj::heapArray(bytes));
    parts_->writing = parts_->writing
                          .then([this, bytes = said_.back().asPtr()] {
                            return parts_->pipe.ends[1]->write(bytes.begin(), bytes.size());
                          })
                          .eagerlyEvaluate(nullptr);
  }
  void say_table(std::vector<std::uint32_t> entries) {
    std::vector<kj::byte> bytes;
    for (const std::uint32_t entry : entries)
      for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<kj::byte>(entry >> shift));
    say(kj::arrayPtr(bytes.data(), bytes.size()));
  }
  Read read(capnp::ReaderOptions options = {}) { return parts_->source.try_read(options).wait(parts_->scope); }
  bool fails(capnp::ReaderOptions options = {}) {
    return kj::runCatchingExceptions([&] { (void)read(options); }) != nullptr;
  }
  void expect_message(std::size_t segments, std::size_t bytes) {
    auto message = read();
    KJ_IF_MAYBE (reader, message) {
      const auto texts = (*reader)->getRoot<capnp::AnyPointer>().getAs<capnp::List<capnp::Text>>();
      ASSERT_EQ(texts.size(), segments);
      for (capnp::uint i = 0; i < segments; ++i)
        ASSERT_EQ(std::string(texts[i].cStr()), std::string(bytes, static_cast<char>('a' + i % 26)));
      return;
    }
    FAIL() << "there is no message";
  }

  struct Parts {
    kj::EventLoop loop;
    kj::WaitScope scope{loop};
    kj::TwoWayPipe pipe = kj::newTwoWayPipe();
    MessageSource source{*pipe.ends[0]};
    kj::Promise<void> writing = kj::READY_NOW;
  };

  // Behind a pointer, since its destructor may throw and a test's may not.
  const std::unique_ptr<Parts> parts_ = std::make_unique<Parts>();
  std::vector<kj::Array<kj::byte>> said_;
};

TEST_F(MessageSourceTest, MessagesOfAnyShapeComeWholeHoweverTheirBytesDo) {
  Random random(tests::seed_of_test());
  for (int i = 0; i < 300; ++i) {
    const std::size_t segments = random.between(0, random.chance(0.1) ? 200 : 5);
    const std::size_t bytes = random.below(random.chance(0.1) ? 20'000 : 100);
    const auto message = message_of(segments, bytes);
    for (auto rest = message.asBytes(); rest.size() > 0;) {
      const std::size_t piece = random.between(1, rest.size());
      say(rest.slice(0, piece));
      rest = rest.slice(piece, rest.size());
    }
    ASSERT_NO_FATAL_FAILURE(expect_message(segments, bytes));
  }
}

TEST_F(MessageSourceTest, TheEndIsNoMessage) {
  const auto message = message_of(1, 10);
  say(message.asBytes());
  expect_message(1, 10);
  parts_->pipe.ends[1]->shutdownWrite();
  EXPECT_TRUE(read() == nullptr);
}

TEST_F(MessageSourceTest, AMessageThatTheEndCutsShortFails) {
  const auto message = message_of(3, 10);
  for (std::size_t cut = 1; cut < message.asBytes().size(); ++cut) {
    kj::TwoWayPipe pipe = kj::newTwoWayPipe();
    MessageSource source(*pipe.ends[0]);
    auto writing = pipe.ends[1]->write(message.begin(), cut).eagerlyEvaluate(nullptr);
    auto reading = source.try_read({});
    auto ended = writing.then([&] { pipe.ends[1] = nullptr; }).eagerlyEvaluate(nullptr);
    EXPECT_TRUE(kj::runCatchingExceptions([&] { (void)reading.wait(parts_->scope); }) != nullptr) << cut;
  }
}

TEST_F(MessageSourceTest, TooManySegmentsAreRefused) {
  say_table({510, 0});
  const std::vector<kj::byte> zeros(255 * 8);
  say(kj::arrayPtr(zeros.data(), zeros.size()));
  EXPECT_FALSE(fails()) << "511 empty ones";
  say_table({511, 0});
  EXPECT_TRUE(fails());
  EXPECT_FALSE(parts_->source.violated());
}

TEST_F(MessageSourceTest, AMessageOfNoSegmentsIsSaidToBeAViolation) {
  say_table({0xfffffffe, 1});
  EXPECT_TRUE(fails());
  EXPECT_FALSE(parts_->source.violated());
  say_table({0xffffffff, 1});
  EXPECT_TRUE(fails());
  EXPECT_TRUE(parts_->source.violated());
}

TEST_F(MessageSourceTest, AMessageThatMayNotBeTraversedIsRefusedBeforeThereIsRoomForIt) {
  capnp::ReaderOptions options;
  options.traversalLimitInWords = 1'000;
  say_table({0, 1'001});
  EXPECT_TRUE(fails(options));
  say_table({1, 600, 600, 0});
  EXPECT_TRUE(fails(options)) << "together";
  say_table({0, 0xffffffff});
  EXPECT_TRUE(fails(options));
}

}  // namespace
}  // namespace earshot::transport
