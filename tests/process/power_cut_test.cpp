// Power cuts on the real LMDB: a node is recorded while it serves, then its directory is made again and again as a cut
// at some moment may have left it. Each must open, and hold every message that was acknowledged before the cut.
#include "tests/support/power_cut.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <mutex>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "tests/support/delivery_checker.hpp"
#include "tests/support/disk_control.hpp"
#include "tests/support/process_client.hpp"
#include "tests/support/seed.hpp"

namespace earshot {
namespace {

constexpr std::uint32_t kSenders = 6;
constexpr std::uint32_t kWindow = 16;
constexpr std::uint32_t kRecipients = 4;
constexpr std::uint64_t kMessages = 5'000;  // of one recording

std::string sender_name(std::uint64_t i) { return "sender-" + std::to_string(i); }
std::string recipient_name(std::uint64_t i) { return "recipient-" + std::to_string(i); }

// What was sent in one recording, and what was acknowledged by when.
class Ledger {
 public:
  Ledger(std::uint64_t seed, const tests::DiskControl& disk) : random_(seed), disk_(disk) {}

  std::optional<client::Letter> next(std::uint32_t sender) {
    const std::lock_guard lock(mutex_);
    if (sent_.size() >= kMessages) return std::nullopt;
    const auto recipient = recipient_name(random_.below(kRecipients));
    client::Letter letter;
    letter.recipient = UserId::trusted(recipient);
    letter.options.id = random_.message_id();
    letter.body = std::to_string(sent_.size()) + std::string(random_.below(random_.chance(0.1) ? 20'000 : 300), '.');
    sent_.push_back({*letter.options.id, sender_name(sender), recipient, ++counts_[{sender, recipient}], letter.body});
    return letter;
  }
  void take(std::span<const client::SendReport> reports) {
    const std::uint64_t position = disk_.records();
    const std::lock_guard lock(mutex_);
    for (const auto& report : reports) acked_.push_back({position, report.id, std::get<Stored>(report.outcome)});
    changed_.notify_all();
  }
  bool wait_until_all_are_acked() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::milliseconds(tests::kPatienceMs),
                             [this] { return acked_.size() == kMessages; });
  }
  // The record before which a random message was known to be stored.
  std::uint64_t moment_of_an_ack(Random& random) const { return acked_[random.below(acked_.size())].position; }

  // What a mailbox that survived a cut breaks of the promises.
  std::vector<std::string> complaints(std::uint64_t cut, const std::string& user,
                                      const std::vector<IncomingMessage>& mailbox) const {
    tests::DeliveryChecker checker;
    for (const auto& sent : sent_) checker.sent(sent.sender, sent.recipient, sent.count, sent.id, sent.body);
    for (const auto& acked : acked_)
      if (acked.position <= cut) checker.stored(acked.id, acked.answer);
    checker.check_mailbox(user, mailbox);
    return checker.complaints();
  }

 private:
  struct Sent {
    MessageId id;
    std::string sender;
    std::string recipient;
    std::uint64_t count;
    std::string body;
  };
  struct Acked {
    std::uint64_t position;
    MessageId id;
    Stored answer;
  };
  std::mutex mutex_;
  std::condition_variable changed_;
  Random random_;
  const tests::DiskControl& disk_;
  std::map<std::pair<std::uint32_t, std::string>, std::uint64_t> counts_;
  std::vector<Sent> sent_;
  std::vector<Acked> acked_;
};

class Sender {
 public:
  Sender(std::uint32_t index, Ledger& ledger) : index_(index), ledger_(ledger) {}

  void start(const std::string& address, const std::shared_ptr<client::Runtime>& runtime) {
    client::Options options;
    options.addresses = {address};
    options.token = sender_name(index_);
    options.device = "load";
    options.receive = false;
    client::Handlers handlers;
    handlers.on_sent = [this](std::span<const client::SendReport> reports) {
      ledger_.take(reports);
      send(reports.size());
    };
    auto client = client::Client::open(options, std::make_shared<client::MemoryStore>(), std::move(handlers), runtime);
    ASSERT_TRUE(client) << client.error().to_string();
    client_ = std::move(*client);
    send(kWindow);
  }

 private:
  void send(std::size_t count) {
    std::vector<client::Letter> letters;
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < count; ++i)
      if (auto letter = ledger_.next(index_)) letters.push_back(std::move(*letter));
    if (letters.empty()) return;
    if (auto sent = client_->send(std::move(letters)); !sent) ADD_FAILURE() << sent.error().to_string();
  }

  const std::uint32_t index_;
  Ledger& ledger_;
  std::mutex mutex_;
  std::unique_ptr<client::Client> client_;
};

class PowerCut : public tests::ProcessTest {
 protected:
  // Runs a node from its first start until everything that is sent has been acknowledged, and kills it.
  void record(tests::DiskControl& disk, Ledger& ledger, const std::vector<std::string>& settings) {
    start_node_on(disk.data(), settings, disk.wrapper(true));
    std::vector<std::unique_ptr<Sender>> senders;
    for (std::uint32_t i = 0; i < kSenders; ++i) {
      senders.push_back(std::make_unique<Sender>(i, ledger));
      senders.back()->start(node().address(), runtime_);
    }
    ASSERT_TRUE(ledger.wait_until_all_are_acked());
    node().kill();
  }

  // What is wrong with a directory that a cut left.
  std::vector<std::string> complaints(const std::string& data, const std::vector<std::string>& settings,
                                      std::uint64_t cut, const Ledger& ledger) {
    try {
      start_node_on(data, settings, {});
    } catch (const std::exception& failure) {
      return {failure.what()};
    }
    std::vector<std::string> found;
    for (std::uint32_t i = 0; i < kRecipients; ++i) {
      const auto user = recipient_name(i);
      for (auto& text : ledger.complaints(cut, user, mailbox(user))) found.push_back(std::move(text));
    }
    node().kill();
    return found;
  }

  struct Cut {
    std::uint64_t after_records;
    std::uint64_t seed;
  };
  // Ascending. Half of them just when a message was known to be stored, where nothing may be late.
  std::vector<Cut> choose_cuts(std::size_t count, std::uint64_t records, const Ledger& ledger, Random& random) {
    std::vector<Cut> cuts;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t at = i % 2 == 0 ? ledger.moment_of_an_ack(random) : random.between(0, records);
      cuts.push_back({at, random.next()});
    }
    std::ranges::sort(cuts, {}, &Cut::after_records);
    return cuts;
  }

  // Tries so many cuts of one recording; the first that shows damage ends it, and is told and kept.
  std::optional<std::string> try_cuts(const std::string& directory, std::size_t count, bool lying, Random& random) {
    tests::DiskControl disk(directory);
    Ledger ledger(random.next(), disk);
    if (lying) disk.lie();
    // Sometimes everything is in the log, sometimes the tables are written all the time.
    const std::string interval_ms = std::to_string(random.between(1, 4) * random.between(1, 300));
    const std::vector<std::string> settings{"--flush-interval-ms", interval_ms, "--shard-count",
                                            std::to_string(random.between(1, 16))};
    record(disk, ledger, settings);
    if (HasFatalFailure()) return std::nullopt;
    tests::PowerCut trace(disk.trace_file());
    for (const Cut& cut : choose_cuts(count, trace.records(), ledger, random)) {
      trace.advance(cut.after_records);
      const std::string left = directory + "/left";
      Random chance(cut.seed);
      trace.leave(left, chance);
      const auto found = complaints(left + "/node", settings, cut.after_records, ledger);
      if (!found.empty())
        return "EARSHOT_POWER_CUT=" + disk.trace_file() + ":" + std::to_string(cut.after_records) + ":" +
               std::to_string(cut.seed) + " makes it again; " + testing::PrintToString(found);
      std::filesystem::remove_all(left);
    }
    std::cout << trace.records() << " records, flushed every " << interval_ms << " ms, " << count << " cuts"
              << std::endl;
    std::filesystem::remove_all(directory);
    return std::nullopt;
  }
};

TEST_F(PowerCut, LosesNothingAcknowledgedWhateverTheDiskKeepsOfTheRest) {
  const bool is_long = std::getenv("EARSHOT_LONG") != nullptr;
  const int recordings = is_long ? 20 : 3;
  const std::size_t cuts = is_long ? 25 : 10;
  Random random(tests::seed_of_test());
  for (int i = 0; i < recordings; ++i) {
    const auto kept = std::filesystem::temp_directory_path() / ("earshot-power-cut-" + std::to_string(random.next()));
    const auto damage = try_cuts(kept.string(), cuts, false, random);
    ASSERT_FALSE(HasFatalFailure());
    ASSERT_FALSE(damage) << *damage;
  }
}

// A test that cannot fail is worse than none.
TEST_F(PowerCut, DiskThatLiesAboutItsSyncsIsFoundOut) {
  Random random(tests::seed_of_test());
  EXPECT_TRUE(try_cuts(directory_ / "lying", 20, true, random));
}

// Only with EARSHOT_POWER_CUT=TRACE:RECORDS:SEED, as a failure prints it: makes that directory again, to look into.
TEST_F(PowerCut, FailureIsMadeAgain) {
  const char* given = std::getenv("EARSHOT_POWER_CUT");
  if (given == nullptr) GTEST_SKIP() << "no failure to make again";
  const std::string text = given;
  const auto seed_at = text.rfind(':');
  const auto cut_at = text.rfind(':', seed_at - 1);
  tests::PowerCut trace(text.substr(0, cut_at));
  trace.advance(std::stoull(text.substr(cut_at + 1)));
  Random chance(std::stoull(text.substr(seed_at + 1)));
  const std::string left = text.substr(0, cut_at) + "-left";
  std::filesystem::remove_all(left);
  trace.leave(left, chance);
  std::cout << "made again: " << left << "/node" << std::endl;
}

}  // namespace
}  // namespace earshot
