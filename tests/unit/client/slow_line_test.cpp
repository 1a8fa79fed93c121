#include <gtest/gtest.h>

#include "client/call_wait.hpp"
#include "tests/support/byte_relay.hpp"
#include "tests/support/client_harness.hpp"
#include "tests/support/virtual_loop.hpp"

namespace earshot::client {
namespace {

using tests::ByteRelay;
using tests::eventually;
using tests::FakeServer;
using tests::options_for;
using tests::Recorder;
using tests::user;
using tests::VirtualLoop;

constexpr std::size_t kBodyBytes = 1'000'000;
constexpr std::size_t kMessages = 4;                                            // one full call
constexpr std::size_t kSteps = kMessages * kBodyBytes / ByteRelay::kStepBytes;  // less than all of it

// A client behind a line that lets bytes through as the test says, on virtual time: what is measured is what the
// client makes of time and bytes, not how fast this machine is.
class SlowLine : public testing::Test {
 protected:
  void start() {
    options_.addresses = {relay_.address()};
    options_.call_timeout_ms = 0;  // a call takes as long as the line needs
    client_ = Client::open(options_, std::make_shared<MemoryStore>(), recorder_.handlers(), runtime_).value();
    ASSERT_TRUE(client_->wait_connected(10'000));
  }
  void send() {
    ASSERT_TRUE(client_->send(std::vector<Letter>(kMessages, Letter{user("bob"), std::string(kBodyBytes, 'x'), {}})));
  }
  [[nodiscard]] bool is_lost() const { return recorder_.changes().size() > 1; }
  // How long until the client gives up.
  std::uint64_t time_to_loss_ms() {
    const std::uint64_t begin_ms = loop_->now_ms();
    while (!is_lost() && loop_->now_ms() < begin_ms + 10 * timeout_ms_) loop_->advance(1);
    return loop_->now_ms() - begin_ms;
  }
  // After a loss, on a line that is free again.
  void expect_delivered_once() {
    EXPECT_TRUE(eventually([&] {
      loop_->advance(10);
      return recorder_.reported() == kMessages;
    }));
    EXPECT_EQ(server_.stored_count(), kMessages);
  }
  void expect_given_up() {
    const auto changes = recorder_.changes();
    ASSERT_GE(changes.size(), 2u);
    EXPECT_EQ(changes[1].kind, ConnectionChange::Kind::kDisconnected);
    EXPECT_EQ(changes[1].reason.code, ErrorCode::kDeadlineExceeded);
  }

  FakeServer server_;
  ByteRelay relay_{server_.port()};
  const std::shared_ptr<VirtualLoop> loop_ = std::make_shared<VirtualLoop>();
  const std::shared_ptr<Runtime> runtime_ = std::make_shared<Runtime>(loop_);
  Recorder recorder_;
  Options options_ = options_for(server_);
  const std::uint64_t timeout_ms_ = options_.request_timeout_ms;
  std::unique_ptr<Client> client_;
};

TEST_F(SlowLine, ACallThatTakesLongerThanTheTimeoutOnItsWayIsDeliveredOnce) {
  start();
  relay_.hold(ByteRelay::kUp);
  send();
  for (std::size_t step = 0; step < kSteps; ++step) {
    ASSERT_TRUE(relay_.let_through(ByteRelay::kUp, ByteRelay::kStepBytes));
    loop_->advance(timeout_ms_ * 2 / 3);
    ASSERT_FALSE(is_lost()) << "at step " << step;
  }
  relay_.open(ByteRelay::kUp);
  ASSERT_TRUE(client_->flush(10'000));
  EXPECT_EQ(server_.seen().logins, 1);
  EXPECT_EQ(server_.seen().send_sizes, std::vector{kMessages});
  EXPECT_EQ(server_.stored_count(), kMessages);
}

TEST_F(SlowLine, ALineThatStopsIsGivenUpAtTheTimeout) {
  start();
  relay_.hold(ByteRelay::kUp);
  send();
  ASSERT_TRUE(relay_.let_through(ByteRelay::kUp, ByteRelay::kStepBytes));
  const std::uint64_t waited_ms = time_to_loss_ms();
  EXPECT_GE(waited_ms, timeout_ms_);
  EXPECT_LE(waited_ms, 2 * timeout_ms_) << "the relay's buffer may fill a little later";
  expect_given_up();
  relay_.open(ByteRelay::kUp);
  expect_delivered_once();
}

TEST_F(SlowLine, AServerThatTookEverythingAndDoesNotAnswerIsGivenUpAtTheTimeout) {
  server_.script([](auto& s) { s.answer_sends = false; });
  start();
  send();
  ASSERT_TRUE(eventually([&] { return server_.seen().send_sizes.size() == 1; }));
  const std::uint64_t waited_ms = time_to_loss_ms();
  EXPECT_GE(waited_ms, timeout_ms_);
  EXPECT_LE(waited_ms, 2 * timeout_ms_) << "the kernels may acknowledge a little later";
  expect_given_up();
  server_.script([](auto& s) { s.answer_sends = true; });
  expect_delivered_once();
}

TEST_F(SlowLine, AServerThatGoesOnDeliveringAndDoesNotAnswerIsGivenUp) {
  server_.script([](auto& s) { s.answer_sends = false; });
  start();
  send();
  ASSERT_TRUE(eventually([&] { return server_.seen().send_sizes.size() == 1 && server_.seen().subscribes == 1; }));
  const std::uint64_t begin_ms = loop_->now_ms();
  for (std::uint64_t sequence = 1; !is_lost() && loop_->now_ms() < begin_ms + 20 * timeout_ms_; ++sequence) {
    server_.put("x");
    server_.push({sequence});
    ASSERT_TRUE(eventually([&] { return server_.seen().acks.size() == sequence; }));
    loop_->advance(timeout_ms_ / 3);
  }
  EXPECT_GE(loop_->now_ms(), begin_ms + timeout_ms_);
  EXPECT_LE(loop_->now_ms(), begin_ms + (CallWait::kOvertakenTimeouts + 4) * timeout_ms_);
  expect_given_up();
}

// A node does not read on while its answers are not read: who waits for it to read first waits for ever.
TEST_F(SlowLine, WhatIsDeliveredIsReadWhileCallsWaitToBeWritten) {
  start();
  ASSERT_TRUE(eventually([&] { return server_.seen().subscribes == 1; }));
  relay_.hold(ByteRelay::kUp);
  for (int call = 0; call < 4; ++call) send();
  ASSERT_TRUE(relay_.let_through(ByteRelay::kUp, ByteRelay::kStepBytes));
  for (const std::uint64_t sequence : {1, 2, 3}) {  // the first is waited for already
    server_.put("x");
    server_.push({sequence});
  }
  EXPECT_TRUE(eventually([&] { return recorder_.bodies().size() == 3; }));
  relay_.open(ByteRelay::kUp);
  EXPECT_TRUE(client_->flush(10'000));
}

TEST_F(SlowLine, AnAnswerThatTakesLongerThanTheTimeoutOnItsWayArrives) {
  options_.receive = false;
  for (std::size_t i = 0; i < kMessages; ++i) server_.put(std::string(kBodyBytes, 'x'));
  start();
  relay_.hold(ByteRelay::kDown);
  auto fetched = client_->fetch(Sequence(), kMessages);
  for (std::size_t step = 0; step < kSteps; ++step) {
    ASSERT_TRUE(relay_.let_through(ByteRelay::kDown, ByteRelay::kStepBytes));
    loop_->advance(timeout_ms_ * 2 / 3);
    ASSERT_FALSE(is_lost()) << "at step " << step;
  }
  relay_.open(ByteRelay::kDown);
  const auto batch = fetched.get();
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->messages.size(), kMessages);
}

TEST_F(SlowLine, AnAnswerThatStopsOnItsWayIsGivenUpAtTheTimeout) {
  options_.receive = false;
  for (std::size_t i = 0; i < kMessages; ++i) server_.put(std::string(kBodyBytes, 'x'));
  start();
  relay_.hold(ByteRelay::kDown);
  auto fetched = client_->fetch(Sequence(), kMessages);
  ASSERT_TRUE(relay_.let_through(ByteRelay::kDown, ByteRelay::kStepBytes));
  const std::uint64_t waited_ms = time_to_loss_ms();
  EXPECT_GE(waited_ms, timeout_ms_);
  EXPECT_LE(waited_ms, 2 * timeout_ms_) << "the kernels may acknowledge a little later";
  expect_given_up();
  EXPECT_EQ(fetched.get().error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace earshot::client
