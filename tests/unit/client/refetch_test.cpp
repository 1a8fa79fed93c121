#include <gtest/gtest.h>

#include "tests/support/client_harness.hpp"
#include "tests/support/virtual_loop.hpp"

namespace earshot::client {
namespace {

using tests::eventually;
using tests::FakeServer;
using tests::options_for;
using tests::Recorder;
using tests::VirtualLoop;

// A client whose deliveries never stop, on virtual time: when does it come back for what it lacks?
class Refetch : public testing::Test {
 protected:
  static constexpr std::uint64_t kMessages = 400;
  static constexpr std::uint32_t kWaitMs = 100;

  Refetch() {
    options_.mode = DeliveryMode::kSequenceOnly;  // the server goes on whatever the client has
    options_.reconnect = {kWaitMs, 100 * kWaitMs};
    server_.script([](auto& s) { s.deliver = false; });
    for (std::uint64_t i = 1; i <= kMessages; ++i) server_.put("m" + std::to_string(i));
  }
  void start(Handlers handlers) {
    client_ = Client::open(options_, store_, std::move(handlers), runtime_).value();
    ASSERT_TRUE(client_->wait_connected(10'000));
    ASSERT_TRUE(eventually([&] { return server_.seen().subscribes > 0; }));
  }
  // The server delivers the message, and the client is done with that.
  void push(std::uint64_t sequence) {
    server_.push({sequence});
    ++pushed_;
    ASSERT_TRUE(eventually([&] { return server_.seen().delivers_returned == pushed_; }));
  }
  // One message each millisecond until the client has come `fetches` times; how long that took.
  std::uint64_t push_until_fetched(std::size_t fetches) {
    const std::uint64_t begin_ms = loop_->now_ms();
    while (server_.seen().fetches.size() < fetches && next_ <= kMessages) {
      push(next_++);
      loop_->advance(1);
    }
    return loop_->now_ms() - begin_ms;
  }

  FakeServer server_;
  const std::shared_ptr<VirtualLoop> loop_ = std::make_shared<VirtualLoop>();
  const std::shared_ptr<Runtime> runtime_ = std::make_shared<Runtime>(loop_);
  const std::shared_ptr<MemoryStore> store_ = std::make_shared<MemoryStore>(10'000);
  Recorder recorder_;
  Options options_ = options_for(server_);
  int pushed_ = 0;
  std::uint64_t next_ = 2;
  std::unique_ptr<Client> client_;
};

TEST_F(Refetch, OneThatDidNotHelpIsRepeatedThoughDeliveriesGoOn) {
  server_.script([](auto& s) { s.alter = 2; });  // the first delivery, and what is fetched for it
  start(recorder_.handlers());
  push(1);
  ASSERT_TRUE(eventually([&] { return server_.seen().fetches.size() == 1; }));
  EXPECT_LE(push_until_fetched(2), 2 * kWaitMs);
  EXPECT_TRUE(eventually([&] { return store_->messages().size() == kMessages; }));
}

TEST_F(Refetch, WhatWasRejectedComesWhenItsTimeHasComeThoughDeliveriesGoOn) {
  Handlers handlers = recorder_.handlers();
  std::atomic<int> rejections = 0;
  handlers.on_offer = [&](std::span<const IncomingMessage> messages, std::vector<Rejection>& rejected) {
    if (rejections++ == 0) rejected.push_back({messages.front().sequence, kWaitMs});
  };
  start(handlers);
  push(1);
  const std::uint64_t waited_ms = push_until_fetched(1);
  EXPECT_GE(waited_ms, kWaitMs);
  EXPECT_LE(waited_ms, kWaitMs + 50);
  EXPECT_TRUE(eventually([&] { return store_->messages().size() == kMessages; }));
}

}  // namespace
}  // namespace earshot::client
