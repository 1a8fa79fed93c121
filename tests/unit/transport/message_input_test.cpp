#include "transport/message_input.hpp"

#include <array>
#include <cstdint>
#include <memory>

#include <gtest/gtest.h>
#include <kj/async-io.h>
#include <kj/exception.h>

namespace earshot::transport {
namespace {

using Word = std::array<std::uint32_t, 2>;

// What is said to it word by word.
class MessageInputTest : public testing::Test {
 protected:
  bool may_read(Word word) {
    auto writing = peer_.write(word.data(), sizeof word).eagerlyEvaluate(nullptr);
    Word got{};
    return kj::runCatchingExceptions([&] {
             EXPECT_EQ(input_.tryRead(got.data(), sizeof got, sizeof got).wait(scope_), sizeof got);
             EXPECT_EQ(got, word);
           }) == nullptr;
  }

  struct Parts {
    kj::EventLoop loop;
    kj::WaitScope scope{loop};
    kj::TwoWayPipe pipe = kj::newTwoWayPipe();
    MessageInput input{*pipe.ends[0]};
  };

  // Behind a pointer, since its destructor may throw and a test's may not.
  const std::unique_ptr<Parts> parts_ = std::make_unique<Parts>();
  kj::WaitScope& scope_ = parts_->scope;
  kj::AsyncIoStream& peer_ = *parts_->pipe.ends[1];
  MessageInput& input_ = parts_->input;
};

TEST_F(MessageInputTest, AMessageOfNoSegmentsFails) {
  input_.begin_message();
  EXPECT_TRUE(may_read({0xfffffffe, 1}));
  EXPECT_FALSE(input_.violated());
  input_.begin_message();
  EXPECT_FALSE(may_read({0xffffffff, 1}));
  EXPECT_TRUE(input_.violated());
}

TEST_F(MessageInputTest, OnlyTheBeginningOfAMessageIsLookedAt) {
  input_.begin_message();
  EXPECT_TRUE(may_read({0, 0xffffffff}));
  EXPECT_TRUE(may_read({0xffffffff, 1}));
  EXPECT_FALSE(input_.violated());
}

TEST_F(MessageInputTest, TheEndIsNoMessage) {
  peer_.shutdownWrite();
  input_.begin_message();
  Word got{};
  EXPECT_EQ(input_.tryRead(got.data(), sizeof got, sizeof got).wait(scope_), 0u);
}

}  // namespace
}  // namespace earshot::transport
