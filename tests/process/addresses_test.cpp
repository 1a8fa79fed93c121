// One node behind three addresses that die and come back under load: clients see pauses, and nothing is lost, doubled
// or reordered.
#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "tests/support/byte_relay.hpp"
#include "tests/support/client_eventually.hpp"
#include "tests/support/delivery_checker.hpp"
#include "tests/support/process_client.hpp"
#include "tests/support/seed.hpp"

namespace earshot {
namespace {

using tests::ByteRelay;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kMessages = 6'000;
constexpr auto kRunMin = std::chrono::seconds(6);

std::uint64_t ms_since(Clock::time_point from) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - from).count());
}

// What a sender is told: every answer once, and the longest time without any while something was unanswered.
class Answers {
 public:
  client::Handlers handlers() {
    client::Handlers handlers;
    handlers.on_sent = [this](std::span<const client::SendReport> reports) {
      const std::lock_guard lock(mutex_);
      pause_ms_ = std::max(pause_ms_, ms_since(last_));
      last_ = Clock::now();
      for (const auto& report : reports) {
        const auto* stored = std::get_if<Stored>(&report.outcome);
        stored != nullptr ? checker.stored(report.id, *stored) : void(++failures_);
      }
    };
    return handlers;
  }
  [[nodiscard]] std::uint64_t pause_ms() const {
    const std::lock_guard lock(mutex_);
    return pause_ms_;
  }
  [[nodiscard]] std::uint64_t failures() const {
    const std::lock_guard lock(mutex_);
    return failures_;
  }
  template <class Change>
  void change(Change change) {
    const std::lock_guard lock(mutex_);
    change(checker);
  }

 private:
  mutable std::mutex mutex_;
  tests::DeliveryChecker checker;
  Clock::time_point last_ = Clock::now();
  std::uint64_t pause_ms_ = 0;
  std::uint64_t failures_ = 0;
};

class SeveralAddresses : public tests::ProcessTest {
 protected:
  void start() {
    start_node();
    for (int i = 0; i < 3; ++i) relays_.push_back(std::make_unique<ByteRelay>(node().port()));
  }
  client::Options through_all(const std::string& user, const std::string& device = "phone") {
    auto through = options(user, device);
    through.addresses.clear();
    for (const auto& relay : relays_) through.addresses.push_back(relay->address());
    through.reconnect = {50, 400};
    return through;
  }
  std::vector<std::unique_ptr<ByteRelay>> relays_;
};

TEST_F(SeveralAddresses, NodesThatDieAndComeBackUnderLoadCostPausesAndNothingElse) {
  Random random(tests::seed_of_test());
  Random ids(random.next());
  start();
  const auto store = std::make_shared<client::MemoryStore>(tests::kKeepAll);
  const auto bob = open(through_all("bob"), store);
  Answers answers;
  auto sending = through_all("alice", "sender");
  sending.receive = false;
  auto alice = client::Client::open(sending, std::make_shared<client::MemoryStore>(), answers.handlers(), runtime_);
  ASSERT_TRUE(alice);
  ASSERT_TRUE((*alice)->wait_connected(tests::kPatienceMs));

  std::uint64_t kills = 0;
  std::jthread reaper([&](const std::stop_token& done) {
    const auto nap = [&](std::uint64_t most) {
      std::this_thread::sleep_for(std::chrono::milliseconds(random.between(1, most)));
    };
    while (!done.stop_requested()) {
      ByteRelay& relay = *relays_[random.below(relays_.size())];
      relay.kill(), ++kills;
      nap(300);  // sometimes the next one dies before this one is back: then only one is left, or the client waits
      if (random.chance(0.3)) {
        for (const auto& each : relays_) each->kill();
        nap(200);
        for (const auto& each : relays_) each->revive();
      } else {
        relay.revive();
      }
      nap(300);
    }
  });

  std::uint64_t reads = 0;
  const auto begin = Clock::now();
  for (std::uint64_t sent = 0; sent < kMessages || Clock::now() - begin < kRunMin;) {
    std::vector<client::Letter> letters;
    for (int i = 0; i < 20; ++i) letters.push_back({UserId::trusted("bob"), std::to_string(sent + 1 + i), {}});
    // The answer may come before the call returns.
    answers.change([&](tests::DeliveryChecker& checker) {
      for (std::size_t i = 0; i < letters.size(); ++i) {
        letters[i].options.id = ids.message_id();
        checker.sent("alice", "bob", sent + 1 + i, *letters[i].options.id, letters[i].body);
      }
    });
    sent += letters.size();
    ASSERT_TRUE((*alice)->send(std::move(letters)));
    const auto read = (*alice)->history(Sequence(), 1).get();
    EXPECT_TRUE(read) << read.error().to_string();
    ++reads;
  }
  reaper.request_stop();
  reaper.join();
  for (const auto& relay : relays_) relay->revive();
  ASSERT_TRUE((*alice)->flush(tests::kPatienceMs));
  const std::vector<IncomingMessage> stored = mailbox("bob");
  ASSERT_TRUE(bob->wait_for(stored.size()));
  answers.change([&](tests::DeliveryChecker& checker) {
    checker.check_mailbox("bob", stored);
    checker.check_device("bob's phone", stored, store->messages());
    EXPECT_EQ(stored.size(), checker.sent_count());
    EXPECT_EQ(checker.stored_count(), checker.sent_count());
    for (const auto& complaint : checker.complaints()) ADD_FAILURE() << complaint;
  });
  EXPECT_EQ(answers.failures(), 0u);
  std::cout << kills << " addresses killed, " << stored.size() << " messages, " << reads << " reads, "
            << (*alice)->stats().reconnects << " reconnects, longest pause " << answers.pause_ms() << " ms"
            << std::endl;
  EXPECT_GT((*alice)->stats().reconnects, 3u);
  // All dead for 0.2 s, then the longest rest of an address; the rest is this machine's.
  EXPECT_LT(answers.pause_ms(), 200 + 400 + 2'000u);
}

}  // namespace
}  // namespace earshot
