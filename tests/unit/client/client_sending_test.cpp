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

class ClientSending : public testing::Test {
 protected:
  void start() { client_ = Client::open(options_, store_, recorder_.handlers(), runtime_).value(); }
  MessageId send(const std::string& body, const std::string& to = "bob") {
    return client_->send(user(to), body).value();
  }
  std::vector<std::string> stored_bodies() {
    std::vector<std::string> bodies;
    for (const auto& stored : server_.stored()) bodies.push_back(stored.message.body);
    return bodies;
  }

  FakeServer server_;
  std::shared_ptr<Runtime> runtime_ = start_runtime();
  std::shared_ptr<MemoryStore> memory_ = std::make_shared<MemoryStore>();
  std::shared_ptr<ControlledStore> store_ = std::make_shared<ControlledStore>(memory_);
  Recorder recorder_;
  Options options_ = options_for(server_);
  std::unique_ptr<Client> client_;
};

TEST_F(ClientSending, AMessageIsStoredOnceAndReportedOnce) {
  start();
  const MessageId id = send("hello");
  ASSERT_TRUE(client_->flush(10'000));
  EXPECT_EQ(stored_bodies(), std::vector<std::string>{"hello"});
  EXPECT_EQ(recorder_.reports_of(id), 1);
  EXPECT_EQ(client_->stats().sent, 1u);
  EXPECT_TRUE(memory_->load()->outbox.empty());
}

TEST_F(ClientSending, SentOfflineGoesOutOnceAfterReconnect) {
  server_.script([](auto& s) { s.listening = false; });
  start();
  for (int i = 0; i < 20; ++i) send(std::to_string(i), "user" + std::to_string(i % 3));
  EXPECT_TRUE(eventually([&] { return !recorder_.changes().empty(); }));
  EXPECT_EQ(server_.stored_count(), 0u);
  server_.script([](auto& s) { s.listening = true; });
  ASSERT_TRUE(client_->flush(10'000));
  EXPECT_EQ(server_.stored_count(), 20u);
  EXPECT_EQ(recorder_.reported(), 20u);
  EXPECT_EQ(recorder_.outcomes(0), 20);
}

TEST_F(ClientSending, LostAnswerIsAskedAgainAndStoredOnce) {
  server_.script([](auto& s) { s.drop_after_storing = 2; });
  start();
  for (int i = 0; i < 10; ++i) send(std::to_string(i));
  ASSERT_TRUE(client_->flush(10'000));
  EXPECT_EQ(server_.stored_count(), 10u);
  EXPECT_GT(server_.seen().repeats, 0);
  EXPECT_GT(client_->stats().resent, 0u);
  EXPECT_GT(client_->stats().reconnects, 0u);
  EXPECT_EQ(recorder_.outcomes(0), 10);
}

TEST_F(ClientSending, ASenderThatReceivesNothingHearsOfItsReplacementToo) {
  options_.receive = false;
  server_.script([](auto& s) {
    s.hold = 1;
    s.hold_error = Error{ErrorCode::kSessionReplaced, "device", "the device logged in again", 0, 0};
  });
  start();
  send("late");
  const auto is_replaced = [&] {
    const auto changes = recorder_.changes();
    return !changes.empty() && changes.back().kind == ConnectionChange::Kind::kReplaced;
  };
  EXPECT_TRUE(eventually(is_replaced));
  EXPECT_EQ(client_->stats().connects, 1u) << "it does not fight";
  EXPECT_EQ(memory_->load()->outbox.size(), 1u) << "what it did not send stays";
}

TEST_F(ClientSending, ConnectionBrokenBeforeStoringLosesNothing) {
  server_.script([](auto& s) { s.drop_before_storing = 3; });
  start();
  for (int i = 0; i < 10; ++i) send(std::to_string(i));
  ASSERT_TRUE(client_->flush(10'000));
  EXPECT_EQ(server_.stored_count(), 10u);
}

TEST_F(ClientSending, HeldMessagesAreSentAgainInOrder) {
  server_.script([](auto& s) { s.hold = 3; });
  start();
  std::vector<std::string> sent;
  for (int i = 0; i < 50; ++i) sent.push_back(std::to_string(i)), send(sent.back());
  ASSERT_TRUE(client_->flush(10'000));
  EXPECT_EQ(stored_bodies(), sent);
  EXPECT_GT(client_->stats().held, 0u);
}

TEST_F(ClientSending, FinalRefusalIsReportedAndTheLaneGoesOn) {
  server_.script([](auto& s) { s.refuse = 1; });
  start();
  send("refused");
  ASSERT_TRUE(client_->flush(10'000));
  EXPECT_EQ(recorder_.outcomes(1), 1);
  EXPECT_EQ(client_->stats().refused, 1u);
}

TEST_F(ClientSending, ProducerResetHandsOverUncertain) {
  start();
  ASSERT_TRUE(client_->wait_connected(10'000));
  server_.script([](auto& s) { s.reset_producer = 1; });
  const MessageId uncertain = send("perhaps stored");
  ASSERT_TRUE(client_->flush(10'000));
  EXPECT_EQ(recorder_.reports_of(uncertain), 1);
  EXPECT_EQ(recorder_.outcomes(2), 1);
  EXPECT_EQ(server_.stored_count(), 0u);  // never again by itself
  send("after");
  ASSERT_TRUE(client_->flush(10'000));
  const auto stored = server_.stored();
  ASSERT_EQ(stored.size(), 1u);
  EXPECT_EQ(stored[0].message.body, "after");
  EXPECT_EQ(stored[0].message.number, LaneNumber(1));  // in a lane of the new producer
  EXPECT_EQ(server_.seen().login_requests.back().producer, ProducerId());
}

TEST_F(ClientSending, ANewProducerDoesNotTakeAwayWhatWasNeverSent) {
  start();
  send("first");
  ASSERT_TRUE(client_->flush(10'000));
  server_.script([](auto& s) { s.listening = false, s.new_producer = true; });
  server_.disconnect();
  ASSERT_TRUE(eventually([&] { return !client_->stats().connected; }));
  for (int i = 0; i < 5; ++i) send(std::to_string(i));
  server_.script([](auto& s) { s.listening = true; });
  ASSERT_TRUE(client_->flush(10'000));
  EXPECT_EQ(recorder_.outcomes(2), 0);
  EXPECT_EQ(stored_bodies(), (std::vector<std::string>{"first", "0", "1", "2", "3", "4"}));
}

TEST_F(ClientSending, OutboxIsBounded) {
  server_.script([](auto& s) { s.listening = false; });
  options_.outbox_messages_max = 3;
  options_.outbox_bytes_max = 100;
  start();
  for (int i = 0; i < 3; ++i) send("x");
  const auto full = client_->send(user("bob"), "x");
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, ErrorCode::kOverloaded);
  EXPECT_EQ(full.error().field, "outbox");
  server_.script([](auto& s) { s.listening = true; });
  ASSERT_TRUE(client_->flush(10'000));
  EXPECT_FALSE(client_->send(user("bob"), std::string(101, 'x')));
  EXPECT_TRUE(client_->send(user("bob"), std::string(100, 'x')));
}

TEST_F(ClientSending, OptionsStandAtTheirLimitsAndNotBeyond) {
  const auto fault = [&] {
    const auto opened = Client::open(options_, std::make_shared<MemoryStore>(), {}, runtime_);
    return opened ? std::string("none") : opened.error().field;
  };
  options_.token.assign(limits::kTokenBytesMax, 'x'), options_.agent.assign(limits::kNameBytesMax, 'x');
  EXPECT_EQ(fault(), "none");
  options_.agent += 'x';
  EXPECT_EQ(fault(), "agent");
  options_.agent.pop_back(), options_.token += 'x';
  EXPECT_EQ(fault(), "token");
}

TEST_F(ClientSending, MessagesStandAtTheirLimitsAndNotBeyond) {
  options_.addresses = {"127.0.0.1:1"};  // nobody is there
  start();
  const auto fault = [&](Letter letter) {
    const auto sent = client_->send(letter.recipient, std::move(letter.body), letter.options);
    return sent ? std::string("none") : sent.error().field;
  };
  Letter letter{user("bob"), std::string(limits::kBodyBytesMax, 'x'), {}};
  letter.options.ttl_ms = limits::kTtlMsMax;
  EXPECT_EQ(fault(letter), "none");
  letter.body += 'x';
  EXPECT_EQ(fault(letter), "body");
  letter.body.clear(), letter.options.ttl_ms += 1;
  EXPECT_EQ(fault(letter), "ttl_ms");
  std::vector<Letter> letters(limits::kBatchMessagesMax, Letter{user("bob"), "x", {}});
  EXPECT_TRUE(client_->send(letters));
  letters.push_back(letters.back());
  EXPECT_FALSE(client_->send(letters));
}

TEST_F(ClientSending, AFullStoreTakesNothingAndLeavesNoHoleInTheLane) {
  start();
  ASSERT_TRUE(client_->wait_connected(10'000));
  send("one");
  store_->fail_adds = 1;
  const auto refused = client_->send(user("bob"), "refused");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kStorageFull);
  send("two");
  ASSERT_TRUE(client_->flush(10'000));
  EXPECT_EQ(stored_bodies(), (std::vector<std::string>{"one", "two"}));
}

TEST_F(ClientSending, AStoreThatFailsForAWhileIsAskedAgain) {
  store_->fail_welcomes = 2, store_->fail_removes = 2;
  start();
  send("one");
  ASSERT_TRUE(client_->flush(10'000));
  EXPECT_EQ(server_.stored_count(), 1u);
  EXPECT_EQ(client_->stats().store_failures, 4u);
}

TEST_F(ClientSending, SendsFromEightThreadsKeepTheirOwnOrderAndLanesContiguous) {
  start();
  constexpr int kThreads = 8, kEach = 500;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) send(std::to_string(t) + "/" + std::to_string(i), "user" + std::to_string(t));
    });
  for (auto& thread : threads) thread.join();
  ASSERT_TRUE(client_->flush(10'000));
  std::map<std::uint16_t, std::uint64_t> lanes;
  std::map<std::string, int> next;
  for (const auto& stored : server_.stored()) {
    EXPECT_EQ(stored.message.number.value, ++lanes[stored.lane.value]);
    const std::string& body = stored.message.body;
    EXPECT_EQ(std::stoi(body.substr(body.find('/') + 1)), next[body.substr(0, body.find('/'))]++);
  }
  EXPECT_EQ(server_.stored_count(), std::size_t{kThreads * kEach});
}

TEST_F(ClientSending, ReadyMessagesShareCalls) {
  server_.script([](auto& s) { s.listening = false; });
  start();
  for (int i = 0; i < 2'000; ++i) send("x");
  server_.script([](auto& s) { s.listening = true; });
  ASSERT_TRUE(client_->flush(10'000));
  EXPECT_LE(server_.seen().send_sizes.size(), 4u);
}

TEST_F(ClientSending, ABatchIsTakenWholeOrNotAtAll) {
  options_.outbox_messages_max = 2;
  server_.script([](auto& s) { s.listening = false; });
  start();
  std::vector<Letter> three(3, Letter{user("bob"), "x", {}});
  EXPECT_FALSE(client_->send(three));
  EXPECT_EQ(client_->stats().outbox_messages, 0u);
  std::vector<Letter> bad = {Letter{user("bob"), "x", {}}, Letter{UserId(), "x", {}}};
  const auto refused = client_->send(bad);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().field, "recipient");
  EXPECT_EQ(client_->send(user("bob"), std::string(limits::kBodyBytesMax + 1, 'x')).error().field, "body");
  EXPECT_TRUE(client_->send(std::vector<Letter>(2, Letter{user("bob"), "x", {}})));
}

TEST_F(ClientSending, AServerThatDoesNotAnswerIsLeft) {
  server_.script([](auto& s) { s.answer_sends = false; });
  options_.request_timeout_ms = 50;
  start();
  send("x");
  ASSERT_TRUE(eventually([&] { return server_.seen().logins >= 2; }));
  server_.script([](auto& s) { s.answer_sends = true; });
  ASSERT_TRUE(client_->flush(10'000));
  EXPECT_EQ(server_.stored_count(), 1u);
}

TEST_F(ClientSending, TheTextOfAServersFailureIsCut) {
  server_.script([](auto& s) { s.fail = std::string(100'000, 'x'); });
  start();
  send("x");
  ASSERT_TRUE(eventually([&] { return recorder_.changes().size() > 1; }));
  const std::string detail = recorder_.changes()[1].reason.detail;
  EXPECT_EQ(detail.size(), limits::kErrorTextBytesMax);
  EXPECT_TRUE(detail.ends_with("xxx")) << detail;
}

TEST_F(ClientSending, ARestartGoesOnWithTheSameLanes) {
  start();
  send("one");
  ASSERT_TRUE(client_->flush(10'000));
  client_.reset();
  server_.script([](auto& s) { s.listening = false; });
  start();
  send("two");
  client_.reset();
  ASSERT_EQ(memory_->load()->outbox.size(), 1u);
  server_.script([](auto& s) { s.listening = true; });
  start();
  send("three");
  ASSERT_TRUE(client_->flush(10'000));
  EXPECT_EQ(stored_bodies(), (std::vector<std::string>{"one", "two", "three"}));
  EXPECT_EQ(server_.stored()[2].message.number, LaneNumber(3));
}

TEST_F(ClientSending, SendingFromAHandlerDoesNotWaitForItself) {
  Handlers handlers = recorder_.handlers();
  std::atomic<int> echoes = 0;
  handlers.on_sent = [&](std::span<const SendReport>) {
    if (echoes++ < 3) {
      EXPECT_TRUE(client_->send(user("bob"), "again"));
    }
  };
  client_ = Client::open(options_, store_, handlers, runtime_).value();
  send("first");
  ASSERT_TRUE(eventually([&] { return server_.stored_count() == 4; }));
  client_->close();
}

TEST_F(ClientSending, CloseEndsWaitingAndRefusesWhatComesAfter) {
  server_.script([](auto& s) { s.listening = false; });
  start();
  send("x");
  EXPECT_EQ(client_->flush(1).error().code, ErrorCode::kDeadlineExceeded);
  client_->close();
  EXPECT_EQ(client_->flush(10'000).error().code, ErrorCode::kClosed);
  EXPECT_EQ(client_->send(user("bob"), "x").error().code, ErrorCode::kClosed);
  EXPECT_EQ(client_->wait_connected(10'000).error().code, ErrorCode::kClosed);
}

}  // namespace
}  // namespace earshot::client
