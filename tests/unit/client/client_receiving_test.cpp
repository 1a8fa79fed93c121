#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "tests/support/client_harness.hpp"

namespace earshot::client {
namespace {

using tests::ControlledStore;
using tests::eventually;
using tests::FakeServer;
using tests::options_for;
using tests::Recorder;
using tests::start_runtime;
using tests::user;

using Bodies = std::vector<std::string>;

class ClientReceiving : public testing::Test {
 protected:
  void TearDown() override { store_->release(); }  // a client does not close before its store is done
  void start() { start(recorder_.handlers()); }
  void start(Handlers handlers) {
    const int subscribes = server_.seen().subscribes;
    client_ = Client::open(options_, store_, std::move(handlers), runtime_).value();
    ASSERT_TRUE(client_->wait_connected(10'000));
    ASSERT_TRUE(eventually([&] { return server_.seen().subscribes > subscribes; }));
  }
  void put(int count) {
    for (int i = 0; i < count; ++i) server_.put("m" + std::to_string(++put_));
  }
  static Bodies bodies(int first, int last) {
    Bodies bodies;
    for (int i = first; i <= last; ++i) bodies.push_back("m" + std::to_string(i));
    return bodies;
  }
  Bodies stored_bodies() {
    Bodies bodies;
    for (const auto& message : memory_->messages()) bodies.push_back(message.body);
    return bodies;
  }
  bool acked_up_to(std::uint64_t up_to) {
    return eventually([&] {
      const auto acks = server_.seen().acks;
      return !acks.empty() && acks.back() == up_to;
    });
  }

  FakeServer server_;
  int put_ = 0;
  std::shared_ptr<Runtime> runtime_ = start_runtime();
  std::shared_ptr<MemoryStore> memory_ = std::make_shared<MemoryStore>(10'000);
  std::shared_ptr<ControlledStore> store_ = std::make_shared<ControlledStore>(memory_);
  Recorder recorder_;
  Options options_ = options_for(server_);
  std::unique_ptr<Client> client_;
};

TEST_F(ClientReceiving, WhatWaitsIsStoredShownAndAcked) {
  put(5);
  start();
  EXPECT_TRUE(acked_up_to(5));
  EXPECT_EQ(stored_bodies(), bodies(1, 5));
  EXPECT_TRUE(eventually([&] { return recorder_.bodies() == bodies(1, 5); }));
  EXPECT_EQ(client_->stats().last_received, Sequence(5));
}

TEST_F(ClientReceiving, AckGoesOutOnlyAfterTheStoreCommitted) {
  put(3);
  store_->hold_receives = true;
  start();
  ASSERT_TRUE(eventually([&] { return store_->receives == 1; }));
  // Whatever else the client wants to say arrives before this answer.
  ASSERT_TRUE(client_->history(Sequence(), 10).get());
  EXPECT_TRUE(server_.seen().acks.empty());
  EXPECT_TRUE(recorder_.bodies().empty());
  EXPECT_EQ(server_.seen().delivers_returned, 0);
  store_->release();
  EXPECT_TRUE(acked_up_to(3));
  EXPECT_TRUE(eventually([&] { return server_.seen().delivers_returned == 1; }));
}

TEST_F(ClientReceiving, DeliveriesWaitAtTheLimitAndOneMoreIsNotTakenIn) {
  constexpr int kMost = limits::kClientDeliveriesMax;
  server_.script([](auto& s) { s.deliver = false; });
  store_->hold_receives = true;
  start();
  for (std::uint64_t sequence = 1; sequence <= kMost + 1; ++sequence) {
    put(1);
    server_.push({sequence});
  }
  ASSERT_TRUE(client_->history(Sequence(), 10).get());  // is answered behind them all
  store_->release();
  ASSERT_TRUE(acked_up_to(kMost));
  EXPECT_TRUE(eventually([&] { return server_.seen().delivers_returned == kMost; }));
  server_.push({kMost + 1});
  EXPECT_TRUE(acked_up_to(kMost + 1));
  EXPECT_EQ(stored_bodies(), bodies(1, kMost + 1));
  EXPECT_TRUE(eventually([&] { return server_.seen().delivers_returned == kMost + 1; }));
}

TEST_F(ClientReceiving, ClientCrashBeforeStoreGetsTheMessageAgain) {
  put(3);
  store_->fail_receives = 1'000'000;  // nothing is ever committed
  start();
  ASSERT_TRUE(eventually([&] { return store_->receives >= 1; }));
  client_.reset();
  EXPECT_TRUE(server_.seen().acks.empty());
  store_->fail_receives = 0;
  start();
  EXPECT_TRUE(acked_up_to(3));
  EXPECT_EQ(stored_bodies(), bodies(1, 3));
}

TEST_F(ClientReceiving, CrashAfterStoreBeforeAckDropsTheRepeat) {
  put(3);
  // What a crash between commit and ack leaves: the messages are stored, the server has heard nothing.
  InboxHead head{user("alice"), DeviceId::trusted("phone"), Epoch(1), Sequence(3), {}};
  memory_->receive(head, {}, {}, [](Status) {});
  start();
  server_.push({1, 2, 3});
  EXPECT_TRUE(acked_up_to(3));  // a repeat is acked again
  EXPECT_TRUE(stored_bodies().empty());
  EXPECT_TRUE(recorder_.bodies().empty());
  EXPECT_GE(client_->stats().repeats_dropped, 3u);
  EXPECT_EQ(server_.seen().login_requests.back().last_received, Sequence(3));
}

TEST_F(ClientReceiving, GapIsRefetchedAndCounted) {
  server_.script([](auto& s) { s.deliver = false; });
  put(6);
  start();
  server_.push({1, 2});
  ASSERT_TRUE(acked_up_to(2));
  server_.push({5, 6});
  EXPECT_TRUE(acked_up_to(6));
  EXPECT_EQ(stored_bodies(), bodies(1, 6));
  ASSERT_TRUE(eventually([&] { return client_->stats().gaps_repaired == 1; }));
  EXPECT_EQ(client_->stats().fetches[static_cast<std::size_t>(FetchCause::kGap)], 1u);
  EXPECT_EQ(server_.seen().fetches.at(0), std::make_pair(std::uint64_t{2}, FetchCause::kGap));
}

TEST_F(ClientReceiving, BatchWithAHoleIsNotStored) {
  server_.script([](auto& s) { s.deliver = false; });
  put(4);
  store_->hold_receives = true;
  start();
  server_.push({1, 2, 4});
  ASSERT_TRUE(eventually([&] { return store_->receives == 1; }));
  ASSERT_EQ(server_.seen().fetches.size(), 1u);
  EXPECT_EQ(server_.seen().fetches[0].first, 0u);  // nothing of the batch was taken
  store_->release();
  EXPECT_TRUE(acked_up_to(4));
  EXPECT_EQ(stored_bodies(), bodies(1, 4));
}

TEST_F(ClientReceiving, AlteredBodyIsRefetched) {
  put(3);
  server_.script([](auto& s) { s.alter = 3; });
  start();
  EXPECT_TRUE(acked_up_to(3));
  EXPECT_EQ(stored_bodies(), bodies(1, 3));
  EXPECT_GE(client_->stats().checksum_failures, 1u);
  EXPECT_GE(client_->stats().fetches[static_cast<std::size_t>(FetchCause::kChecksum)], 1u);
}

TEST_F(ClientReceiving, LostRangesAreSaidAndPassed) {
  server_.script([](auto& s) { s.deliver = false; });
  put(5);
  start();
  server_.push({1, 4, 5}, {LostRange{Sequence(2), Sequence(3), LostReason::kTrimmed}});
  EXPECT_TRUE(acked_up_to(5));
  ASSERT_TRUE(eventually([&] { return recorder_.lost().size() == 1; }));
  EXPECT_EQ(recorder_.lost()[0], (LostRange{Sequence(2), Sequence(3), LostReason::kTrimmed}));
  EXPECT_EQ(client_->stats().lost, 2u);
  EXPECT_TRUE(server_.seen().fetches.empty());
}

TEST_F(ClientReceiving, EpochChangeLowersLastReceived) {
  put(5);
  start();
  ASSERT_TRUE(acked_up_to(5));
  server_.script([](auto& s) { s.epoch = Epoch(2), s.restored_up_to = Sequence(3), s.deliver = false; });
  server_.disconnect();
  ASSERT_TRUE(eventually([&] { return recorder_.restored().size() == 1; }));
  EXPECT_EQ(recorder_.restored()[0].last_received, Sequence(3));
  EXPECT_EQ(memory_->load()->inbox_head.last_received, Sequence(3));
  EXPECT_EQ(memory_->load()->inbox_head.epoch, Epoch(2));
}

TEST_F(ClientReceiving, ABatchOfAnotherEpochMakesItLogInAgain) {
  server_.script([](auto& s) { s.deliver = false; });
  put(2);
  start();
  server_.script([](auto& s) { s.epoch = Epoch(2), s.restored_up_to = Sequence(0), s.deliver = true; });
  server_.push({1, 2});
  EXPECT_TRUE(acked_up_to(2));
  EXPECT_EQ(server_.seen().logins, 2);
}

TEST_F(ClientReceiving, ReplacedSessionDoesNotFight) {
  start();
  server_.close_session(Error{ErrorCode::kSessionReplaced, "", "", 0, 0});
  ASSERT_TRUE(eventually([&] { return recorder_.changes().size() == 2; }));
  EXPECT_EQ(recorder_.changes()[1].kind, ConnectionChange::Kind::kReplaced);
  EXPECT_EQ(client_->wait_connected(10'000).error().code, ErrorCode::kSessionReplaced);
  EXPECT_EQ(server_.seen().logins, 1);
}

TEST_F(ClientReceiving, ARefusedLoginIsFinalAndSaysWhy) {
  server_.script([](auto& s) { s.refuse_login = Error{ErrorCode::kUnauthenticated, "token", "unknown", 0, 0}; });
  client_ = Client::open(options_, store_, recorder_.handlers(), runtime_).value();
  EXPECT_EQ(client_->wait_connected(10'000).error().code, ErrorCode::kUnauthenticated);
  ASSERT_TRUE(eventually([&] { return recorder_.changes().size() == 1; }));
  EXPECT_EQ(recorder_.changes()[0].kind, ConnectionChange::Kind::kRefused);
}

TEST_F(ClientReceiving, AnOverloadedLoginIsTriedAgain) {
  server_.script([](auto& s) { s.refuse_login = Error{ErrorCode::kOverloaded, "", "", 10, 0}; });
  client_ = Client::open(options_, store_, recorder_.handlers(), runtime_).value();
  ASSERT_TRUE(eventually([&] { return server_.seen().logins >= 2; }));
  server_.script([](auto& s) { s.refuse_login.reset(); });
  EXPECT_TRUE(client_->wait_connected(10'000));
}

TEST_F(ClientReceiving, UnorderedTakesWhatComesAndAcksIt) {
  options_.mode = DeliveryMode::kUnordered;
  server_.script([](auto& s) { s.deliver = false; });
  put(5);
  start();
  server_.push({1, 3, 5});
  ASSERT_TRUE(acked_up_to(1));
  EXPECT_EQ(server_.seen().acks_above.back(), (std::vector<std::uint64_t>{3, 5}));
  EXPECT_EQ(memory_->load()->inbox_head.received_above, (std::vector{Sequence(3), Sequence(5)}));
  server_.push({2, 3, 4});
  EXPECT_TRUE(acked_up_to(5));
  EXPECT_EQ(stored_bodies(), (Bodies{"m1", "m3", "m5", "m2", "m4"}));
  EXPECT_EQ(client_->stats().repeats_dropped, 1u);
  EXPECT_TRUE(server_.seen().fetches.empty());
}

TEST_F(ClientReceiving, RejectedMessagesAreNackedAndNotStored) {
  server_.script([](auto& s) { s.deliver = false; });
  put(3);
  Handlers handlers = recorder_.handlers();
  std::atomic<bool> reject = true;
  handlers.on_offer = [&](std::span<const IncomingMessage> messages, std::vector<Rejection>& rejections) {
    for (const auto& message : messages)
      if (reject && message.body == "m2") rejections.push_back({message.sequence, 10});
  };
  start(handlers);
  server_.push({1, 2, 3});
  EXPECT_TRUE(acked_up_to(1));
  EXPECT_EQ(server_.seen().nacks, (std::vector<std::vector<std::uint64_t>>{{2}}));
  reject = false;
  server_.push({2, 3});
  EXPECT_TRUE(acked_up_to(3));
  EXPECT_EQ(stored_bodies(), bodies(1, 3));
}

TEST_F(ClientReceiving, ARejectionForLongerThanTheServerAllowsAsksForTheLongest) {
  server_.script([](auto& s) { s.deliver = false; });
  put(2);
  Handlers handlers = recorder_.handlers();
  handlers.on_offer = [](std::span<const IncomingMessage> messages, std::vector<Rejection>& rejections) {
    for (const auto& message : messages) {
      const auto delay_ms = static_cast<std::uint32_t>(limits::kNackDelayMsMax);
      rejections.push_back({message.sequence, message.body == "m1" ? delay_ms : UINT32_MAX});
    }
  };
  options_.mode = DeliveryMode::kUnordered;
  start(handlers);
  server_.push({1, 2});
  ASSERT_TRUE(eventually([&] { return !server_.seen().nacks.empty(); }));
  EXPECT_EQ(server_.seen().nacks, (std::vector<std::vector<std::uint64_t>>{{1, 2}}));
  EXPECT_EQ(server_.seen().nack_delays_ms, std::vector<std::uint32_t>{limits::kNackDelayMsMax});
}

TEST_F(ClientReceiving, AReadThatAsksForMoreThanAnAnswerHoldsGetsAFullOne) {
  put(static_cast<int>(limits::kFetchMessagesMax) + 1);
  options_.receive = false;
  client_ = Client::open(options_, store_, {}, runtime_).value();
  ASSERT_TRUE(client_->wait_connected(10'000));
  const auto batch = client_->fetch(Sequence(), UINT32_MAX).get();
  ASSERT_TRUE(batch) << batch.error().to_string();
  EXPECT_EQ(batch->messages.size(), limits::kFetchMessagesMax);
}

TEST_F(ClientReceiving, ATokenOfASourceIsNotShownWhenItIsTooLong) {
  options_.token.clear();
  std::size_t bytes = limits::kTokenBytesMax + 1;
  options_.token_source = [&](const auto& given) { given(std::string(bytes, 'x')); };
  client_ = Client::open(options_, store_, {}, runtime_).value();
  const Status refused = client_->wait_connected(10'000);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(refused.error().field, "token");
  EXPECT_EQ(server_.seen().logins, 0);
}

TEST_F(ClientReceiving, ATokenSourceIsAskedAgainHoweverOftenItsTokensAreRefused) {
  options_.token.clear();
  std::atomic<int> asked = 0;
  options_.token_source = [&](const auto& given) { ++asked, given(std::string("alice")); };
  options_.reconnect = BackoffPolicy{1, 5};
  server_.script([](auto& s) { s.refuse_login = Error{ErrorCode::kUnauthenticated, "token", "it has expired", 0, 0}; });
  client_ = Client::open(options_, store_, recorder_.handlers(), runtime_).value();
  ASSERT_TRUE(eventually([&] { return asked >= 4; }));
  server_.script([](auto& s) { s.refuse_login.reset(); });  // the clock of the server is right again
  EXPECT_TRUE(client_->wait_connected(10'000));
  for (const auto& change : recorder_.changes()) EXPECT_NE(change.kind, ConnectionChange::Kind::kRefused);
}

TEST_F(ClientReceiving, SequenceOnlyReportsFromTimeToTimeAndRepairsByItself) {
  options_.mode = DeliveryMode::kSequenceOnly;
  options_.report_messages = 4;
  options_.report_interval_ms = 3'600'000;
  server_.script([](auto& s) { s.deliver = false; });
  put(7);
  start();
  server_.push({1, 2});
  server_.push({3});
  ASSERT_TRUE(eventually([&] { return recorder_.bodies().size() == 3; }));
  EXPECT_TRUE(server_.seen().acks.empty());
  server_.push({6, 7});
  EXPECT_TRUE(acked_up_to(7));
  EXPECT_EQ(stored_bodies(), bodies(1, 7));
  EXPECT_EQ(server_.seen().acks.size(), 1u);
  EXPECT_EQ(client_->stats().fetches[static_cast<std::size_t>(FetchCause::kGap)], 1u);
}

TEST_F(ClientReceiving, AStoreThatFailsForAWhileGetsTheBatchAgain) {
  put(3);
  store_->fail_receives = 3;
  start();
  EXPECT_TRUE(acked_up_to(3));
  EXPECT_EQ(stored_bodies(), bodies(1, 3));
  EXPECT_EQ(client_->stats().store_failures, 3u);
}

TEST_F(ClientReceiving, HandlersRunOnTheExecutorWhenOneIsGiven) {
  put(3);
  std::mutex mutex;
  std::vector<std::function<void()>> tasks;
  options_.executor = [&](std::function<void()> task) {
    const std::lock_guard lock(mutex);
    tasks.push_back(std::move(task));
  };
  const auto run_tasks = [&] {
    std::vector<std::function<void()>> now;
    {
      const std::lock_guard lock(mutex);
      now.swap(tasks);
    }
    for (auto& task : now) task();
  };
  start();
  EXPECT_TRUE(acked_up_to(3));  // the ack does not wait for the application
  EXPECT_TRUE(recorder_.bodies().empty());
  EXPECT_TRUE(eventually([&] {
    run_tasks();
    return recorder_.bodies() == bodies(1, 3) && server_.seen().delivers_returned == 1;
  }));
  client_->close();
  run_tasks();
}

TEST_F(ClientReceiving, WhatIsStoredIsAckedBeforeTheLogoutAlthoughAnEarlierAckIsNotAnswered) {
  server_.script([](auto& s) { s.answer_acks = false; });
  put(1);
  start();
  ASSERT_TRUE(acked_up_to(1));
  put(1);
  server_.push({2});
  ASSERT_TRUE(eventually([&] { return recorder_.bodies() == bodies(1, 2); }));
  EXPECT_EQ(server_.seen().acks, std::vector<std::uint64_t>{1});
  client_->close();
  EXPECT_EQ(server_.seen().acks, (std::vector<std::uint64_t>{1, 2}));
}

TEST_F(ClientReceiving, AnAlteredBodyIsNotHandedOutWhenReadOnDemand) {
  options_.call_timeout_ms = 0;  // else it would be read again
  server_.script([](auto& s) { s.deliver = false; });
  put(3);
  start();
  ASSERT_TRUE(client_->wait_connected(5'000));
  for (const bool history : {false, true}) {
    const auto read = [&] {
      return (history ? client_->history(Sequence(), 10) : client_->fetch(Sequence(), 10)).get();
    };
    server_.script([](auto& s) { s.alter = 1; });
    const auto altered = read();
    ASSERT_FALSE(altered);
    EXPECT_EQ(altered.error().code, ErrorCode::kChecksumMismatch);
    EXPECT_TRUE(read());
  }
  EXPECT_EQ(client_->stats().checksum_failures, 2u);
}

TEST_F(ClientReceiving, AnAlteredParkedBodyIsNotHandedOut) {
  options_.call_timeout_ms = 0;  // else it would be read again
  server_.script([](auto& s) { s.deliver = false; });
  put(3);
  start();
  ASSERT_TRUE(client_->wait_connected(5'000));
  const UserId alice = UserId::trusted("alice");
  const auto list = [&](const char* device) {
    return client_->parked(ParkedRequest{alice, DeviceId::trusted(device), Sequence(), 10}).get();
  };
  server_.script([](auto& s) { s.alter = 1; });
  const auto altered = list("phone");
  ASSERT_FALSE(altered);
  EXPECT_EQ(altered.error().code, ErrorCode::kChecksumMismatch);
  EXPECT_TRUE(list("phone"));
  EXPECT_TRUE(list("")) << "without bodies there is nothing to test";
}

TEST_F(ClientReceiving, ARefetchThatWaitsForTheApplicationDoesNotSpin) {
  server_.script([](auto& s) { s.deliver = false, s.alter = 1; });
  put(3);
  std::mutex mutex;
  std::vector<std::function<void()>> tasks;
  options_.mode = DeliveryMode::kUnordered;
  options_.executor = [&](std::function<void()> task) {
    const std::lock_guard lock(mutex);
    tasks.push_back(std::move(task));
  };
  const auto run_tasks = [&] {
    std::vector<std::function<void()>> now;
    {
      const std::lock_guard lock(mutex);
      now.swap(tasks);
    }
    for (auto& task : now) task();
  };
  const auto loop = std::make_shared<tests::CountingLoop>();
  runtime_ = std::make_shared<Runtime>(loop);
  start();
  server_.push({1, 2});  // the first arrives altered
  server_.push({3});
  ASSERT_TRUE(client_->fetch(Sequence(2), 1).get());  // behind both of them
  ASSERT_TRUE(eventually([&] {
    if (stored_bodies() == bodies(2, 3)) return true;
    run_tasks();
    return false;
  }));
  // The application has not been shown the last one yet, and the refetch waits for that.
  // Meanwhile the loop turns many times; were a timer armed for a time that has passed, each turn would arm another.
  const int before = loop->timers();
  for (int turn = 0; turn < 50; ++turn) ASSERT_TRUE(client_->fetch(Sequence(2), 1).get());
  EXPECT_LE(loop->timers() - before, 2);
  EXPECT_TRUE(eventually([&] {
    run_tasks();
    return stored_bodies().size() == 3;
  }));
  client_->close();
  run_tasks();
}

TEST_F(ClientReceiving, AStoreOfAnotherUserOrDeviceIsNotTouched) {
  put(2);
  start();
  ASSERT_TRUE(acked_up_to(2));
  client_.reset();
  options_.device = "tablet";
  EXPECT_EQ(Client::open(options_, store_, {}, runtime_).error().code, ErrorCode::kConflict);
  options_.device = "phone";
  options_.token = "mallory";
  client_ = Client::open(options_, store_, {}, runtime_).value();
  EXPECT_EQ(client_->wait_connected(10'000).error().code, ErrorCode::kConflict);
  EXPECT_EQ(memory_->load()->inbox_head.user, user("alice"));
}

TEST_F(ClientReceiving, CloseFromAHandlerEndsTheClient) {
  put(1);
  Handlers handlers;
  std::atomic<int> calls = 0;
  std::promise<void> opened;  // the handler may be called before open() has returned
  handlers.on_messages = [&, is_opened = opened.get_future().share()](std::span<const IncomingMessage>) {
    ++calls;
    is_opened.wait();
    client_->close();
  };
  client_ = Client::open(options_, store_, handlers, runtime_).value();
  opened.set_value();
  EXPECT_TRUE(eventually([&] { return server_.seen().logouts == 1; }));
  EXPECT_EQ(calls, 1);
}

TEST_F(ClientReceiving, ManyClientsShareOneRuntime) {
  put(3);
  std::vector<std::unique_ptr<Client>> clients;
  std::vector<std::shared_ptr<MemoryStore>> stores;
  for (int i = 0; i < 50; ++i) {
    stores.push_back(std::make_shared<MemoryStore>());
    options_.receive = false;
    clients.push_back(Client::open(options_, stores.back(), {}, runtime_).value());
  }
  for (auto& client : clients) {
    ASSERT_TRUE(client->wait_connected(10'000));
    const auto history = client->history(Sequence(), 10).get();
    ASSERT_TRUE(history);
    EXPECT_EQ(history->messages.size(), 3u);
  }
}

}  // namespace
}  // namespace earshot::client
