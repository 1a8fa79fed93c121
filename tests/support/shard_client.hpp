#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "actors/broker.hpp"
#include "tests/support/shard_ports.hpp"

namespace earshot::tests {

// A connection that records what its session says and lets a test wait for it. Thread-safe.
class RecordingClient final : public actors::ClientPort {
 public:
  void logged_in(Result<Welcome> answer) override {
    change([&] { welcome = std::move(answer); });
  }
  void answered(actors::CallId call, std::vector<SendAnswer> answers) override {
    change([&] { sends[call] = std::move(answers); });
  }
  void answered(actors::CallId call, Status status) override {
    change([&] { statuses[call] = std::move(status); });
  }
  void answered(actors::CallId call, Result<Sequence> cursor) override {
    change([&] { acks[call] = std::move(cursor); });
  }
  void answered(actors::CallId call, Result<Batch> batch) override {
    change([&] { batches[call] = std::move(batch); });
  }
  void answered(actors::CallId call, Result<ManageAnswer> answer) override {
    change([&] { manages.emplace(call, std::move(answer)); });
  }
  void deliver(actors::Delivery delivery) override {
    change([&] { deliveries.push_back(std::move(delivery)); });
  }
  void go_away(GoAway) override {}
  void closed(Error reason) override {
    change([&] { closed_with = std::move(reason); });
  }

  // Until `what` holds of what was recorded; false when it does not in a time that only a hang can take.
  [[nodiscard]] bool wait(const std::function<bool()>& what) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), what);
  }
  // Everything below is read under wait(), or when nothing more can come.
  std::optional<Result<Welcome>> welcome;
  std::map<actors::CallId, std::vector<SendAnswer>> sends;
  std::map<actors::CallId, Status> statuses;
  std::map<actors::CallId, Result<Sequence>> acks;
  std::map<actors::CallId, Result<Batch>> batches;
  std::map<actors::CallId, Result<ManageAnswer>> manages;
  std::vector<actors::Delivery> deliveries;
  std::optional<Error> closed_with;

  // Different messages delivered, by sequence.
  [[nodiscard]] std::map<std::uint64_t, std::shared_ptr<const IncomingMessage>> delivered() const {
    std::map<std::uint64_t, std::shared_ptr<const IncomingMessage>> messages;
    for (const auto& delivery : deliveries) {
      for (const auto& item : delivery.items) messages.emplace(item.message->sequence.value, item.message);
    }
    return messages;
  }

 private:
  template <class Change>
  void change(Change&& change) {
    const std::lock_guard lock(mutex_);
    change();
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
};

// A device of a user, connected to a node and logged in.
class TestClient {
 public:
  TestClient(actors::Broker& broker, UserId user, std::string_view name, ProducerId producer = {})
      : user_(std::move(user)) {
    LoginRequest request;
    request.device = device(name);
    request.producer = producer;
    inbox_ = broker.open_session(Identity{user_}, std::move(request), port_);
    EXPECT_TRUE(port_->wait([this] { return port_->welcome.has_value(); })) << "no answer to the login";
  }

  RecordingClient* operator->() { return port_.get(); }
  [[nodiscard]] const Welcome& welcome() const { return port_->welcome->value(); }
  [[nodiscard]] actors::SessionInbox& inbox() { return *inbox_; }

  // Sends messages first, first + 1, … of the lane of `to`'s shard, without waiting.
  actors::CallId post(const UserId& to, std::uint64_t first, std::uint64_t count = 1, bool copy_to_self = false) {
    actors::ClientSend send{++calls_, {}};
    for (std::uint64_t number = first; number < first + count; ++number) {
      OutgoingMessage message = outgoing(to, number, user_.text() + " says " + std::to_string(number));
      message.copy_to_self = copy_to_self;
      send.items.push_back({shard_of(to, welcome().shard_count), SendItem{std::move(message), std::nullopt}});
    }
    inbox_->post(std::move(send));
    return calls_;
  }
  // The sequences that the messages were stored under; 0 for one that was not.
  std::vector<std::uint64_t> send(const UserId& to, std::uint64_t first, std::uint64_t count = 1,
                                  bool copy_to_self = false) {
    const auto call = post(to, first, count, copy_to_self);
    EXPECT_TRUE(port_->wait([&] { return port_->sends.contains(call); })) << "no answer to a send";
    std::vector<std::uint64_t> sequences;
    for (const auto& answer : port_->sends[call]) {
      const auto* stored = std::get_if<Stored>(&answer.value);
      sequences.push_back(stored != nullptr ? stored->sequence.value : 0);
    }
    return sequences;
  }
  void subscribe() {
    const auto call = ++calls_;
    inbox_->post(actors::ClientSubscribe{call, DeliveryMode::kOrdered, 0});
    EXPECT_TRUE(port_->wait([&] { return port_->statuses.contains(call); })) << "no answer to subscribe";
  }
  // Waits until so many different messages have been delivered, taking every batch in.
  [[nodiscard]] bool receive(std::size_t count) {
    std::size_t taken = 0;
    while (true) {
      std::vector<std::uint64_t> numbers;
      const bool more =
          port_->wait([&] { return port_->delivered().size() >= count || port_->deliveries.size() > taken; });
      if (!more) return false;
      bool done = false;
      EXPECT_TRUE(port_->wait([&] {
        for (; taken < port_->deliveries.size(); ++taken) numbers.push_back(port_->deliveries[taken].number);
        done = port_->delivered().size() >= count;
        return true;
      }));
      for (const auto number : numbers) inbox_->post(actors::ClientDelivered{number});
      if (done) return true;
    }
  }
  Result<Sequence> ack(std::uint64_t up_to) {
    const auto call = ++calls_;
    inbox_->post(actors::ClientAck{call, AckRequest{Sequence(up_to), {}}});
    EXPECT_TRUE(port_->wait([&] { return port_->acks.contains(call); })) << "no answer to an ack";
    return port_->acks.at(call);
  }
  // All messages of the mailbox.
  std::vector<IncomingMessage> mailbox() {
    std::vector<IncomingMessage> messages;
    while (true) {
      const auto call = ++calls_;
      const Sequence after = messages.empty() ? Sequence() : messages.back().sequence;
      inbox_->post(actors::ClientFetch{call, after, 1000, FetchCause::kCatchUp});
      EXPECT_TRUE(port_->wait([&] { return port_->batches.contains(call); })) << "no answer to a fetch";
      auto& batch = port_->batches.at(call);
      if (!batch.has_value()) {
        ADD_FAILURE() << batch.error().to_string();
        return messages;
      }
      if (batch->messages.empty()) return messages;
      for (auto& message : batch->messages) messages.push_back(std::move(message));
    }
  }
  void leave() { inbox_->post(actors::ClientGone{}); }

 private:
  const UserId user_;
  const std::shared_ptr<RecordingClient> port_ = std::make_shared<RecordingClient>();
  std::shared_ptr<actors::SessionInbox> inbox_;
  actors::CallId calls_ = 0;
};

}  // namespace earshot::tests
