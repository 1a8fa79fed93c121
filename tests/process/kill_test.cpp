// A real node under load, killed again and again: what was answered is there, once, in order, and every device ends up
// with exactly the mailbox.
#include <condition_variable>
#include <cstdlib>
#include <mutex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "tests/support/delivery_checker.hpp"
#include "tests/support/process_client.hpp"
#include "tests/support/seed.hpp"

namespace earshot {
namespace {

constexpr std::uint32_t kSenders = 16;
constexpr std::uint32_t kWindow = 64;
constexpr std::uint32_t kRecipients = 8;
constexpr std::uint32_t kDevicesPerRecipient = 2;

int rounds() {
  const char* given = std::getenv("EARSHOT_KILL_ROUNDS");
  return given != nullptr ? std::atoi(given) : 20;
}

std::string recipient_name(std::uint64_t i) { return "recipient-" + std::to_string(i); }

// What all senders share: the checker, the switch that ends the load, the count of answers that the killer waits for.
class Load {
 public:
  explicit Load(std::uint64_t seed) : random_(seed) {}

  client::Letter next(std::uint32_t sender) {
    const std::lock_guard lock(mutex_);
    const auto recipient = recipient_name(random_.below(kRecipients));
    client::Letter letter;
    letter.recipient = UserId::trusted(recipient);
    letter.options.id = random_.message_id();
    const std::uint64_t count = ++counts_[{sender, recipient}];
    letter.body = "from " + std::to_string(sender) + " to " + recipient + ", number " + std::to_string(count) +
                  std::string(random_.below(300), '.');
    checker_.sent("sender-" + std::to_string(sender), recipient, count, *letter.options.id);
    return letter;
  }
  void take(std::span<const client::SendReport> reports) {
    const std::lock_guard lock(mutex_);
    for (const auto& report : reports) {
      if (const auto* stored = std::get_if<Stored>(&report.outcome)) {
        checker_.stored(report.id, *stored);
      } else {
        ++not_stored_;
      }
    }
    answers_ += reports.size();
    answered_.notify_all();
  }
  void wait_for_answers(std::uint64_t more, std::uint64_t at_most_ms) {
    std::unique_lock lock(mutex_);
    const std::uint64_t target = answers_ + more;
    answered_.wait_for(lock, std::chrono::milliseconds(at_most_ms), [&] { return answers_ >= target; });
  }
  void end() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  bool is_ended() {
    const std::lock_guard lock(mutex_);
    return ended_;
  }
  // Once nothing runs any more.
  tests::DeliveryChecker& checker() { return checker_; }
  [[nodiscard]] std::uint64_t not_stored() const { return not_stored_; }

 private:
  std::mutex mutex_;
  std::condition_variable answered_;
  Random random_;
  std::map<std::pair<std::uint32_t, std::string>, std::uint64_t> counts_;
  tests::DeliveryChecker checker_;
  std::uint64_t answers_ = 0;
  std::uint64_t not_stored_ = 0;
  bool ended_ = false;
};

class Sender {
 public:
  Sender(std::uint32_t index, Load& load) : index_(index), load_(load) {}

  void start(const std::string& address, const std::shared_ptr<client::Runtime>& runtime) {
    client::Options options;
    options.addresses = {address};
    options.token = "sender-" + std::to_string(index_);
    options.device = "load";
    options.receive = false;
    client::Handlers handlers;
    handlers.on_sent = [this](std::span<const client::SendReport> reports) {
      load_.take(reports);
      if (!load_.is_ended()) send(reports.size());
    };
    auto client = client::Client::open(options, std::make_shared<client::MemoryStore>(), std::move(handlers), runtime);
    ASSERT_TRUE(client) << client.error().to_string();
    client_ = std::move(*client);
    send(kWindow);
  }
  client::Client& client() { return *client_; }

 private:
  // One sender's letters are numbered and handed over by one thread at a time: first the test's, then the runtime's.
  void send(std::size_t count) {
    std::vector<client::Letter> letters;
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < count; ++i) letters.push_back(load_.next(index_));
    if (auto sent = client_->send(std::move(letters)); !sent) ADD_FAILURE() << sent.error().to_string();
  }

  const std::uint32_t index_;
  Load& load_;
  std::mutex mutex_;
  std::unique_ptr<client::Client> client_;
};

struct Listener {
  std::string user;
  std::shared_ptr<client::MemoryStore> store;
  std::unique_ptr<tests::Device> device;
};

class Kill : public tests::ProcessTest {};

TEST_F(Kill, LosesNothingDoublesNothingAndKeepsOrderUnderLoad) {
  Random random(tests::seed_of_test());
  // Retransmits soon, so that what an old session had outstanding is seen again within the test.
  start_node({"--retransmit-first-ms", "200"});
  auto sending = client::Runtime::start();
  ASSERT_TRUE(sending);

  Load load(random.next());
  std::vector<std::unique_ptr<Sender>> senders;
  for (std::uint32_t i = 0; i < kSenders; ++i) {
    senders.push_back(std::make_unique<Sender>(i, load));
    senders.back()->start(node().address(), *sending);
  }
  std::vector<Listener> listeners;
  for (std::uint32_t i = 0; i < kRecipients; ++i) {
    for (std::uint32_t device = 0; device < kDevicesPerRecipient; ++device) {
      auto receiver = options(recipient_name(i), "device-" + std::to_string(device));
      receiver.mode = device == 0 ? DeliveryMode::kOrdered : DeliveryMode::kSequenceOnly;
      const auto store = std::make_shared<client::MemoryStore>(tests::kKeepAll);
      listeners.push_back({recipient_name(i), store, open(receiver, store)});
    }
  }

  const int kills = rounds();
  for (int round = 0; round < kills; ++round) {
    load.wait_for_answers(1 + random.below(3'000), 3'000);
    node().kill();
    node().start();
  }
  load.end();
  for (auto& sender : senders) {
    const auto flushed = sender->client().flush(tests::kPatienceMs);
    ASSERT_TRUE(flushed) << flushed.error().to_string();
  }

  for (std::size_t i = 0; i < listeners.size(); i += kDevicesPerRecipient) {
    ASSERT_TRUE((*listeners[i].device)->wait_connected(tests::kPatienceMs));
    const auto mailbox = tests::whole_mailbox(listeners[i].device->client());
    load.checker().check_mailbox(listeners[i].user, mailbox);
    for (std::uint32_t device = 0; device < kDevicesPerRecipient; ++device) {
      auto& listener = listeners[i + device];
      listener.device->wait_for(mailbox.size());
      (*listener.device)->close();
      load.checker().check_device(listener.user + "/" + std::to_string(device), mailbox, listener.store->messages());
    }
  }
  EXPECT_THAT(load.checker().complaints(), testing::IsEmpty());
  EXPECT_EQ(load.not_stored(), 0u);
  EXPECT_EQ(load.checker().stored_count(), load.checker().sent_count());
  std::cout << kills << " kills, " << load.checker().stored_count() << " messages stored" << std::endl;
  EXPECT_EQ(node().stop(), 0);
}

}  // namespace
}  // namespace earshot
