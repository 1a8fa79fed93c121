#include "actors/node.hpp"

#include <future>
#include <set>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/keys.hpp"
#include "storage/lmdb_environment.hpp"
#include "storage/state_store.hpp"
#include "tests/support/client_eventually.hpp"
#include "tests/support/shard_client.hpp"
#include "tests/support/temporary_directory.hpp"

namespace earshot::actors {
namespace {

using testing::ElementsAre;
using testing::SizeIs;
using tests::TestClient;
using tests::user_in;

constexpr std::uint16_t kShards = 4;

// A whole node, from a connection's port down to LMDB.
class NodeTest : public testing::Test {
 protected:
  void start(std::uint16_t shards = kShards) {
    NodeConfig config;
    config.data_dir = directory / "data";
    config.shard_count = shards;
    config.scheduler_threads = 2;
    auto started = Node::start(config, clock);
    ASSERT_TRUE(started.has_value()) << started.error().to_string();
    node = std::move(*started);
  }
  void restart(std::uint16_t shards = kShards) { node.reset(), start(shards); }

  tests::TemporaryDirectory directory;
  SystemClock clock;
  std::unique_ptr<Node> node;
  const UserId alice = user_in(ShardId(1));
  const UserId bob = user_in(ShardId(2));
};

TEST_F(NodeTest, SaysWhatItIsAndServesAgainAfterAStop) {
  start();
  EXPECT_EQ(node->id(), NodeId(1));
  EXPECT_EQ(node->shard_count(), kShards);
  node->stop();
  node->stop();
  restart();
  TestClient client(*node, alice, "phone");
  EXPECT_EQ(client.welcome().shard_count, kShards);
  EXPECT_NE(client.welcome().login.producer, ProducerId());
}

TEST_F(NodeTest, WhatWasAnsweredIsThereAfterARestart) {
  start();
  ProducerId producer;
  {
    TestClient sender(*node, alice, "phone");
    producer = sender.welcome().login.producer;
    TestClient receiver(*node, bob, "phone");
    receiver.subscribe();
    EXPECT_THAT(sender.send(bob, 1, 3), ElementsAre(1, 2, 3));
    ASSERT_TRUE(receiver.receive(3));
    EXPECT_EQ(receiver->delivered().at(2)->body, alice.text() + " says 2");
    EXPECT_EQ(receiver.ack(2).value(), Sequence(2));
  }
  restart();
  TestClient receiver(*node, bob, "phone");
  EXPECT_EQ(receiver.welcome().login.cursor, Sequence(2)) << "the ack was committed";
  EXPECT_THAT(receiver.mailbox(), SizeIs(3));
  receiver.subscribe();
  ASSERT_TRUE(receiver.receive(1));
  EXPECT_TRUE(receiver->delivered().contains(3)) << "what was not acked comes again";
  TestClient sender(*node, alice, "phone", producer);
  EXPECT_FALSE(sender.welcome().login.new_producer);
  EXPECT_THAT(sender.send(bob, 3, 2), ElementsAre(3, 4)) << "a repeat gets its first answer";
}

TEST_F(NodeTest, ItsReportMovesWithWhatIsDone) {
  start();
  const NodeReport before = node->report();
  ASSERT_THAT(before.shards, SizeIs(kShards));
  EXPECT_EQ(before.sessions, 0u);
  EXPECT_EQ(before.admitted.limit, limits::kLogQueueBytesMax);
  EXPECT_TRUE(before.has_disk);
  // A writer looks at the disk, once it runs.
  EXPECT_TRUE(tests::eventually([this] { return node->report().disk.free_bytes > 0; }));
  EXPECT_GT(before.state_bytes, 0u);
  TestClient sender(*node, alice, "phone");
  TestClient receiver(*node, bob, "phone");
  receiver.subscribe();
  EXPECT_THAT(sender.send(bob, 1, 3), ElementsAre(1, 2, 3));
  EXPECT_THAT(sender.send(bob, 1, 1), ElementsAre(1)) << "a repeat";
  ASSERT_TRUE(receiver.receive(3));
  EXPECT_EQ(receiver.ack(2).value(), Sequence(2));
  const NodeReport after = node->report();
  EXPECT_EQ(after.sessions, 2u);
  EXPECT_GT(after.log_writer.commits.count(), before.log_writer.commits.count());
  EXPECT_EQ(after.log_writer.commits.count(), after.log_writer.batches.count());
  EXPECT_GT(after.shards[2].applied, before.shards[2].applied) << "of the recipient";
  EXPECT_GT(after.shards[2].entries_applied, before.shards[2].entries_applied);
  EXPECT_GT(after.shards[2].overlay_bytes, 0u);
  EXPECT_EQ(after.shards[2].registrations, 1u);
  EXPECT_EQ(after.shards[3].applied, before.shards[3].applied) << "of nobody";
  const SessionCounters& counters = node->counters();
  EXPECT_EQ(counters.logins, 2u);
  EXPECT_EQ(counters.sends, 4u);
  EXPECT_EQ(counters.stored, 3u);
  EXPECT_EQ(counters.repeats, 1u);
  EXPECT_EQ(counters.acks, 1u);
  node->stop();
  EXPECT_EQ(node->report().sessions, 0u) << "a node that has stopped can still be looked at";
}

TEST_F(NodeTest, APingIsAnsweredByAnActorAndAfterTheEndAtOnce) {
  start();
  std::promise<std::thread::id> answered;
  node->ping([&] { answered.set_value(std::this_thread::get_id()); });
  EXPECT_NE(answered.get_future().get(), std::this_thread::get_id());
  node->stop();
  bool at_once = false;
  node->ping([&] { at_once = true; });
  EXPECT_TRUE(at_once);
}

TEST_F(NodeTest, CopyToOwnDevicesCrossesShards) {
  start();
  TestClient phone(*node, alice, "phone");
  TestClient laptop(*node, alice, "laptop");
  laptop.subscribe();
  EXPECT_THAT(phone.send(bob, 1, 2, true), ElementsAre(1, 2));
  ASSERT_TRUE(laptop.receive(2));
  EXPECT_EQ(laptop->delivered().at(1)->copy_of, bob);
  EXPECT_EQ(laptop->delivered().at(2)->body, alice.text() + " says 2");
  restart();
  TestClient again(*node, alice, "laptop");
  EXPECT_THAT(again.mailbox(), SizeIs(2)) << "each copy once";
}

TEST_F(NodeTest, SecondLoginOfADeviceEndsTheFirst) {
  start();
  TestClient first(*node, alice, "phone");
  first.subscribe();
  TestClient second(*node, alice, "phone");
  ASSERT_TRUE(first->wait([&] { return first->closed_with.has_value(); }));
  EXPECT_EQ(first->closed_with->code, ErrorCode::kSessionReplaced);
  second.subscribe();
  TestClient sender(*node, bob, "phone");
  sender.send(alice, 1);
  EXPECT_TRUE(second.receive(1));
}

TEST_F(NodeTest, SixtyFourShardsServeManyUsersAndComeBack) {
  constexpr std::uint16_t kMany = 64;
  start(kMany);
  std::map<std::uint16_t, std::uint64_t> lanes;
  {
    TestClient sender(*node, alice, "phone");
    for (int user = 0; user < 200; ++user) {
      const UserId to = UserId::trusted("recipient-" + std::to_string(user));
      const auto first = lanes[shard_of(to, kMany).value] + 1;
      lanes[shard_of(to, kMany).value] += 2;
      sender.post(to, first, 2, true);
    }
    ASSERT_TRUE(sender->wait([&] { return sender->sends.size() == 200; }));
  }
  restart(kMany);
  for (int user = 0; user < 200; user += 20) {
    TestClient reader(*node, UserId::trusted("recipient-" + std::to_string(user)), "phone");
    EXPECT_THAT(reader.mailbox(), SizeIs(2));
  }
  TestClient self(*node, alice, "laptop");
  self.subscribe();
  ASSERT_TRUE(self.receive(200)) << "copies that were under way at the stop arrive after it";
  EXPECT_EQ(self.ack(200).value(), Sequence(200));
  ASSERT_TRUE(self.receive(400));
  EXPECT_THAT(self.mailbox(), SizeIs(400));
}

TEST_F(NodeTest, StopUnderLoadDoesNotHangAndLosesNothingAnswered) {
  start();
  constexpr std::uint64_t kCalls = 400;
  constexpr std::uint64_t kPerCall = 8;
  std::set<std::uint64_t> answered;
  {
    TestClient sender(*node, alice, "phone");
    TestClient receiver(*node, bob, "phone");
    receiver.subscribe();
    for (std::uint64_t call = 0; call < kCalls; ++call) sender.post(bob, 1 + call * kPerCall, kPerCall);
    ASSERT_TRUE(sender->wait([&] { return sender->sends.size() >= 10; }));
    node->stop();
    ASSERT_TRUE(sender->closed_with.has_value());
    EXPECT_EQ(sender->closed_with->code, ErrorCode::kUnavailable);
    ASSERT_TRUE(receiver->closed_with.has_value());
    for (const auto& [call, answers] : sender->sends) {
      for (const auto& answer : answers) {
        if (const auto* stored = std::get_if<Stored>(&answer.value)) answered.insert(stored->sequence.value);
      }
    }
  }
  ASSERT_FALSE(answered.empty());
  restart();
  TestClient reader(*node, bob, "phone");
  std::uint64_t expected = 0;
  std::set<std::string> bodies;
  for (const auto& message : reader.mailbox()) {
    EXPECT_EQ(message.sequence.value, ++expected) << "no hole";
    EXPECT_EQ(message.body, alice.text() + " says " + std::to_string(expected)) << "in the sender's order";
    answered.erase(message.sequence.value);
  }
  EXPECT_TRUE(answered.empty()) << answered.size() << " answered messages are gone";
}

TEST_F(NodeTest, SessionsAreRefusedAfterAStop) {
  start();
  node->stop();
  auto client = std::make_shared<tests::RecordingClient>();
  auto inbox = node->open_session(Identity{alice}, LoginRequest{}, client);
  ASSERT_NE(inbox, nullptr);
  ASSERT_TRUE(client->welcome.has_value());
  EXPECT_EQ(client->welcome->error().code, ErrorCode::kUnavailable);
  inbox->post(ClientGone{});
}

TEST_F(NodeTest, DirectoryBelongsToOneNodeAtATime) {
  start();
  NodeConfig config;
  config.data_dir = directory / "data";
  config.shard_count = kShards;
  const auto second = Node::start(config, clock);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, ErrorCode::kConflict);
}

TEST_F(NodeTest, DamagedShardIsNamedAndNothingHangs) {
  start();
  node.reset();
  {
    auto state = storage::open_lmdb({directory / "data/state", storage::state_tables()}).value();
    auto write = state->begin_write().value();
    const auto key = storage::state_key(ShardId(2), storage::keys::shard_head());
    ASSERT_TRUE(write->put(storage::kStateTable, key, "neither sealed nor a head").has_value());
    ASSERT_TRUE(write->commit().has_value());
  }
  NodeConfig config;
  config.data_dir = directory / "data";
  config.shard_count = kShards;
  const auto damaged = Node::start(config, clock);
  ASSERT_FALSE(damaged.has_value());
  EXPECT_EQ(damaged.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(damaged.error().detail, testing::HasSubstr("shard 2"));
}

TEST_F(NodeTest, AsManySessionsLiveAsTheLimitAndOneMoreIsTurnedAway) {
  start();
  const auto crowd = std::make_shared<tests::RecordingClient>();
  std::vector<std::shared_ptr<SessionInbox>> sessions;
  const auto open = [&](const std::shared_ptr<tests::RecordingClient>& client) {
    const std::size_t n = sessions.size();
    LoginRequest request;
    request.device = tests::device("device-" + std::to_string(n % limits::kDevicesPerUserMax));
    Identity identity{UserId::trusted("user-" + std::to_string(n / limits::kDevicesPerUserMax))};
    sessions.push_back(node->open_session(std::move(identity), std::move(request), client));
  };
  for (std::size_t n = 0; n < limits::kConnectionsMax; ++n) open(crowd);
  const auto one_more = std::make_shared<tests::RecordingClient>();
  open(one_more);
  ASSERT_TRUE(one_more->wait([&] { return one_more->welcome.has_value(); }));
  ASSERT_FALSE(one_more->welcome->has_value());
  EXPECT_EQ(one_more->welcome->error().code, ErrorCode::kOverloaded);
  EXPECT_EQ(one_more->welcome->error().field, "sessions");
  for (const auto& session : sessions) session->post(ClientGone{});
}

}  // namespace
}  // namespace earshot::actors
