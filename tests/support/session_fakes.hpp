#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "actors/session.hpp"
#include "base/checksum.hpp"

// Surroundings of a session that record what it does, and a fixture that moves it through virtual time.
namespace earshot::tests {

using namespace earshot::actors;

struct FakeShard final : ShardInbox {
  void post(ShardSend message) override { sends.push_back(std::move(message)), note("send"); }
  void post(ShardLogin message) override { logins.push_back(std::move(message)), note("login"); }
  void post(ShardAck message) override { acks.push_back(std::move(message)), note("ack"); }
  void post(ShardFetch message) override { fetches.push_back(std::move(message)), note("fetch"); }
  void post(ShardHistory message) override { histories.push_back(std::move(message)), note("history"); }
  void post(ShardManage message) override { manages.push_back(std::move(message)), note("manage"); }
  void post(ShardAttempts message) override { attempts.push_back(std::move(message)), note("attempts"); }
  void post(ShardRegister message) override {
    note(message.push ? "register push" : "register");
    registers.push_back(std::move(message));
  }
  void post(ShardUnregister message) override { unregisters.push_back(std::move(message)), note("unregister"); }
  void post(ShardPositions) override {}
  void post(ShardWhere) override {}
  void post(ShardTransfer) override {}
  void post(ShardTransferred) override {}
  void note(std::string what) { log.push_back(std::move(what)); }

  std::vector<ShardSend> sends;
  std::vector<ShardLogin> logins;
  std::vector<ShardAck> acks;
  std::vector<ShardFetch> fetches;
  std::vector<ShardHistory> histories;
  std::vector<ShardManage> manages;
  std::vector<ShardAttempts> attempts;
  std::vector<ShardRegister> registers;
  std::vector<ShardUnregister> unregisters;
  std::vector<std::string> log;  // in the order of arrival
};

struct FakeClient final : ClientPort {
  void logged_in(Result<Welcome> welcome) override { welcomes.push_back(std::move(welcome)); }
  void answered(CallId call, std::vector<SendAnswer> answers) override { sends.emplace_back(call, std::move(answers)); }
  void answered(CallId call, Status status) override { statuses.emplace_back(call, std::move(status)); }
  void answered(CallId call, Result<Sequence> cursor) override { cursors.emplace_back(call, std::move(cursor)); }
  void answered(CallId call, Result<Batch> batch) override { batches.emplace_back(call, std::move(batch)); }
  void answered(CallId call, Result<ManageAnswer> answer) override { manages.emplace_back(call, std::move(answer)); }
  void deliver(Delivery delivery) override { deliveries.push_back(std::move(delivery)); }
  void go_away(GoAway request) override { goings.push_back(std::move(request)); }
  void closed(Error reason) override { closings.push_back(std::move(reason)); }

  std::vector<Result<Welcome>> welcomes;
  std::vector<std::pair<CallId, std::vector<SendAnswer>>> sends;
  std::vector<std::pair<CallId, Status>> statuses;
  std::vector<std::pair<CallId, Result<Sequence>>> cursors;
  std::vector<std::pair<CallId, Result<Batch>>> batches;
  std::vector<std::pair<CallId, Result<ManageAnswer>>> manages;
  std::vector<Delivery> deliveries;
  std::vector<GoAway> goings;
  std::vector<Error> closings;
};

struct FakeHost final : SessionHost {
  void wake_at(std::uint64_t monotonic_ms) override { wake_ms = monotonic_ms; }
  [[nodiscard]] std::uint64_t wall_ms() const override { return wall; }
  void end() override { ended = true; }
  std::uint64_t wake_ms = 0;
  std::uint64_t wall = 1'700'000'000'000;
  bool ended = false;
};

struct FakeSessionPort final : SessionPort {
  void post(SendsAnswered) override {}
  void post(LoginAnswered) override {}
  void post(AckAnswered) override {}
  void post(FetchAnswered) override {}
  void post(MailboxPush) override {}
  void post(ManageAnswered) override {}
  void post(AttemptsAnswered) override {}
  void post(MessagesEnded) override {}
  void post(ParkingRule) override {}
  void post(SessionExplain) override {}
  void post(SessionExplained message) override { explained.push_back(std::move(message)); }
  void post(SessionEvicted) override {}
  void post(LeaderAnnounced message) override { announced.push_back(message); }

  std::vector<SessionExplained> explained;
  std::vector<LeaderAnnounced> announced;
};

inline UserId user(const std::string& name) { return UserId::trusted(name); }
inline Sequence seq(std::uint64_t value) { return Sequence(value); }

inline IncomingMessage incoming(std::uint64_t sequence, std::string body = "hello") {
  IncomingMessage message;
  message.sequence = seq(sequence);
  message.sender = user("bob");
  message.id = MessageId{1, sequence};
  message.checksum = checksum_of(body);
  message.body = std::move(body);
  return message;
}

inline MailboxPush push_of(std::uint64_t first, std::uint64_t last, const std::string& body = "hello") {
  MailboxPush push;
  for (std::uint64_t s = first; s <= last; ++s) {
    push.messages.push_back(std::make_shared<const IncomingMessage>(incoming(s, body)));
  }
  return push;
}

inline Batch batch_of(std::uint64_t first, std::uint64_t last, std::uint64_t last_sequence) {
  Batch batch{Epoch(1), {}, {}, seq(last_sequence)};
  for (std::uint64_t s = first; s <= last; ++s) batch.messages.push_back(incoming(s));
  return batch;
}

inline std::vector<std::uint64_t> sequences_of(const Delivery& delivery) {
  std::vector<std::uint64_t> all;
  for (const auto& item : delivery.items) all.push_back(item.message->sequence.value);
  return all;
}

using Numbers = std::vector<std::uint64_t>;
inline Numbers numbers(std::uint64_t first, std::uint64_t last) {
  Numbers all;
  for (std::uint64_t n = first; n <= last; ++n) all.push_back(n);
  return all;
}

class SessionTest : public ::testing::Test {
 protected:
  static constexpr std::uint16_t kShards = 4;
  static constexpr std::uint32_t kFirstMs = 1'000;
  static constexpr std::uint32_t kMaxMs = 8'000;
  static constexpr std::uint64_t kTimeoutMs = 10'000;

  SessionTest() {
    std::vector<std::shared_ptr<ShardInbox>> inboxes;
    for (int i = 0; i < kShards; ++i) {
      shards_.push_back(std::make_shared<FakeShard>());
      inboxes.push_back(shards_.back());
    }
    router_ = std::make_shared<Router>(std::move(inboxes));
    connect();
  }

  // A new session; the client's database belongs to this epoch (none: it is empty).
  void connect(Epoch epoch = {}, const LoginOrder& order = {}) {
    SessionOptions options;
    options.id = 7;
    options.user = user("alice");
    options.request.device = DeviceId::trusted("phone");
    options.request.epoch = epoch;
    options.request.order = order;
    options.retransmit = BackoffPolicy{kFirstMs, kMaxMs};
    options.request_timeout_ms = kTimeoutMs;
    options.counters = counters_;
    options.windows = windows_;
    session_ =
        std::make_unique<Session>(options, host_, client_, std::make_shared<FakeSessionPort>(), router_, Random(1));
  }

  FakeShard& home() { return *shards_[shard_of(user("alice"), kShards).value]; }

  // Logged in with this cursor and this newest message in the mailbox.
  void open(std::uint64_t cursor = 0, std::uint64_t last = 0) {
    session_->start(now_);
    session_->handle(LoginAnswered{home().logins.back().request, outcome(cursor, last)}, now_);
  }
  static LoginOutcome outcome(std::uint64_t cursor, std::uint64_t last) {
    return LoginOutcome{ProducerId(9), true, Epoch(1), Sequence{}, seq(cursor), seq(last)};
  }

  // Subscribed, with the first read answered: nothing waits in the mailbox.
  void deliver_from(std::uint64_t cursor, DeliveryMode mode, std::uint32_t window = 0) {
    open(cursor, cursor);
    subscribe(mode, window);
    answer_read(batch_of(1, 0, cursor));
  }
  void subscribe(DeliveryMode mode, std::uint32_t window = 0) {
    session_->handle(ClientSubscribe{++call_, mode, window}, now_);
  }
  // Answers the newest read of the mailbox.
  void answer_read(Result<Batch> batch) {
    session_->handle(FetchAnswered{home().fetches.back().request, std::move(batch)}, now_);
  }
  void push(std::uint64_t first, std::uint64_t last, const std::string& body = "hello") {
    session_->handle(push_of(first, last, body), now_);
  }
  // The client takes in every delivery that it has not yet taken in.
  void take_in() {
    while (taken_in_ < client_->deliveries.size()) take_in_one();
  }
  void take_in_one() { session_->handle(ClientDelivered{client_->deliveries.at(taken_in_++).number}, now_); }

  CallId ack(std::uint64_t up_to, Numbers above = {}) {
    AckRequest request{seq(up_to), {}};
    for (const auto s : above) request.above.push_back(seq(s));
    session_->handle(ClientAck{++call_, std::move(request)}, now_);
    return call_;
  }
  void answer_ack(Result<Sequence> cursor) {
    session_->handle(AckAnswered{home().acks.back().request, std::move(cursor)}, now_);
  }
  CallId nack(Numbers sequences, std::uint32_t delay_ms) {
    NackRequest request{{}, delay_ms};
    for (const auto s : sequences) request.sequences.push_back(seq(s));
    session_->handle(ClientNack{++call_, std::move(request)}, now_);
    return call_;
  }

  // Moves time, waking the session whenever its timer fires on the way.
  void advance(std::uint64_t ms) {
    const std::uint64_t end = now_ + ms;
    for (int wakes = 0; host_.wake_ms != 0 && host_.wake_ms <= end; ++wakes) {
      ASSERT_LT(wakes, 10'000) << "the timer spins";
      now_ = std::max(now_, std::exchange(host_.wake_ms, 0));
      session_->wake(now_);
    }
    now_ = end;
  }

  [[nodiscard]] std::size_t deliveries() const { return client_->deliveries.size(); }
  [[nodiscard]] Numbers delivered(std::size_t index) const { return sequences_of(client_->deliveries.at(index)); }
  [[nodiscard]] Numbers last_delivered() const { return sequences_of(client_->deliveries.back()); }
  [[nodiscard]] const Status& status_of(CallId call) const {
    const auto found = std::ranges::find(client_->statuses, call, [](const auto& one) { return one.first; });
    EXPECT_NE(found, client_->statuses.end());
    return found->second;
  }
  [[nodiscard]] const Result<Sequence>* cursor_of(CallId call) const {
    const auto found = std::ranges::find(client_->cursors, call, [](const auto& one) { return one.first; });
    return found == client_->cursors.end() ? nullptr : &found->second;
  }

  std::uint64_t now_ = 1'000;
  CallId call_ = 0;
  std::size_t taken_in_ = 0;
  FakeHost host_;
  std::vector<std::shared_ptr<FakeShard>> shards_;
  std::shared_ptr<const Router> router_;
  std::shared_ptr<FakeClient> client_ = std::make_shared<FakeClient>();
  std::shared_ptr<SessionCounters> counters_ = std::make_shared<SessionCounters>();
  const std::shared_ptr<ByteBudget> windows_ = std::make_shared<ByteBudget>(limits::kWindowsBytesMax);
  std::unique_ptr<Session> session_;
};

}  // namespace earshot::tests
