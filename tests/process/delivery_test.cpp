// What a device may do to a delivery, and what the network may do to it, on real programs: every message is with the
// device once, in order, unaltered.
#include <algorithm>
#include <atomic>
#include <map>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "tests/support/client_eventually.hpp"
#include "tests/support/process_client.hpp"
#include "tests/support/raw_device.hpp"
#include "tests/support/rpc_proxy.hpp"
#include "tests/support/seed.hpp"

namespace earshot {
namespace {

using tests::bodies_of;
using tests::numbered;
using tests::RpcProxy;
using Kind = client::ConnectionChange::Kind;

constexpr std::uint16_t kDeliver = 0;  // methods of broker.capnp
constexpr std::uint16_t kAck = 2;

class Delivery : public tests::ProcessTest {
 protected:
  tests::RawDevice raw(const std::string& user, const std::string& device = "phone",
                       StartAt start_at = StartAt::kOldest) {
    return {*io_, node().port(), user, device, start_at};
  }
  client::Options through(const RpcProxy& proxy, const std::string& user) {
    auto through = options(user);
    through.addresses = {"127.0.0.1:" + std::to_string(proxy.port())};
    return through;
  }

  const std::shared_ptr<client::MemoryStore> store_ = std::make_shared<client::MemoryStore>(tests::kKeepAll);

 private:
  // Behind a pointer, since its destructor may throw and a test's may not.
  const std::unique_ptr<kj::AsyncIoContext> owned_io_ = std::make_unique<kj::AsyncIoContext>(kj::setupAsyncIo());

 protected:
  kj::AsyncIoContext* io_ = owned_io_.get();
};

TEST_F(Delivery, AckLostIsRedeliveredAndDropped) {
  start_node({"--retransmit-first-ms", "100"});
  std::atomic<int> acks = 0;
  RpcProxy proxy(node().port(), [&](const RpcProxy::Call& call) {
    return call.is<schema::Session>(kAck) && acks++ == 0 ? RpcProxy::Fate::kLose : RpcProxy::Fate::kPass;
  });
  auto impatient = through(proxy, "bob");
  impatient.request_timeout_ms =
      2'000;  // the call without answer ends the connection; the next login tells what was stored
  const auto bob = open(impatient, store_);
  send("alice", "bob", numbered(10));
  ASSERT_TRUE(bob->wait_for(10));
  ASSERT_TRUE(bob->wait_changes(Kind::kConnected, 2));
  send("alice", "bob", {"11"});
  ASSERT_TRUE(bob->wait_for(11));
  EXPECT_GT((*bob)->stats().repeats_dropped, 0u) << "what is unacked comes again";
  EXPECT_EQ(bodies_of(store_->messages()), numbered(11));
}

TEST_F(Delivery, AckLateLeavesOneCopy) {
  start_node({"--retransmit-first-ms", "100"});
  std::atomic<int> acks = 0;
  RpcProxy proxy(node().port(), [&](const RpcProxy::Call& call) {
    return call.is<schema::Session>(kAck) && acks++ == 0 ? RpcProxy::Fate::kHold : RpcProxy::Fate::kPass;
  });
  const auto bob = open(through(proxy, "bob"), store_);
  send("alice", "bob", numbered(5));
  ASSERT_TRUE(bob->wait_for(5));
  ASSERT_TRUE(tests::eventually([&] { return (*bob)->stats().repeats_dropped >= 5; }));
  proxy.release();
  send("alice", "bob", {"6"});
  ASSERT_TRUE(bob->wait_for(6));
  bob->client().close();  // its last ack goes out before it logs out
  EXPECT_EQ(bodies_of(store_->messages()), numbered(6));
  EXPECT_EQ(raw("bob").welcome().login.cursor, Sequence(6));
}

TEST_F(Delivery, ReceiverThatNeverAcksGetsItsWindowAgainAndNoMore) {
  constexpr std::uint32_t kWindow = 16;
  constexpr std::uint64_t kMessages = 500;
  start_node({"--retransmit-first-ms", "50", "--retransmit-max-ms", "100"});
  {
    auto deaf = raw("deaf");
    ASSERT_TRUE(deaf.subscribe(DeliveryMode::kOrdered, kWindow));
    send("alice", "deaf", numbered(kMessages));
    ASSERT_TRUE(deaf.wait_until([&] { return deaf.came(1, 4) && deaf.came(kWindow, 4); }));
    EXPECT_EQ(deaf.attempts().size(), kWindow);
    EXPECT_EQ(deaf.attempts().rbegin()->first, kWindow);

    const auto bob = open(options("bob"), store_);
    send("alice", "bob", numbered(kMessages));
    ASSERT_TRUE(bob->wait_for(kMessages)) << "others are served meanwhile";
  }
  auto cured = raw("deaf");
  ASSERT_TRUE(cured.subscribe(DeliveryMode::kOrdered, kWindow));
  for (std::uint64_t acked = 0; acked < kMessages; ++acked) {
    ASSERT_TRUE(cured.wait_until([&] { return cured.came(acked + 1); }));
    ASSERT_EQ(cured.ack(acked + 1), Sequence(acked + 1));
  }
  std::uint64_t next = 1;
  for (const auto& message : cured.deliveries()) {
    if (message.sequence.value < next) continue;  // again, since a slow machine acked late
    ASSERT_EQ(message.sequence.value, next++);
    ASSERT_EQ(message.body, std::to_string(message.sequence.value));
  }
  EXPECT_EQ(next, kMessages + 1);
}

TEST_F(Delivery, NewDeviceStartsAtTheOldestOrTheNewest) {
  start_node();
  send("alice", "bob", numbered(20));
  const auto newest_store = std::make_shared<client::MemoryStore>(tests::kKeepAll);
  auto from_now = options("bob", "newest");
  from_now.start_at = StartAt::kNewest;
  const auto newest = open(from_now, newest_store);
  ASSERT_TRUE((*newest)->wait_connected(tests::kPatienceMs));
  send("alice", "bob", {"21"});
  const auto oldest = open(options("bob", "oldest"), store_);
  ASSERT_TRUE(oldest->wait_for(21));
  ASSERT_TRUE(newest->wait_for(21));
  EXPECT_EQ(bodies_of(store_->messages()), numbered(21));
  EXPECT_THAT(bodies_of(newest_store->messages()), testing::ElementsAre("21"));
}

// The session must be known to the shard before the mailbox is read: what is committed between the two is pushed to it.
TEST_F(Delivery, MessageStoredWhileADeviceSubscribesArrives) {
  constexpr int kRounds = 300;
  constexpr std::uint64_t kStaggerUsMax = 600;  // about what a message takes to be stored
  Random random(tests::seed_of_test());
  start_node();
  auto alice = raw("alice");
  std::map<ShardId, std::uint64_t> lanes;
  for (int round = 0; round < kRounds; ++round) {
    const std::string user = "bob-" + std::to_string(round);
    auto bob = raw(user);
    const auto number = ++lanes[shard_of(user, alice.welcome().shard_count)];
    const auto subscribe_at = std::chrono::steady_clock::now() + std::chrono::microseconds(random.below(kStaggerUsMax));
    alice.begin_send({tests::message_to(user, number, "now")});
    while (std::chrono::steady_clock::now() < subscribe_at) {
    }
    ASSERT_TRUE(bob.subscribe(DeliveryMode::kOrdered, 16));
    ASSERT_TRUE(bob.wait_until([&] { return bob.came(1); })) << "round " << round;
  }
}

TEST_F(Delivery, UnorderedAcksSurviveAKilledNode) {
  start_node();
  send("alice", "bob", numbered(8));
  {
    auto bob = raw("bob");
    ASSERT_TRUE(bob.subscribe(DeliveryMode::kUnordered, 64));
    ASSERT_TRUE(bob.wait_until([&] { return bob.came(8); }));
    ASSERT_EQ(bob.ack(1, {3, 4, 7}), Sequence(1));
  }
  node().kill();
  node().start();
  auto bob = raw("bob");
  EXPECT_EQ(bob.welcome().login.cursor, Sequence(1));
  ASSERT_TRUE(bob.subscribe(DeliveryMode::kUnordered, 64));
  ASSERT_TRUE(bob.wait_until([&] { return bob.came(2) && bob.came(5) && bob.came(6) && bob.came(8); }));
  ASSERT_EQ(bob.ack(1, {2}), Sequence(4)) << "3 and 4 were acked before the node was killed";
}

TEST_F(Delivery, NackedMessageComesBackAfterItsDelay) {
  constexpr std::uint32_t kDelayMs = 300;
  start_node();
  for (const auto mode : {DeliveryMode::kOrdered, DeliveryMode::kUnordered}) {
    const std::string user(name_of(mode));
    send("alice", user, numbered(3));
    auto bob = raw(user);
    ASSERT_TRUE(bob.subscribe(mode, 64));
    ASSERT_TRUE(bob.wait_until([&] { return bob.came(3); }));
    const auto nacked_at = std::chrono::steady_clock::now();
    ASSERT_TRUE(bob.nack(2, kDelayMs));
    ASSERT_TRUE(bob.wait_until([&] { return bob.came(2, 2); }));
    // The node counts whole milliseconds.
    EXPECT_GE(std::chrono::steady_clock::now() - nacked_at, std::chrono::milliseconds(kDelayMs - 1));
    EXPECT_FALSE(bob.came(1, 2)) << user;
  }
}

TEST_F(Delivery, SequenceOnlyRepairsGapsByRefetchAndCountsThem) {
  start_node();
  std::atomic<int> deliveries = 0;
  RpcProxy proxy(node().port(), [&](const RpcProxy::Call& call) {
    return call.is<schema::Receiver>(kDeliver) && deliveries++ == 1 ? RpcProxy::Fate::kLose : RpcProxy::Fate::kPass;
  });
  auto lossy = through(proxy, "bob");
  lossy.mode = DeliveryMode::kSequenceOnly;
  const auto bob = open(lossy, store_);
  for (std::uint64_t i = 1; i <= 5; ++i) {
    send("alice", "bob", {std::to_string(i)});
    ASSERT_TRUE(tests::eventually([&] { return deliveries >= static_cast<int>(i); }));
  }
  ASSERT_TRUE(bob->wait_for(5));
  const auto stats = (*bob)->stats();
  EXPECT_EQ(stats.gaps_repaired, 1u);
  EXPECT_GE(stats.fetches[static_cast<std::size_t>(FetchCause::kGap)], 1u);
  EXPECT_EQ(bodies_of(store_->messages()), numbered(5));
}

TEST_F(Delivery, BodyAlteredOnTheWayToTheDeviceIsRefetched) {
  start_node();
  std::atomic<bool> altered = false;
  RpcProxy proxy(node().port(), [&](RpcProxy::Call& call) {
    constexpr std::string_view kBody = "meet me at nine";
    const auto found = std::search(call.bytes.begin(), call.bytes.end(), kBody.begin(), kBody.end());
    if (call.is<schema::Receiver>(kDeliver) && found != call.bytes.end() && !altered.exchange(true)) found[0] = 'M';
    return RpcProxy::Fate::kPass;
  });
  const auto bob = open(through(proxy, "bob"), store_);
  send("alice", "bob", {"hello", "meet me at nine", "bye"});
  ASSERT_TRUE(bob->wait_for(3));
  EXPECT_EQ((*bob)->stats().checksum_failures, 1u);
  EXPECT_GE((*bob)->stats().fetches[static_cast<std::size_t>(FetchCause::kChecksum)], 1u);
  EXPECT_THAT(bodies_of(store_->messages()), testing::ElementsAre("hello", "meet me at nine", "bye"));
}

TEST_F(Delivery, BodyAlteredOnTheWayToTheNodeIsNeverStored) {
  start_node();
  auto alice = raw("alice");
  auto message = tests::message_to("bob", 1, "meet me at nine");
  auto altered = message;
  altered.body[0] = 'M';
  const auto refused = alice.send({altered});
  ASSERT_EQ(refused.size(), 1u);
  const auto* held = std::get_if<SendAnswer::Held>(&refused[0].value);
  ASSERT_NE(held, nullptr) << "an altered body does not use up its number: the sender has the right one";
  EXPECT_EQ(held->error.code, ErrorCode::kChecksumMismatch);
  EXPECT_THAT(mailbox("bob"), testing::IsEmpty());

  const auto stored = alice.send({message});
  EXPECT_TRUE(std::holds_alternative<Stored>(stored.at(0).value));
  EXPECT_THAT(bodies_of(mailbox("bob")), testing::ElementsAre("meet me at nine"));
}

TEST_F(Delivery, HistoryWhileWritingHasNoHoles) {
  constexpr std::uint64_t kMessages = 5'000;
  constexpr std::uint32_t kPage = 100;
  start_node({"--flush-interval-ms", "20"});  // pages then lie in the overlay and in the tables both
  const auto reader = open_sender("bob");
  ASSERT_TRUE((*reader)->wait_connected(tests::kPatienceMs));
  const auto writer = open_sender("alice");
  post(*writer, "bob", numbered(kMessages));
  std::uint64_t newest = 0;
  std::uint64_t pages = 0;
  while (newest < kMessages) {
    const auto page = (*reader)->history(Sequence(), kPage).get();
    ASSERT_TRUE(page) << page.error().to_string();
    if (page->messages.empty()) continue;
    ASSERT_EQ(page->messages.size(), std::min<std::uint64_t>(kPage, page->messages.back().sequence.value));
    ASSERT_GE(page->messages.back().sequence.value, newest) << "what was read once is not unread";
    newest = page->messages.back().sequence.value;
    std::uint64_t next = newest - page->messages.size();
    for (const auto& message : page->messages) {
      ASSERT_EQ(message.sequence.value, ++next);
      ASSERT_EQ(message.body, std::to_string(next));
    }
    ++pages;
  }
  std::cout << pages << " pages read while writing" << std::endl;
  EXPECT_GT(pages, 1u);
}

}  // namespace
}  // namespace earshot
