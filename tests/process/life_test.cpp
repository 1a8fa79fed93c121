// The life of messages on a real node, as a person sees it from the command line and an application from its handlers.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/process_client.hpp"
#include "tests/support/raw_device.hpp"

namespace earshot {
namespace {

using nlohmann::json;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A device that takes everything but bodies that say "poison", as long as it is told not to.
class PickyDevice {
 public:
  PickyDevice(client::Options options, const std::shared_ptr<client::Runtime>& runtime) {
    client::Handlers handlers;
    handlers.on_offer = [this](std::span<const IncomingMessage> messages, std::vector<client::Rejection>& rejections) {
      for (const auto& message : messages) {
        if (rejects && message.body == "poison") rejections.push_back({message.sequence, 0});
      }
    };
    handlers.on_messages = [this](std::span<const IncomingMessage> messages) {
      change([&] { received_.insert(received_.end(), messages.begin(), messages.end()); });
    };
    handlers.on_lost = [this](std::span<const LostRange> ranges) {
      change([&] { lost_.insert(lost_.end(), ranges.begin(), ranges.end()); });
    };
    handlers.on_state = [this](const client::ConnectionChange& state) {
      change([&] { disconnects_ += state.kind == client::ConnectionChange::Kind::kDisconnected ? 1 : 0; });
    };
    client_ =
        client::Client::open(std::move(options), std::make_shared<client::MemoryStore>(), std::move(handlers), runtime)
            .value();
  }
  ~PickyDevice() { client_->close(); }
  PickyDevice(const PickyDevice&) = delete;
  PickyDevice& operator=(const PickyDevice&) = delete;

  bool wait_lost(const LostRange& range) {
    return wait([&] { return std::find(lost_.begin(), lost_.end(), range) != lost_.end(); });
  }
  bool wait_received(std::uint64_t sequence) {
    return wait([&] { return message(sequence) != nullptr; });
  }
  bool wait_disconnected() {
    return wait([&] { return disconnects_ > 0; });
  }
  // After wait_received().
  IncomingMessage received(std::uint64_t sequence) {
    const std::lock_guard lock(mutex_);
    return *message(sequence);
  }
  client::Client* operator->() { return client_.get(); }

  std::atomic<bool> rejects = true;

 private:
  const IncomingMessage* message(std::uint64_t sequence) {
    const auto found = std::find_if(received_.begin(), received_.end(),
                                    [&](const auto& one) { return one.sequence.value == sequence; });
    return found == received_.end() ? nullptr : &*found;
  }
  template <class Change>
  void change(Change what) {
    const std::lock_guard lock(mutex_);
    what();
    changed_.notify_all();
  }
  bool wait(const std::function<bool()>& condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::milliseconds(tests::kPatienceMs), condition);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<IncomingMessage> received_;
  std::vector<LostRange> lost_;
  int disconnects_ = 0;
  std::unique_ptr<client::Client> client_;
};

struct Outcome {
  int code = 0;
  std::string output;
};

// What a step of a message's life begins with, to the millisecond.
const std::string kTime = "  [0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}";

class Life : public tests::ProcessTest {
 protected:
  Life() { start_node(); }

  Outcome earshot(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), tests::earshot_path());
    arguments.insert(arguments.begin() + 2, {"--server", node().address()});
    tests::ChildProcess process(arguments);
    Outcome outcome;
    outcome.output = process.read_all();
    outcome.code = process.wait();
    return outcome;
  }
  // A command's JSON lines.
  std::vector<json> lines(std::vector<std::string> arguments) {
    arguments.emplace_back("--json");
    const Outcome outcome = earshot(std::move(arguments));
    EXPECT_EQ(outcome.code, 0) << outcome.output;
    std::vector<json> parsed;
    std::istringstream stream(outcome.output);
    for (std::string line; std::getline(stream, line);) parsed.push_back(json::parse(line));
    return parsed;
  }
  std::vector<json> lost_lines(std::vector<json> all) {
    std::erase_if(all, [](const json& line) { return !line.contains("lost"); });
    return all;
  }
  std::unique_ptr<PickyDevice> bob(const std::string& device = "phone") {
    return std::make_unique<PickyDevice>(options("bob", device), runtime_);
  }
  // A device of Bob's that has a place in the mailbox, and goes away. A new one would begin at the oldest kept message.
  void leave_behind(const std::string& device) {
    ASSERT_EQ(earshot({"history", "--user", "bob", "--device", device}).code, 0);
  }
  static LostRange lost(std::uint64_t first, std::uint64_t last, LostReason reason) {
    return LostRange{Sequence(first), Sequence(last), reason};
  }
};

TEST_F(Life, AMessageEndsAtItsTimeForTheDeviceThatHasItNotAndForTheOneThatIsAway) {
  leave_behind("late");
  const auto phone = bob();
  ASSERT_EQ(earshot({"send", "--user", "alice", "--to", "bob", "--ttl", "2s", "poison"}).code, 0);
  ASSERT_EQ(earshot({"send", "--user", "alice", "--to", "bob", "stays"}).code, 0);
  ASSERT_TRUE(phone->wait_lost(lost(1, 1, LostReason::kExpired)));
  EXPECT_TRUE(phone->wait_received(2)) << "and what waited behind it comes";

  const auto late = lines({"listen", "--user", "bob", "--device", "late", "--until", "2"});
  ASSERT_EQ(lost_lines(late).size(), 1u);
  EXPECT_EQ(lost_lines(late)[0]["lost"], (json{{"first", 1}, {"last", 1}, {"reason", "expired"}}));

  const auto life = lines({"explain", "--user", "alice", "--of", "bob", "1"}).at(0);
  EXPECT_EQ(life["kept"], false);
  EXPECT_EQ(life["endedReason"], "expired");
}

TEST_F(Life, AMessageThatExpiresInTheOutboxIsReportedAndNotStored) {
  auto sending = options("alice", "sender");
  sending.receive = false;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<client::SendOutcome> outcomes;
  client::Handlers handlers;
  handlers.on_sent = [&](std::span<const client::SendReport> reports) {
    const std::lock_guard lock(mutex);
    for (const auto& report : reports) outcomes.push_back(report.outcome);
    changed.notify_all();
  };
  node().kill();
  auto sender =
      client::Client::open(sending, std::make_shared<client::MemoryStore>(), std::move(handlers), runtime_).value();
  client::SendOptions how;
  how.ttl_ms = 1;
  ASSERT_TRUE(sender->send(UserId::trusted("bob"), "too late", how));
  node().start();
  ASSERT_TRUE(sender->flush(tests::kPatienceMs));
  {
    std::unique_lock lock(mutex);
    ASSERT_TRUE(changed.wait_for(lock, std::chrono::seconds(60), [&] { return !outcomes.empty(); }));
    const auto* error = std::get_if<Error>(&outcomes.front());
    ASSERT_NE(error, nullptr);
    EXPECT_EQ(error->code, ErrorCode::kExpired);
  }
  sender->close();
  EXPECT_THAT(mailbox("bob"), IsEmpty());
}

TEST_F(Life, ARetentionPolicyTrimsAndSaysSo) {
  const auto policy = lines({"policy", "--user", "root", "--of", "bob", "--messages", "3"}).at(0);
  EXPECT_EQ(policy["retentionMessages"], 3);
  EXPECT_EQ(policy["inherited"], false);
  leave_behind("late");
  const auto phone = bob();
  ASSERT_TRUE((*phone)->wait_connected(tests::kPatienceMs));
  send("alice", "bob", {"poison", "poison", "3", "4", "5"});
  ASSERT_TRUE(phone->wait_lost(lost(1, 1, LostReason::kTrimmed)) || phone->wait_lost(lost(1, 2, LostReason::kTrimmed)));
  ASSERT_TRUE(phone->wait_received(5));
  const auto late = lines({"listen", "--user", "bob", "--device", "late", "--until", "5"});
  ASSERT_EQ(lost_lines(late).size(), 1u);
  EXPECT_EQ(lost_lines(late)[0]["lost"], (json{{"first", 1}, {"last", 2}, {"reason", "trimmed"}}));
  EXPECT_EQ(lines({"policy", "--user", "root", "--of", "bob", "--inherit"}).at(0)["inherited"], true);
}

TEST_F(Life, ListeningForAFewParksNoneOfTheOthers) {
  ASSERT_EQ(lines({"policy", "--user", "root", "--of", "bob", "--deliveries", "2"}).at(0)["deliveriesMax"], 2);
  send("alice", "bob", tests::numbered(20));
  for (int run = 0; run < 4; ++run) {
    const auto few = lines({"listen", "--user", "bob", "--device", "d", "--mode", "unordered", "--count", "1"});
    EXPECT_THAT(lost_lines(few), IsEmpty());
  }
  EXPECT_THAT(lines({"parked", "--user", "bob"}), IsEmpty());
  const auto rest = lines({"listen", "--user", "bob", "--device", "d", "--mode", "unordered", "--count", "16"});
  EXPECT_THAT(lost_lines(rest), IsEmpty());
  EXPECT_EQ(rest.size(), 16u + 1u) << "and the summary";
}

TEST_F(Life, WhatADeviceCannotTakeIsParkedListedReplayedAndDropped) {
  ASSERT_EQ(lines({"policy", "--user", "root", "--of", "bob", "--deliveries", "3"}).at(0)["deliveriesMax"], 3);
  const auto phone = bob();
  ASSERT_TRUE((*phone)->wait_connected(tests::kPatienceMs));
  send("alice", "bob", {"poison", "fine"});
  ASSERT_TRUE(phone->wait_lost(lost(1, 1, LostReason::kParked)));
  ASSERT_TRUE(phone->wait_received(2)) << "nothing blocks the mailbox any more";

  const auto parked = lines({"parked", "--user", "bob", "--of-device", "phone"});
  ASSERT_EQ(parked.size(), 1u);
  EXPECT_EQ(parked[0]["sequence"], 1);
  EXPECT_GE(parked[0]["deliveries"], 3);
  EXPECT_EQ(parked[0]["message"]["body"], "poison");
  const auto fates = lines({"explain", "--user", "bob", "1"}).at(0)["devices"];
  EXPECT_THAT(fates, Contains(testing::Truly([](const json& fate) {
                return fate["device"] == "phone" && fate["state"] == "parked" && fate["deliveriesInVain"] >= 3;
              })));

  phone->rejects = false;
  const auto replayed = lines({"parked", "--user", "bob", "--of-device", "phone", "--replay", "1"});
  EXPECT_EQ(replayed.at(0)["replayedAs"], 3);
  ASSERT_TRUE(phone->wait_received(3));
  EXPECT_EQ(phone->received(3).body, "poison");
  EXPECT_EQ(phone->received(3).replay_of, Sequence(1));
  EXPECT_TRUE(lines({"parked", "--user", "bob", "--of-device", "phone"}).empty());

  phone->rejects = true;
  send("alice", "bob", {"poison"});
  ASSERT_TRUE(phone->wait_lost(lost(4, 4, LostReason::kParked)));
  EXPECT_EQ(earshot({"parked", "--user", "bob", "--of-device", "phone", "--drop", "4"}).code, 0);
  EXPECT_TRUE(lines({"parked", "--user", "bob", "--of-device", "phone"}).empty());
  EXPECT_EQ(earshot({"parked", "--user", "bob", "--replay", "4"}).code, 2) << "of which device?";
}

TEST_F(Life, DevicesAreListedAndRemoved) {
  const auto phone = bob();
  ASSERT_TRUE((*phone)->wait_connected(tests::kPatienceMs));
  send("alice", "bob", {"hello"});
  ASSERT_TRUE(phone->wait_received(1));
  const auto devices = lines({"devices", "--user", "root", "--of", "bob"});
  ASSERT_EQ(devices.size(), 1u);
  EXPECT_EQ(devices[0]["device"], "phone");
  EXPECT_EQ(devices[0]["connected"], true);
  ASSERT_EQ(earshot({"devices", "--user", "root", "--of", "bob", "--remove", "phone"}).code, 0);
  EXPECT_TRUE(phone->wait_disconnected());
  EXPECT_EQ(earshot({"devices", "--user", "root", "--of", "bob", "--remove", "watch"}).code, 1) << "there is none";
}

TEST_F(Life, ExplainTellsTheLifeOfAMessage) {
  const auto phone = bob();
  auto io = kj::setupAsyncIo();
  tests::RawDevice deaf(io, node().port(), "bob", "deaf");
  ASSERT_TRUE(deaf.subscribe(DeliveryMode::kOrdered, 1));
  const auto sent = lines({"send", "--user", "alice", "--to", "bob", "hello"}).back();
  const std::string id = sent["id"];
  ASSERT_TRUE(phone->wait_received(1));
  ASSERT_TRUE(deaf.wait_until([&] { return deaf.came(1); }));
  const auto state = [&] {
    const auto life = lines({"explain", "--user", "bob", id}).at(0);
    EXPECT_EQ(life["sequence"], 1);
    for (const auto& fate : life["devices"]) {
      if (fate["device"] == "phone") return fate["state"].get<std::string>();
    }
    return std::string("none");
  };
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(tests::kPatienceMs);
  while (state() != "acked" && std::chrono::steady_clock::now() < deadline) {
  }
  EXPECT_EQ(state(), "acked");
  const auto text = earshot({"explain", "--user", "bob", "1"});
  EXPECT_EQ(text.code, 0);
  EXPECT_THAT(text.output, testing::AllOf(HasSubstr("message 1 of bob"), HasSubstr("stored"), HasSubstr("acked"),
                                          HasSubstr("from alice/earshot-send"), HasSubstr(id)));
  for (const std::string step : {"sent", "stored", "delivered to deaf", "acked by phone"})
    EXPECT_THAT(text.output, testing::ContainsRegex(kTime + " +([+][0-9.]+ m?s +)?" + step));
  EXPECT_EQ(earshot({"explain", "--user", "bob", "77"}).code, 1);
  EXPECT_EQ(earshot({"explain", "--user", "bob", "seven"}).code, 2);
}

}  // namespace
}  // namespace earshot
