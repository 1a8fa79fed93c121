// A name that stands for several hosts, on a network of the test's own.
#include "client/connector.hpp"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <kj/debug.h>

#include "client/tls.hpp"

namespace earshot::client {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr std::uint64_t kTimeoutMs = 5'000;

// Time that the test lets pass; the rest of a loop is not asked for.
class TestLoop final : public Loop {
 public:
  void post(std::function<void()>) override {}
  void stop() override {}
  void hold() override {}
  void release() override {}
  [[nodiscard]] std::thread::id thread_id() const override { return std::this_thread::get_id(); }
  void after(std::uint64_t delay_ms, std::function<void()> task) override {
    timers_.emplace(now_ms_ + delay_ms, std::move(task));
  }
  [[nodiscard]] const Clock& clock() const override { return clock_; }
  Random random() override { return Random(++seed_); }
  std::unique_ptr<Link> make_link(const Options&, const std::string&, LinkEvents&) override { return nullptr; }

  void pass(std::uint64_t ms) {
    now_ms_ += ms;
    while (!timers_.empty() && timers_.begin()->first <= now_ms_) timers_.extract(timers_.begin()).mapped()();
  }
  [[nodiscard]] std::uint64_t now_ms() const { return now_ms_; }

 private:
  const SystemClock clock_{};
  std::uint64_t now_ms_ = 0;
  std::uint64_t seed_ = 0;
  std::multimap<std::uint64_t, std::function<void()>> timers_;
};

enum class Host : std::uint8_t { kTakes, kRefuses, kSilent };

// "name" stands for all hosts, each of which has an address of its own.
class TestNetwork final : public kj::Network {
 public:
  explicit TestNetwork(std::map<std::string, Host> hosts) : hosts_(std::move(hosts)) {}

  kj::Promise<kj::Own<kj::NetworkAddress>> parseAddress(kj::StringPtr text, kj::uint) override {
    if (text == "silent resolver") return kj::NEVER_DONE;
    std::string all;
    for (const auto& [host, what] : hosts_) all += (all.empty() ? "" : ",") + host;
    return kj::Own<kj::NetworkAddress>(kj::heap<Address>(*this, text == "name" ? all : std::string(text.cStr())));
  }
  kj::Own<kj::NetworkAddress> getSockaddr(const void*, kj::uint) override { KJ_UNIMPLEMENTED("not asked for"); }
  kj::Own<kj::Network> restrictPeers(kj::ArrayPtr<const kj::StringPtr>, kj::ArrayPtr<const kj::StringPtr>) override {
    KJ_UNIMPLEMENTED("not asked for");
  }

  std::vector<std::string> tried;

 private:
  class Address final : public kj::NetworkAddress {
   public:
    Address(TestNetwork& network, std::string text) : network_(network), text_(std::move(text)) {}
    kj::Promise<kj::Own<kj::AsyncIoStream>> connect() override {
      network_.tried.push_back(text_);
      switch (network_.hosts_.at(text_)) {
        case Host::kTakes: {
          auto pipe = kj::newTwoWayPipe();
          return kj::mv(pipe.ends[0]);
        }
        case Host::kRefuses: return KJ_EXCEPTION(DISCONNECTED, "connect(): Connection refused");
        case Host::kSilent: break;
      }
      return kj::NEVER_DONE;
    }
    kj::Own<kj::ConnectionReceiver> listen() override { KJ_UNIMPLEMENTED("not asked for"); }
    kj::Own<kj::NetworkAddress> clone() override { KJ_UNIMPLEMENTED("not asked for"); }
    kj::String toString() override { return kj::heapString(text_.c_str()); }

   private:
    TestNetwork& network_;
    const std::string text_;
  };

  const std::map<std::string, Host> hosts_;
};

class ConnectorTest : public testing::Test {
 protected:
  // "" when it is connected, else why not; lets time pass as long as nothing has come about.
  std::string connect(TestNetwork& network, const std::string& address = "name") {
    Connector connector(loop_, network, address, kTimeoutMs);
    std::string result = "nothing";
    auto task = connector.connect()
                    .then([&](auto) { result = ""; },
                          [&](kj::Exception&& exception) { result = exception.getDescription().cStr(); })
                    .eagerlyEvaluate(nullptr);
    scope_.poll();
    for (int step = 0; step < 100 && result == "nothing"; ++step) loop_.pass(kTimeoutMs / 10), scope_.poll();
    return result;
  }

  TestLoop loop_;

 private:
  // Behind pointers, since their destructors may throw and a test's may not.
  const std::unique_ptr<kj::EventLoop> event_loop_ = std::make_unique<kj::EventLoop>();
  const std::unique_ptr<kj::WaitScope> owned_scope_ = std::make_unique<kj::WaitScope>(*event_loop_);

 protected:
  kj::WaitScope& scope_ = *owned_scope_;
};

TEST_F(ConnectorTest, HostsOfANameAreTriedInTurnUntilOneTakesTheConnection) {
  TestNetwork network({{"h1:1", Host::kRefuses}, {"h2:1", Host::kTakes}, {"h3:1", Host::kRefuses}});
  for (int i = 0; i < 20; ++i) EXPECT_EQ(connect(network), "");
  EXPECT_EQ(loop_.now_ms(), 0u);
}

TEST_F(ConnectorTest, ClientsSpreadOverTheHostsOfAName) {
  std::map<std::string, int> counts;
  for (int i = 0; i < 300; ++i) {
    TestNetwork network({{"h1:1", Host::kTakes}, {"h2:1", Host::kTakes}, {"h3:1", Host::kTakes}});
    EXPECT_EQ(connect(network), "");
    ++counts[network.tried.at(0)];
  }
  EXPECT_EQ(counts.size(), 3u);
  for (const auto& [host, count] : counts) EXPECT_NEAR(count, 100, 41) << host;  // five standard deviations
}

TEST_F(ConnectorTest, AHostThatSaysNothingHoldsNobodyLongerThanTheTimeout) {
  TestNetwork network({{"h1:1", Host::kSilent}, {"h2:1", Host::kTakes}});
  for (int i = 0; i < 20; ++i) {
    const std::uint64_t from_ms = loop_.now_ms();
    network.tried.clear();
    EXPECT_EQ(connect(network), "");
    EXPECT_EQ(loop_.now_ms() - from_ms, network.tried.size() == 1 ? 0 : kTimeoutMs);
  }
}

TEST_F(ConnectorTest, WhatWentWrongIsToldOfEachHost) {
  TestNetwork network({{"h1:1", Host::kRefuses}, {"h2:1", Host::kSilent}});
  EXPECT_THAT(connect(network),
              AllOf(HasSubstr("h1:1 Connection refused"), HasSubstr("h2:1 no answer within 5000 ms")));
  TestNetwork single({{"h1:1", Host::kRefuses}});
  EXPECT_EQ(connect(single), "Connection refused");
}

TEST_F(ConnectorTest, ANameThatIsNotResolvedInTimeIsGivenUp) {
  TestNetwork network({{"h1:1", Host::kTakes}});
  EXPECT_EQ(connect(network, "silent resolver"), "no answer within 5000 ms");
}

TEST(Tls, ANumericAddressIsVerifiedByANameBesideIt) {
  EXPECT_TRUE(can_be_verified("10.0.0.1:7400", {}));
  EXPECT_FALSE(can_be_verified("10.0.0.1:7400", {true, "", ""}));
  EXPECT_FALSE(can_be_verified("[::1]:7400", {true, "", ""}));
  EXPECT_TRUE(can_be_verified("10.0.0.1:7400", {true, "", "node.example"}));
  EXPECT_TRUE(can_be_verified("node.example:7400", {true, "", ""}));
}

}  // namespace
}  // namespace earshot::client
