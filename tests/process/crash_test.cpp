// Either side dies at the moment that hurts most, and comes back: nothing is missing, nothing is there twice.
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "client/lmdb_store.hpp"
#include "schema/broker.capnp.h"
#include "tests/support/client_eventually.hpp"
#include "tests/support/process_client.hpp"
#include "tests/support/rpc_proxy.hpp"
#include "tests/support/seed.hpp"

namespace earshot {
namespace {

using tests::bodies_of;
using tests::numbered;
using Kind = client::ConnectionChange::Kind;

constexpr std::uint16_t kDeliver = 0;  // method of Receiver in broker.capnp

class Crash : public tests::ProcessTest {
 protected:
  std::vector<std::string> listen_command(const std::string& server, std::vector<std::string> more) {
    std::vector<std::string> command{tests::earshot_path(),
                                     "listen",
                                     "--server",
                                     server,
                                     "--user",
                                     "bob",
                                     "--device",
                                     "phone",
                                     "--state",
                                     state_,
                                     "--quiet"};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }
  // Everything that the device has stored.
  std::vector<std::string> stored() {
    const auto store = client::LmdbStore::open(state_).value();
    std::vector<std::string> bodies;
    const auto messages = store->messages({}, tests::kKeepAll).value();
    for (const auto& received : messages) bodies.push_back(received.message.body);
    return bodies;
  }

  const std::string state_ = directory_ / "phone";
};

// A database that refuses what is received, as on a full disk.
class RefusingStore final : public client::Store {
 public:
  explicit RefusingStore(std::shared_ptr<client::Store> inner) : inner_(std::move(inner)) {}

  Result<client::StoredState> load() override { return inner_->load(); }
  void add(const client::OutboxHead& head, std::span<const client::OutboxMessage> messages,
           client::Done done) override {
    inner_->add(head, messages, std::move(done));
  }
  void remove(std::span<const client::Ticket> tickets, client::Done done) override {
    inner_->remove(tickets, std::move(done));
  }
  void welcome(const client::OutboxHead& outbox_head, const client::InboxHead& inbox_head,
               std::span<const client::OutboxMessage> changed, client::Done done) override {
    inner_->welcome(outbox_head, inbox_head, changed, std::move(done));
  }
  void receive(const client::InboxHead&, std::span<const IncomingMessage>, std::span<const LostRange>,
               client::Done done) override {
    done(fail(ErrorCode::kStorageFull, "", "no room"));
  }

 private:
  const std::shared_ptr<client::Store> inner_;
};

TEST_F(Crash, ClientThatDiesBeforeItStoresGetsTheMessagesAgain) {
  constexpr int kCrashes = 3;
  start_node();
  send("alice", "bob", numbered(100));
  std::atomic<int> pid = 0;
  tests::RpcProxy proxy(node().port(), [&](const tests::RpcProxy::Call& call) {
    // The delivery is in the device's socket a moment after the device has gone.
    if (call.is<schema::Receiver>(kDeliver) && pid != 0) ::kill(pid, SIGKILL);
    return tests::RpcProxy::Fate::kPass;
  });
  const std::string server = "127.0.0.1:" + std::to_string(proxy.port());
  for (int i = 0; i < kCrashes; ++i) {
    tests::ChildProcess listener(listen_command(server, {"--until", "100"}));
    pid = listener.pid();
    EXPECT_EQ(listener.wait(), 128 + SIGKILL);
    pid = 0;
  }
  EXPECT_THAT(stored(), testing::IsEmpty());
  EXPECT_EQ(tests::ChildProcess(listen_command(server, {"--until", "100"})).wait(), 0);
  EXPECT_EQ(stored(), numbered(100));
}

TEST_F(Crash, ClientThatCannotStoreAcksNothing) {
  start_node();
  send("alice", "bob", numbered(100));
  {
    const auto full = open(options("bob"), std::make_shared<RefusingStore>(client::LmdbStore::open(state_).value()));
    ASSERT_TRUE(tests::eventually([&] { return (*full)->stats().store_failures >= 2; }));
    EXPECT_EQ((*full)->stats().acks, 0u);
  }
  const auto bob = open(options("bob"), client::LmdbStore::open(state_).value());
  ASSERT_TRUE(bob->wait_for(100));
  EXPECT_EQ(bob->received(), 100u);
}

TEST_F(Crash, ClientThatDiesBetweenStoreAndAckDropsTheRepeats) {
  start_node();
  send("alice", "bob", numbered(500));
  for (const auto* crash_at : {"1", "200", "350"}) {
    tests::ChildProcess listener(
        listen_command(node().address(), {"--until", "500", "--window", "50", "--crash-before-ack", crash_at}));
    EXPECT_EQ(listener.wait(), 128 + SIGKILL);
  }
  EXPECT_EQ(tests::ChildProcess(listen_command(node().address(), {"--until", "500"})).wait(), 0);
  EXPECT_EQ(stored(), numbered(500));
}

TEST_F(Crash, TwoOfOneDeviceFightOnlyAsConfiguredAndLoseNothing) {
  constexpr std::uint64_t kMessages = 3'000;
  start_node();
  const std::array stores{std::make_shared<client::MemoryStore>(tests::kKeepAll),
                          std::make_shared<client::MemoryStore>(tests::kKeepAll)};
  auto stubborn = options("bob");
  stubborn.reconnect_when_refused = true;
  stubborn.reconnect = {20, 50};
  const auto first = open(stubborn, stores[0]);
  ASSERT_TRUE((*first)->wait_connected(tests::kPatienceMs));
  const auto writer = open_sender("alice");
  const auto second = open(stubborn, stores[1]);
  post(*writer, "bob", numbered(kMessages));
  ASSERT_TRUE(first->wait_changes(Kind::kReplaced, 3));
  ASSERT_TRUE(second->wait_changes(Kind::kReplaced, 3));
  flush(*writer);
  // Each keeps its own database, so each has to end up with the whole mailbox, the other's acks notwithstanding.
  ASSERT_TRUE(first->wait_for(kMessages));
  ASSERT_TRUE(second->wait_for(kMessages));

  const auto meek = open(options("bob"), std::make_shared<client::MemoryStore>());
  ASSERT_TRUE(meek->wait_changes(Kind::kReplaced)) << "without being told to, a client does not come back";
  const auto replaced = (*meek)->wait_connected(0);
  ASSERT_FALSE(replaced);
  EXPECT_EQ(replaced.error().code, ErrorCode::kSessionReplaced);
  EXPECT_EQ(bodies_of(mailbox("bob")), numbered(kMessages));
  for (const auto& store : stores) EXPECT_EQ(bodies_of(store->messages()), numbered(kMessages));
}

TEST_F(Crash, ReconnectStormBringsEverybodyBack) {
  constexpr std::size_t kClients = 200;
  start_node();
  std::vector<std::unique_ptr<tests::Device>> devices;
  for (std::size_t i = 0; i < kClients; ++i)
    devices.push_back(open(options("user-" + std::to_string(i)), std::make_shared<client::MemoryStore>()));
  for (auto& device : devices) ASSERT_TRUE(device->wait_changes(Kind::kConnected));
  const auto writer = open_sender("alice");
  const auto to_everybody = [&](const std::string& text) {
    for (std::size_t i = 0; i < kClients; ++i) post(*writer, "user-" + std::to_string(i), {text});
  };
  to_everybody("before");
  node().kill();
  to_everybody("while it is down");
  node().start();
  const auto up_at = std::chrono::steady_clock::now();
  to_everybody("after");
  flush(*writer);
  for (auto& device : devices) {
    ASSERT_TRUE(device->wait_for(3));
    EXPECT_EQ(device->received(), 3u);
  }
  const auto took = std::chrono::steady_clock::now() - up_at;
  std::cout << kClients << " clients were back and served after " << took / std::chrono::milliseconds(1) << " ms"
            << std::endl;
  EXPECT_LT(took, std::chrono::seconds(30));
}

TEST_F(Crash, RestartWithAFullOverlayAppliesTheWholeLog) {
  constexpr std::uint64_t kMessages = 20'000;
  constexpr int kRestartsKilled = 4;
  Random random(tests::seed_of_test());
  // Nothing is written to the tables before the node is killed: all of it stands in the log and in memory only.
  start_node(
      {"--flush-interval-ms", "60000", "--overlay-flush-bytes", "1000000000", "--overlay-bytes-max", "4000000000"});
  send("alice", "bob", numbered(kMessages));
  node().kill();
  int killed = 0;
  while (killed < kRestartsKilled && !node().start_unless_killed_after(static_cast<int>(random.between(1, 40))))
    ++killed;
  std::cout << killed << " restarts were killed before they were done" << std::endl;
  if (!node().is_running()) node().start();
  EXPECT_EQ(bodies_of(mailbox("bob")), numbered(kMessages));
  node().kill();
  node().start();
  EXPECT_EQ(bodies_of(mailbox("bob")), numbered(kMessages));
}

TEST_F(Crash, CopyToSelfCrossesShardsThoughTheNodeIsKilledInBetween) {
  constexpr std::uint64_t kMessages = 3'000;
  constexpr int kKills = 3;
  Random random(tests::seed_of_test());
  start_node({"--retransmit-first-ms", "200"});
  ASSERT_NE(shard_of("alice", limits::kShardsDefault), shard_of("bob", limits::kShardsDefault));
  const auto copies = std::make_shared<client::MemoryStore>(tests::kKeepAll);
  const auto tablet = open(options("alice", "tablet"), copies);
  const auto laptop = open_sender("alice");
  client::SendOptions how;
  how.copy_to_self = true;
  post(*laptop, "bob", numbered(kMessages), how);
  for (int i = 1; i <= kKills; ++i) {
    ASSERT_TRUE(tablet->wait_received(kMessages * static_cast<std::uint64_t>(i) / (kKills + 2) + random.below(100)));
    node().kill();
    node().start();
  }
  flush(*laptop);
  ASSERT_TRUE(tablet->wait_received(kMessages));
  EXPECT_EQ(bodies_of(mailbox("bob")), numbered(kMessages));
  EXPECT_EQ(bodies_of(mailbox("alice")), numbered(kMessages));
  EXPECT_EQ(bodies_of(copies->messages()), numbered(kMessages));
  for (const auto& copy : copies->messages()) ASSERT_EQ(copy.copy_of.text(), "bob");
}

}  // namespace
}  // namespace earshot
