// A client that knows several addresses: it goes on elsewhere when one fails, and its user sees a pause and no error.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/black_hole.hpp"
#include "tests/support/byte_relay.hpp"
#include "tests/support/client_harness.hpp"
#include "tests/support/virtual_loop.hpp"

namespace earshot::client {
namespace {

using testing::HasSubstr;
using tests::ByteRelay;
using tests::eventually;
using tests::FakeServer;
using tests::options_for;
using tests::Recorder;
using tests::user;
using tests::VirtualLoop;
using Kind = ConnectionChange::Kind;

constexpr std::uint32_t kForEverMs = 600'000;  // who waits so long makes the test fail

// One node behind several addresses.
class Addresses : public testing::Test {
 protected:
  Addresses() {
    for (int i = 0; i < 3; ++i) relays_.push_back(std::make_unique<ByteRelay>(server_.port()));
    options_.addresses.clear();
    for (const auto& relay : relays_) options_.addresses.push_back(relay->address());
  }
  void start() {
    client_ = Client::open(options_, std::make_shared<MemoryStore>(), recorder_.handlers(), runtime_).value();
  }
  // Returns when the handler has heard of it, which it does on the client's own thread.
  void connect() {
    const auto before = connections();
    start();
    ASSERT_TRUE(client_->wait_connected(10'000));
    ASSERT_TRUE(eventually([&] { return connections() > before; }));
  }
  // Where the client is or was last.
  std::string address() const {
    const auto changes = recorder_.changes();
    const auto last =
        std::find_if(changes.rbegin(), changes.rend(), [](const auto& c) { return c.kind == Kind::kConnected; });
    return last == changes.rend() ? "nowhere" : last->address;
  }
  ByteRelay& current() {
    return **std::ranges::find_if(relays_, [&](const auto& relay) { return relay->address() == address(); });
  }
  std::ptrdiff_t connections() const {
    return std::ranges::count(recorder_.changes(), Kind::kConnected, &ConnectionChange::kind);
  }
  void send(int count) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(client_->send(user("bob"), "hello"));
  }

  FakeServer server_;
  std::vector<std::unique_ptr<ByteRelay>> relays_;
  const std::shared_ptr<Runtime> runtime_ = tests::start_runtime();
  Recorder recorder_;
  Options options_ = options_for(server_);
  std::unique_ptr<Client> client_;
};

TEST_F(Addresses, WhenANodeDiesTheClientGoesOnElsewhereAtOnce) {
  options_.reconnect = {kForEverMs, kForEverMs};
  connect();
  send(10);
  ASSERT_TRUE(client_->flush(10'000));
  const std::string dead = address();
  current().kill();
  send(10);
  ASSERT_TRUE(client_->flush(10'000));
  EXPECT_NE(address(), dead);
  EXPECT_EQ(server_.stored_count(), 20u);
}

TEST_F(Addresses, AddressesWhereNobodyListensCostNoTime) {
  options_.reconnect = {kForEverMs, kForEverMs};
  for (const std::size_t dead : {0u, 1u}) relays_[dead]->kill();
  connect();
  EXPECT_EQ(address(), relays_[2]->address());
}

TEST_F(Addresses, WhenAllAreDownForAWhileEverythingGoesOnWithTheFirstThatIsBack) {
  connect();
  for (const auto& relay : relays_) relay->kill();
  send(10);
  auto history = client_->history(Sequence(), 10);
  ASSERT_TRUE(eventually([&] { return recorder_.changes().size() >= 10; }));
  relays_[1]->revive();
  EXPECT_TRUE(history.get());
  ASSERT_TRUE(client_->flush(10'000));
  EXPECT_EQ(server_.stored_count(), 10u);
  EXPECT_EQ(address(), relays_[1]->address());
}

TEST_F(Addresses, WhoIsNotConnectedHearsOfEachAddressWhyNot) {
  for (const auto& relay : relays_) relay->kill();
  start();
  ASSERT_TRUE(eventually([&] { return recorder_.changes().size() >= 3; }));
  const auto waited = client_->wait_connected(1);
  ASSERT_FALSE(waited);
  for (const auto& relay : relays_)
    EXPECT_THAT(waited.error().detail, HasSubstr(relay->address() + ": Connection refused"));
}

TEST_F(Addresses, AClientStaysWithItsNodeWhileItWorks) {
  connect();
  const std::string first = address();
  for (const auto& relay : relays_)
    if (relay->address() != first) relay->kill(), relay->revive();
  send(10);
  ASSERT_TRUE(client_->flush(10'000));
  EXPECT_EQ(connections(), 1);
}

TEST_F(Addresses, ManyClientsAreSpreadEvenly) {
  constexpr int kClients = 90;
  std::vector<std::unique_ptr<Recorder>> recorders;
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < kClients; ++i) {
    recorders.push_back(std::make_unique<Recorder>());
    Options options = options_;
    options.device = "device " + std::to_string(i);
    clients.push_back(
        Client::open(options, std::make_shared<MemoryStore>(), recorders.back()->handlers(), runtime_).value());
  }
  std::map<std::string, int> counts;
  for (int i = 0; i < kClients; ++i) {
    ASSERT_TRUE(clients[static_cast<std::size_t>(i)]->wait_connected(10'000));
    ASSERT_TRUE(eventually([&] { return !recorders[static_cast<std::size_t>(i)]->changes().empty(); }));
    ++counts[recorders[static_cast<std::size_t>(i)]->changes().at(0).address];
  }
  EXPECT_EQ(counts.size(), 3u);
  for (const auto& [address, count] : counts) EXPECT_NEAR(count, kClients / 3, 23) << address;  // five deviations
}

// On virtual time: who began at the black hole is connected the connect timeout later, and not before.
TEST_F(Addresses, ABlackHoleHoldsNobodyLongerThanTheConnectTimeout) {
  constexpr int kClients = 20;  // some begin there
  const tests::BlackHole hole;
  const auto loop = std::make_shared<VirtualLoop>();
  const auto runtime = std::make_shared<Runtime>(loop);
  options_.addresses = {hole.address(), relays_[0]->address()};
  options_.reconnect = {kForEverMs, kForEverMs};
  std::vector<std::unique_ptr<Recorder>> recorders;
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < kClients; ++i) {
    recorders.push_back(std::make_unique<Recorder>());
    options_.device = "device " + std::to_string(i);
    clients.push_back(
        Client::open(options_, std::make_shared<MemoryStore>(), recorders.back()->handlers(), runtime).value());
  }
  const std::uint64_t begin_ms = loop->now_ms();
  ASSERT_TRUE(eventually([&] {
    loop->advance(10);
    return std::ranges::all_of(clients, [](const auto& client) { return client->stats().connected; });
  }));
  const std::uint64_t took_ms = loop->now_ms() - begin_ms;
  int held = 0;
  for (const auto& recorder : recorders) {
    const auto first = recorder->changes().at(0);
    if (first.kind == Kind::kConnected) continue;
    ++held;
    EXPECT_EQ(first.address, hole.address());
    EXPECT_THAT(first.reason.detail, HasSubstr("no answer within 5000 ms"));
  }
  EXPECT_GT(held, 0);
  EXPECT_GE(took_ms, options_.connect_timeout_ms);
  EXPECT_LT(took_ms, 2 * options_.connect_timeout_ms);
}

// ---- refused logins

TEST_F(Addresses, ANodeThatTakesNoLoginNowIsLeftAtOnce) {
  FakeServer busy;
  busy.script([](auto& s) { s.refuse_login = Error{ErrorCode::kOverloaded, "sessions", "full", 60'000, 0}; });
  options_.addresses = {busy.address(), server_.address()};
  connect();
  EXPECT_EQ(address(), server_.address());
}

TEST_F(Addresses, WhatOneNodeRefusesForGoodAnotherMayTake) {
  FakeServer wrong;
  wrong.script([](auto& s) { s.refuse_login = Error{ErrorCode::kUnauthenticated, "token", "old keys", 0, 0}; });
  options_.addresses = {wrong.address(), server_.address()};
  for (int i = 0; i < 8; ++i) {
    connect();
    EXPECT_EQ(address(), server_.address());
    client_.reset();
  }
  EXPECT_GT(wrong.seen().logins, 0) << "some began there";
}

TEST_F(Addresses, WhatTwoNodesRefuseForGoodIsRefused) {
  FakeServer other;
  for (FakeServer* server : {&server_, &other})
    server->script([](auto& s) { s.refuse_login = Error{ErrorCode::kUnauthenticated, "token", "", 0, 0}; });
  options_.addresses = {other.address(), server_.address()};
  start();
  EXPECT_EQ(client_->wait_connected(10'000).error().code, ErrorCode::kUnauthenticated);
  EXPECT_EQ(other.seen().logins, 1);
  EXPECT_EQ(server_.seen().logins, 1);
  EXPECT_EQ(client_->history(Sequence(), 1).get().error().code, ErrorCode::kUnauthenticated) << "at once";
}

// ---- addresses that a node tells

TEST_F(Addresses, WhatTheWelcomeToldIsTriedWhenTheClientsOwnFail) {
  options_.addresses = {relays_[0]->address()};
  options_.reconnect = {kForEverMs, kForEverMs};
  server_.script([&](auto& s) { s.addresses = {relays_[1]->address()}; });
  connect();
  relays_[0]->kill();
  ASSERT_TRUE(eventually([&] { return connections() == 2; }));
  EXPECT_EQ(address(), relays_[1]->address());
}

TEST_F(Addresses, WhoIsAskedToGoLogsOutAndGoesWhereItIsTold) {
  options_.addresses = {relays_[0]->address()};
  connect();
  send(5);
  ASSERT_TRUE(eventually([&] { return server_.seen().subscribes == 1; })) << "else there is nobody to be asked";
  server_.ask_to_go({{relays_[2]->address()}, 200});
  ASSERT_TRUE(eventually([&] { return connections() == 2; }));
  EXPECT_EQ(address(), relays_[2]->address());
  EXPECT_EQ(server_.seen().logouts, 1);
  send(5);
  ASSERT_TRUE(client_->flush(10'000));
  EXPECT_EQ(server_.stored_count(), 10u);
}

// What is under way has its time, and what is not answered by then is sent again, elsewhere.
TEST_F(Addresses, WhoIsAskedToGoLosesNothingThatIsUnderWay) {
  connect();
  server_.script([](auto& s) { s.answer_sends = false; });
  send(1);
  ASSERT_TRUE(eventually([&] { return server_.seen().send_sizes.size() == 1; }));
  server_.ask_to_go({{}, 400});
  send(1);
  server_.script([](auto& s) { s.answer_sends = true; });
  ASSERT_TRUE(client_->flush(10'000));
  EXPECT_EQ(connections(), 2);
  EXPECT_EQ(server_.stored_count(), 2u);
}

TEST_F(Addresses, WhoHasNowhereElseToGoStays) {
  options_.addresses = {relays_[0]->address()};
  connect();
  server_.ask_to_go({{}, 0});
  send(5);
  ASSERT_TRUE(client_->flush(10'000));
  EXPECT_TRUE(client_->history(Sequence(), 1).get());
  EXPECT_EQ(connections(), 1);
}

// ---- calls

TEST_F(Addresses, ACallWhoseConnectionIsLostIsAnsweredByTheNext) {
  connect();
  server_.script([](auto& s) { s.drop_reads = 2; });
  EXPECT_TRUE(client_->history(Sequence(), 10).get());
  EXPECT_EQ(server_.seen().histories, 3);
  EXPECT_EQ(connections(), 3);
}

TEST_F(Addresses, ACallThatANodeCannotAnswerNowIsAskedAgain) {
  connect();
  server_.script([](auto& s) { s.fail_reads = 3; });
  EXPECT_TRUE(client_->history(Sequence(), 10).get());
  server_.script([](auto& s) { s.fail_reads = 3; });
  EXPECT_TRUE(client_->fetch(Sequence(), 10).get());
  EXPECT_EQ(connections(), 1);
}

TEST_F(Addresses, WhatArrivesAlteredIsReadAgain) {
  server_.script([](auto& s) { s.deliver = false, s.alter = 1; });
  server_.put("hello");
  connect();
  const auto batch = client_->history(Sequence(), 10).get();
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->messages.at(0).body, "hello");
  EXPECT_EQ(client_->stats().checksum_failures, 1u);
}

TEST_F(Addresses, ACallIsAnsweredAtItsDeadlineWithTheReason) {
  options_.call_timeout_ms = 300;
  for (const auto& relay : relays_) relay->kill();
  start();
  const auto answer = client_->history(Sequence(), 10).get();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kDeadlineExceeded);
  EXPECT_THAT(answer.error().detail, HasSubstr(relays_[0]->address() + ": Connection refused"));

  relays_[0]->revive();
  ASSERT_TRUE(client_->wait_connected(10'000));
  server_.script([](auto& s) { s.fail_reads = 1'000'000; });
  const auto refused = client_->history(Sequence(), 10).get();
  EXPECT_EQ(refused.error().code, ErrorCode::kDeadlineExceeded);
  EXPECT_THAT(refused.error().detail, HasSubstr("no leader"));
}

TEST_F(Addresses, CallsThatWaitAreAnsweredWhenTheClientIsClosed) {
  for (const auto& relay : relays_) relay->kill();
  start();
  auto history = client_->history(Sequence(), 10);
  client_->close();
  EXPECT_EQ(history.get().error().code, ErrorCode::kClosed);
}

}  // namespace
}  // namespace earshot::client
