// What the client says of the order of its logins, so that one that was long on its way does not win over a later one.
#include <algorithm>

#include <gtest/gtest.h>

#include "client/store_codec.hpp"
#include "tests/support/client_harness.hpp"

namespace earshot::client {
namespace {

using tests::ControlledStore;
using tests::eventually;
using tests::FakeServer;
using tests::options_for;
using tests::Recorder;
using tests::start_runtime;

class LoginOrderTest : public testing::Test {
 protected:
  void open() { client_ = Client::open(options_, store_, recorder_.handlers(), runtime_).value(); }
  std::vector<LoginOrder> orders() {
    std::vector<LoginOrder> orders;
    for (const LoginRequest& request : server_.seen().login_requests) orders.push_back(request.order);
    return orders;
  }
  bool logins_are(std::size_t count) {
    return eventually([&] { return server_.seen().login_requests.size() >= count; });
  }

  FakeServer server_;
  std::shared_ptr<Runtime> runtime_ = start_runtime();
  std::shared_ptr<MemoryStore> memory_ = std::make_shared<MemoryStore>();
  std::shared_ptr<ControlledStore> store_ = std::make_shared<ControlledStore>(memory_);
  Recorder recorder_;
  Options options_ = options_for(server_);
  std::unique_ptr<Client> client_;
};

TEST_F(LoginOrderTest, EveryLoginOfAStoreComesAfterTheOnesBeforeInThisRunAndInEarlierOnes) {
  open();
  ASSERT_TRUE(client_->wait_connected(10'000));
  server_.disconnect();
  ASSERT_TRUE(logins_are(2));
  ASSERT_TRUE(client_->wait_connected(10'000));
  client_.reset();
  open();
  ASSERT_TRUE(client_->wait_connected(10'000));
  const auto seen = orders();
  ASSERT_GE(seen.size(), 3u);
  EXPECT_NE(seen[0].store, 0u);
  for (std::size_t i = 1; i < seen.size(); ++i) EXPECT_TRUE(seen[i - 1].is_before(seen[i])) << i;
  EXPECT_EQ(memory_->load()->outbox_head.run, 2u);
}

TEST_F(LoginOrderTest, NoLoginGoesOutBeforeTheStoreHasCountedTheRun) {
  store_->fail_adds = 2;
  open();
  ASSERT_TRUE(client_->wait_connected(10'000));
  EXPECT_EQ(client_->stats().store_failures, 2u);
  EXPECT_EQ(orders().size(), 1u);
  const OutboxHead head = memory_->load()->outbox_head;
  EXPECT_EQ(head.run, 1u);
  EXPECT_EQ(orders()[0], (LoginOrder{head.store, std::uint64_t{1} << 32 | 3}));
}

TEST_F(LoginOrderTest, WhatIsSentMeanwhileIsKept) {
  store_->fail_adds = 1;
  open();
  while (!client_->send(tests::user("bob"), "early")) {
  }
  EXPECT_TRUE(client_->flush(10'000));
  EXPECT_EQ(memory_->load()->outbox_head.run, 1u);
}

TEST_F(LoginOrderTest, TwoStoresHaveDifferentNames) {
  open();
  ASSERT_TRUE(client_->wait_connected(10'000));
  client_.reset();
  store_ = std::make_shared<ControlledStore>(std::make_shared<MemoryStore>());
  open();
  ASSERT_TRUE(client_->wait_connected(10'000));
  ASSERT_EQ(orders().size(), 2u);
  EXPECT_NE(orders()[0].store, orders()[1].store);
}

// Its counter stands where it stood when the copy was made: the server has seen later logins.
TEST_F(LoginOrderTest, ACopyOfAnOlderStoreIsAnotherStoreAndGetsIn) {
  server_.script([](auto& s) {
    s.refuse_login = Error{ErrorCode::kSessionReplaced, "loginNumber", "a later one came", 0, 0};
  });
  open();
  ASSERT_TRUE(logins_are(1));
  server_.script([](auto& s) { s.refuse_login.reset(); });
  ASSERT_TRUE(client_->wait_connected(10'000));
  EXPECT_NE(orders().front().store, orders().back().store);
  const OutboxHead head = memory_->load()->outbox_head;
  EXPECT_EQ(head.store, orders().back().store);
  EXPECT_EQ(head.run, 1u);
}

TEST(LoginOrderStore, HeadOfAnEarlierVersionHasNoRunYet) {
  OutboxHead head{ProducerId(9), 2, Ticket(5), Ticket(4), {LaneNumber(3), LaneNumber(1)}};
  std::string bytes;
  encode(head, bytes);
  bytes[0] = 1;
  bytes.resize(bytes.size() - 12);
  const auto old = decode_outbox_head(bytes);
  ASSERT_TRUE(old.has_value());
  EXPECT_EQ(old->producer, ProducerId(9));
  EXPECT_EQ(old->next, head.next);
  EXPECT_EQ(old->store, 0u);
  EXPECT_EQ(old->run, 0u);

  head.store = UINT64_MAX - 1, head.run = UINT32_MAX;
  bytes.clear();
  encode(head, bytes);
  EXPECT_EQ(decode_outbox_head(bytes)->store, head.store);
  EXPECT_EQ(decode_outbox_head(bytes)->run, head.run);
  bytes.pop_back();
  EXPECT_EQ(decode_outbox_head(bytes).error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace earshot::client
