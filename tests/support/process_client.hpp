#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "client/client.hpp"
#include "client/memory_store.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/temporary_directory.hpp"

// Clients of a real node, and what their handlers saw.
namespace earshot::tests {

inline constexpr std::uint64_t kPatienceMs = 60'000;
inline constexpr std::size_t kKeepAll = 10'000'000;

// The client library at work on one device. What arrives is counted; what is stored is the store's to show.
class Device {
 public:
  Device(client::Options options, std::shared_ptr<client::Store> store,
         const std::shared_ptr<client::Runtime>& runtime) {
    client::Handlers handlers;
    handlers.on_messages = [this](std::span<const IncomingMessage> messages) {
      const std::lock_guard lock(mutex_);
      received_ += messages.size();
      last_ = std::max(last_, messages.back().sequence.value);
      changed_.notify_all();
    };
    handlers.on_state = [this](const client::ConnectionChange& change) {
      const std::lock_guard lock(mutex_);
      changes_.push_back(change.kind);
      if (change.kind == client::ConnectionChange::Kind::kDisconnected) acked_before_ = acked_;
      if (change.welcome) logins_.push_back({change.welcome->login.cursor.value, acked_before_, received_});
      changed_.notify_all();
    };
    auto client = client::Client::open(std::move(options), std::move(store), std::move(handlers), runtime);
    if (!client) throw std::runtime_error(client.error().to_string());
    client_ = std::move(*client);
  }
  ~Device() { client_->close(); }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  client::Client* operator->() { return client_.get(); }
  client::Client& client() { return *client_; }

  // Until a message with this sequence, or a later one, is stored.
  bool wait_for(std::uint64_t sequence) {
    return wait([&] { return last_ >= sequence; });
  }
  bool wait_received(std::uint64_t messages) {
    return wait([&] { return received_ >= messages; });
  }
  // Until the connection has changed in this way so many times.
  bool wait_changes(client::ConnectionChange::Kind kind, std::ptrdiff_t times = 1) {
    return wait([&] { return std::count(changes_.begin(), changes_.end(), kind) >= times; });
  }
  std::uint64_t received() {
    const std::lock_guard lock(mutex_);
    return received_;
  }
  // The broker has said that the device has acked so much.
  void note_acked(std::uint64_t up_to) {
    const std::lock_guard lock(mutex_);
    acked_ = std::max(acked_, up_to);
  }
  // What it said at each login.
  struct Login {
    std::uint64_t cursor = 0;
    std::uint64_t acked = 0;     // as it had said before the connection was lost that the login replaced
    std::uint64_t received = 0;  // so much the device had stored by then
  };
  std::vector<Login> logins() {
    const std::lock_guard lock(mutex_);
    return logins_;
  }

 private:
  template <class Condition>
  bool wait(Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::milliseconds(kPatienceMs), condition);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t received_ = 0;
  std::uint64_t last_ = 0;
  std::vector<client::ConnectionChange::Kind> changes_;
  std::uint64_t acked_ = 0;
  std::uint64_t acked_before_ = 0;
  std::vector<Login> logins_;
  std::unique_ptr<client::Client> client_;
};

// The mailbox as the broker gives it.
inline std::vector<IncomingMessage> whole_mailbox(client::Client& client) {
  std::vector<IncomingMessage> messages;
  for (;;) {
    const Sequence after(messages.empty() ? 0 : messages.back().sequence.value);
    auto page = client.fetch(after, limits::kFetchMessagesMax).get();
    EXPECT_TRUE(page) << page.error().to_string();
    if (!page || page->messages.empty()) return messages;
    EXPECT_TRUE(page->lost.empty());
    std::move(page->messages.begin(), page->messages.end(), std::back_inserter(messages));
  }
}

inline std::vector<std::string> bodies_of(const std::vector<IncomingMessage>& messages) {
  std::vector<std::string> bodies;
  for (const auto& message : messages) bodies.push_back(message.body);
  return bodies;
}

// "1", "2", … up to `count`.
inline std::vector<std::string> numbered(std::uint64_t count) {
  std::vector<std::string> texts;
  for (std::uint64_t i = 1; i <= count; ++i) texts.push_back(std::to_string(i));
  return texts;
}

// A node in a process of its own, on an empty directory, with clients in this one.
class ProcessTest : public testing::Test {
 protected:
  void start_node(std::vector<std::string> more = {}) { start_node_on(directory_ / "node", std::move(more), {}); }
  void start_node_on(std::string data, std::vector<std::string> more, std::vector<std::string> wrapper) {
    node_ = std::make_unique<NodeProcess>(NodeOptions{std::move(data), 0, std::move(more), std::move(wrapper)});
  }
  NodeProcess& node() { return *node_; }

  client::Options options(const std::string& user, const std::string& device = "phone") {
    client::Options options;
    options.addresses = {node_->address()};
    options.token = user;
    options.device = device;
    return options;
  }
  std::unique_ptr<Device> open(client::Options options, std::shared_ptr<client::Store> store) {
    return std::make_unique<Device>(std::move(options), std::move(store), runtime_);
  }
  // A device that only sends, and forgets with the process.
  std::unique_ptr<Device> open_sender(const std::string& user) {
    auto sender = options(user, "sender");
    sender.receive = false;
    return open(std::move(sender), std::make_shared<client::MemoryStore>());
  }
  // Sends each text, and returns when all are stored.
  void send(const std::string& from, const std::string& to, const std::vector<std::string>& texts,
            client::SendOptions how = {}) {
    const auto sender = open_sender(from);
    post(*sender, to, texts, how);
    flush(*sender);
    ASSERT_EQ((*sender)->stats().sent, texts.size());
  }
  // Hands each text to the sender's outbox.
  static void post(Device& sender, const std::string& to, const std::vector<std::string>& texts,
                   client::SendOptions how = {}) {
    for (std::size_t begin = 0; begin < texts.size(); begin += limits::kBatchMessagesMax) {
      std::vector<client::Letter> letters;
      const std::size_t end = std::min(texts.size(), begin + limits::kBatchMessagesMax);
      for (std::size_t i = begin; i < end; ++i) letters.push_back({UserId::trusted(to), texts[i], how});
      const auto taken = sender->send(std::move(letters));
      ASSERT_TRUE(taken) << taken.error().to_string();
    }
  }
  static void flush(Device& sender) {
    const auto flushed = sender->flush(kPatienceMs);
    ASSERT_TRUE(flushed) << flushed.error().to_string();
  }
  std::vector<IncomingMessage> mailbox(const std::string& user) {
    auto reading = options(user, "reader");
    reading.receive = false;
    const auto reader = open(std::move(reading), std::make_shared<client::MemoryStore>());
    const auto connected = (*reader)->wait_connected(kPatienceMs);
    EXPECT_TRUE(connected) << connected.error().to_string();
    return whole_mailbox(reader->client());
  }

  TemporaryDirectory directory_;
  std::shared_ptr<client::Runtime> runtime_ = client::Runtime::start().value();

 private:
  std::unique_ptr<NodeProcess> node_;
};

}  // namespace earshot::tests
