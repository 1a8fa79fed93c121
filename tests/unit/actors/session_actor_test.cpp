#include "actors/session_actor.hpp"

#include <chrono>

#include <caf/all.hpp>

#include "actors/interfaces.hpp"
#include "tests/support/session_fakes.hpp"

namespace earshot::tests {
namespace {

// The real actor under CAF's testing scheduler: one thread, virtual time.
class SessionActor : public ::testing::Test {
 protected:
  struct Config : caf::actor_system_config {
    Config() {
      add_message_types<caf::id_block::earshot>();
      set("scheduler.policy", caf::atom("testing"));
    }
  };

  SessionActor() {
    std::vector<std::shared_ptr<ShardInbox>> shards{shard_};
    router_ = std::make_shared<Router>(shards);
  }
  ~SessionActor() override {
    if (session_) session_->post(ClientGone{});
    shard_->logins.clear(), shard_->registers.clear(), shard_->fetches.clear(), shard_->sends.clear();
    run();
    advance(100'000);  // CAF waits for what its timers hold
  }

  void spawn() {
    SessionOptions options;
    options.id = 7;
    options.user = user("alice");
    options.request.device = DeviceId::trusted("phone");
    options.retransmit = BackoffPolicy{1'000, 8'000};
    session_ = spawn_session(system_, std::move(options), client_, router_, clock_);
    run();
  }
  void log_in() {
    spawn();
    shard_->logins.at(0).from->post(
        LoginAnswered{shard_->logins[0].request, LoginOutcome{ProducerId(9), true, Epoch(1), {}, {}, {}}});
    run();
  }
  void subscribe() {
    session_->post(ClientSubscribe{1, DeliveryMode::kOrdered, 0});
    run();
    shard_->fetches.at(0).from->post(FetchAnswered{shard_->fetches[0].request, batch_of(1, 0, 0)});
    run();
  }

  caf::scheduler::test_coordinator& scheduler() {
    return dynamic_cast<caf::scheduler::test_coordinator&>(system_.scheduler());
  }
  void run() {
    while (scheduler().try_run_once()) {
    }
  }
  void advance(std::uint64_t ms) {
    clock_.advance(ms);
    scheduler().advance_time(std::chrono::milliseconds(ms));
    run();
  }

  Config config_;
  caf::actor_system system_{config_};
  ManualClock clock_;
  std::shared_ptr<FakeShard> shard_ = std::make_shared<FakeShard>();
  std::shared_ptr<FakeClient> client_ = std::make_shared<FakeClient>();
  std::shared_ptr<const Router> router_;
  std::shared_ptr<SessionHandle> session_;
};

TEST_F(SessionActor, LivesFromLoginToLogoutAndLetsGoOfEverything) {
  log_in();
  ASSERT_EQ(client_->welcomes.size(), 1u);
  EXPECT_EQ(system_.registry().running(), 1u);
  session_->post(ClientGone{});
  run();
  EXPECT_EQ(shard_->unregisters.size(), 1u);
  EXPECT_EQ(system_.registry().running(), 0u);
  EXPECT_EQ(client_.use_count(), 1) << "the ended session holds its client no more";
  session_->post(ClientSubscribe{1, DeliveryMode::kOrdered, 0});
  run();
  EXPECT_TRUE(client_->statuses.empty());
}

TEST_F(SessionActor, EveryMessageHasItsHandler) {
  log_in();
  subscribe();
  const std::shared_ptr<SessionPort> port = shard_->logins[0].from;
  session_->post(ClientSend{2, std::vector<LaneItem>(1)});
  session_->post(ClientFetch{3, seq(0), 1, FetchCause::kGap});
  session_->post(ClientHistory{4, seq(0), 1});
  session_->post(ClientNack{5, NackRequest{{seq(1)}, 0}});
  session_->post(ClientAck{6, AckRequest{seq(1), {}}});
  port->post(push_of(1, 1));
  run();
  session_->post(ClientDelivered{client_->deliveries.at(0).number});
  session_->post(ClientAck{7, AckRequest{seq(1), {}}});
  run();
  EXPECT_EQ(client_->statuses.size(), 2u);  // subscribe, nack
  EXPECT_FALSE(client_->cursors.at(0).second);
  port->post(AckAnswered{shard_->acks.at(0).request, seq(1)});
  port->post(FetchAnswered{shard_->fetches.back().request, batch_of(1, 1, 1)});
  port->post(FetchAnswered{shard_->histories.back().request, batch_of(1, 1, 1)});
  port->post(LeaderAnnounced{ShardId(0), Term(2)});
  run();
  EXPECT_TRUE(client_->cursors.at(1).second);
  EXPECT_EQ(client_->batches.size(), 2u);
  EXPECT_EQ(shard_->registers.size(), 3u);
  port->post(SendsAnswered{});
  port->post(SessionEvicted{Error{ErrorCode::kSessionReplaced, "", ""}});
  run();
  EXPECT_EQ(client_->closings.at(0).code, ErrorCode::kSessionReplaced);
  EXPECT_EQ(system_.registry().running(), 0u);
}

TEST_F(SessionActor, RepeatsByItsTimer) {
  log_in();
  subscribe();
  shard_->logins[0].from->post(push_of(1, 2));
  run();
  session_->post(ClientDelivered{client_->deliveries.at(0).number});
  run();
  advance(499);
  EXPECT_EQ(client_->deliveries.size(), 1u);
  for (int i = 0; i < 501; ++i) advance(1);
  ASSERT_EQ(client_->deliveries.size(), 2u);
  EXPECT_EQ(client_->deliveries[1].items.at(0).attempt, 2u);
}

TEST_F(SessionActor, TimerThatMovesOnStaysArmedAndWakesAtTheLaterTime) {
  log_in();
  subscribe();
  const auto push = [&](std::uint64_t n) {
    shard_->logins[0].from->post(push_of(n, n));
    run();
    session_->post(ClientDelivered{client_->deliveries.back().number});
    session_->post(ClientAck{100 + n, AckRequest{seq(n - 1), {}}});
    run();
    while (!shard_->acks.empty()) {
      shard_->acks.back().from->post(AckAnswered{shard_->acks.back().request, shard_->acks.back().command.up_to});
      shard_->acks.pop_back();
      run();
    }
  };
  for (std::uint64_t n = 1; n <= 50; ++n) {
    push(n);
    EXPECT_EQ(client_->deliveries.size(), n) << "each ack starts the time anew";
    advance(200);
  }
  advance(1'000);
  EXPECT_EQ(client_->deliveries.size(), 51u);
}

TEST_F(SessionActor, DeadlineOfTheLoginEndsTheActor) {
  spawn();
  advance(limits::kRequestTimeoutMs - 1);
  EXPECT_TRUE(client_->welcomes.empty());
  advance(1);
  ASSERT_EQ(client_->welcomes.size(), 1u);
  EXPECT_FALSE(client_->welcomes[0]);
  EXPECT_EQ(system_.registry().running(), 0u);
}

TEST_F(SessionActor, VectorsTravelThroughMailboxesWithoutBeingCopied) {
  log_in();
  subscribe();
  ClientSend send{9, std::vector<LaneItem>(2)};
  send.items[0].item.message.body = std::string(1'000, 'x');
  send.items[0].item.message.checksum = checksum_of(send.items[0].item.message.body);
  send.items[1].item.message.checksum = checksum_of("");
  const char* const body = send.items[0].item.message.body.data();
  session_->post(std::move(send));
  run();
  ASSERT_EQ(shard_->sends.size(), 1u);
  EXPECT_EQ(shard_->sends[0].command.items[0].message.body.data(), body) << "the very same bytes";

  std::vector<SendAnswer> answers(2);
  const SendAnswer* const place = answers.data();
  shard_->sends[0].from->post(SendsAnswered{shard_->sends[0].request, std::move(answers)});
  run();
  EXPECT_EQ(client_->sends.at(0).second.data(), place);

  Batch batch = batch_of(1, 1, 1);
  batch.messages[0].body = std::string(1'000, 'y');
  const char* const fetched = batch.messages[0].body.data();
  session_->post(ClientFetch{10, seq(0), 1, FetchCause::kGap});
  run();
  shard_->fetches.back().from->post(FetchAnswered{shard_->fetches.back().request, std::move(batch)});
  run();
  EXPECT_EQ(client_->batches.at(0).second->messages[0].body.data(), fetched);

  MailboxPush push = push_of(1, 1);
  const std::weak_ptr<const IncomingMessage> pushed = push.messages[0];
  shard_->logins[0].from->post(std::move(push));
  run();
  EXPECT_EQ(client_->deliveries.at(0).items[0].message, pushed.lock());
}

}  // namespace
}  // namespace earshot::tests
