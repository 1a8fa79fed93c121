// A real node, told things that make no sense: it answers, closes or ignores, never dies, and goes on serving others.
#include <chrono>
#include <functional>
#include <memory>
#include <random>

#include <capnp/dynamic.h>
#include <capnp/schema.h>
#include <gtest/gtest.h>

#include "tests/support/hostile_stream.hpp"
#include "tests/support/process_client.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/sanitizers.hpp"
#include "tests/support/seed.hpp"

namespace earshot {
namespace {

constexpr std::size_t kGrowthBytesMax = 64 << 20;

// What a stranger writes into the fields of a request.
class Nonsense {
 public:
  virtual ~Nonsense() = default;
  virtual std::uint64_t number() = 0;
  virtual std::string text() = 0;
  virtual unsigned entries() = 0;

  void fill(capnp::DynamicStruct::Builder to, int depth = 0) {
    for (const auto field : to.getSchema().getFields()) {
      const auto type = field.getType();
      if (type.isInterface() || type.isAnyPointer()) continue;
      if (type.isStruct()) {
        if (depth < 4) fill(to.init(field).as<capnp::DynamicStruct>(), depth + 1);
      } else if (type.isList()) {
        fill(to.init(field, entries()).as<capnp::DynamicList>(), depth + 1);
      } else {
        to.set(field, value(type));
      }
    }
  }

 private:
  void fill(capnp::DynamicList::Builder to, int depth) {
    const auto type = to.getSchema().getElementType();
    for (capnp::uint i = 0; i < to.size(); ++i) {
      if (type.isStruct()) {
        if (depth < 4) fill(to[i].as<capnp::DynamicStruct>(), depth + 1);
      } else if (!type.isList() && !type.isInterface() && !type.isAnyPointer()) {
        to.set(i, value(type));
      }
    }
  }
  capnp::DynamicValue::Reader value(capnp::Type type) {
    switch (type.which()) {
      case capnp::schema::Type::BOOL: return number() % 2 == 1;
      case capnp::schema::Type::TEXT: kept_ = text(); return capnp::Text::Reader(kept_.c_str(), kept_.size());
      case capnp::schema::Type::DATA:
        kept_ = text();
        return capnp::Data::Reader(reinterpret_cast<const kj::byte*>(kept_.data()), kept_.size());
      case capnp::schema::Type::ENUM: return capnp::DynamicEnum(type.asEnum(), static_cast<std::uint16_t>(number()));
      case capnp::schema::Type::UINT8: return static_cast<std::uint8_t>(number());
      case capnp::schema::Type::UINT16: return static_cast<std::uint16_t>(number());
      case capnp::schema::Type::UINT32: return static_cast<std::uint32_t>(number());
      default: return number();
    }
  }

  std::string kept_;
};

class Always final : public Nonsense {
 public:
  Always(std::uint64_t number, std::string text, unsigned entries)
      : number_(number), text_(std::move(text)), entries_(entries) {}
  std::uint64_t number() override { return number_; }
  std::string text() override { return text_; }
  unsigned entries() override { return entries_; }

 private:
  std::uint64_t number_;
  std::string text_;
  unsigned entries_;
};

class Anything final : public Nonsense {
 public:
  explicit Anything(std::uint64_t seed) : random_(seed) {}
  std::uint64_t number() override {
    switch (random_() % 4) {
      case 0: return random_() % 3;
      case 1: return ~std::uint64_t{0} - random_() % 3;
      case 2: return std::uint64_t{1} << random_() % 64;
      default: return random_();
    }
  }
  std::string text() override {
    static const std::vector<std::string> kTexts{"",     "alice", "bob", "\xff\xfe", std::string(129, 'x'),
                                                 "a\nb", "phone"};
    return kTexts[random_() % kTexts.size()];
  }
  unsigned entries() override { return static_cast<unsigned>(random_() % 4); }

 private:
  std::mt19937_64 random_;
};

class Hostile : public tests::ProcessTest {
 protected:
  // Every method of a session with such fields, each answered before the next; false when the node was gone.
  void call_everything(tests::TestClient& client, Nonsense& nonsense) {
    const auto interface = capnp::Schema::from<schema::Session>();
    auto session = capnp::DynamicCapability::Client(client.session());
    for (const auto method : interface.getMethods()) {
      const std::string name = method.getProto().getName();
      // The end of the session, and what an operator may do to every mailbox of the node.
      if (name == "logout" || name == "setPolicy") continue;
      SCOPED_TRACE(name);
      auto request = session.newRequest(method);
      nonsense.fill(request);
      auto answered = request.send().then([](auto&&) { return true; }, [](kj::Exception&&) { return true; });
      auto patience = io_->provider->getTimer().afterDelay(30 * kj::SECONDS).then([] { return false; });
      EXPECT_TRUE(answered.exclusiveJoin(kj::mv(patience)).wait(io_->waitScope)) << "no answer";
    }
  }
  void expect_service(std::uint64_t round) {
    send("carol", "dave", {"still there?"});
    EXPECT_EQ(mailbox("dave").size(), round);
  }

  const std::unique_ptr<kj::AsyncIoContext> io_ = std::make_unique<kj::AsyncIoContext>(kj::setupAsyncIo());
};

TEST_F(Hostile, NumbersAtTheirEdgesInEveryFieldOfEveryCallAreAnswered) {
  start_node();
  const std::vector<std::pair<std::uint64_t, std::string>> kinds{
      {0, ""},
      {~std::uint64_t{0}, std::string(limits::kNameBytesMax + 1, 'x')},
      {~std::uint64_t{0}, "bob"},
      {1, "\xc3\x28"},
      {std::uint64_t{1} << 63, "alice"},
  };
  std::uint64_t round = 0;
  for (const auto& [number, text] : kinds) {
    for (const unsigned entries : {0u, 1u, 3u}) {
      tests::TestClient client(*io_, node().port());
      client.login("mallory", "device" + std::to_string(++round));
      Always nonsense(number, text, entries);
      call_everything(client, nonsense);
    }
  }
  expect_service(1);
}

TEST_F(Hostile, RandomCallsOverManySeedsLeaveTheNodeAsItWas) {
  start_node();
  const std::uint64_t seed = tests::seed_of_test();
  const std::uint64_t rounds = std::getenv("EARSHOT_LONG") != nullptr ? 2'000 : 40;
  std::size_t before = 0;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    SCOPED_TRACE(round);
    tests::TestClient client(*io_, node().port());
    client.login("mallory", "device" + std::to_string(round % 8));
    Anything nonsense(seed + round);
    call_everything(client, nonsense);
    if (round == rounds / 2) before = tests::anonymous_memory_bytes(node().pid());
  }
  if (!tests::kSanitized) {
    EXPECT_LT(tests::anonymous_memory_bytes(node().pid()), before + kGrowthBytesMax);
  }
  expect_service(1);
}

// Those who are connected notice nothing of those who are turned away, and whoever goes makes room.
TEST_F(Hostile, ConnectionsAtTheLimitAreServedAndOneMoreIsClosedAtOnce) {
  constexpr int kConnections = 3;
  start_node({"--connections-max", std::to_string(kConnections)});
  std::vector<std::unique_ptr<tests::TestClient>> clients;
  const auto enter = [&] {
    clients.push_back(std::make_unique<tests::TestClient>(*io_, node().port()));
    clients.back()->login("user", "device" + std::to_string(clients.size()));
  };
  for (int i = 0; i < kConnections; ++i) enter();
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) {
    tests::TestClient beyond(*io_, node().port());
    EXPECT_TRUE(beyond.wait_until_closed());
  }
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(limits::kLoginTimeoutMs / 2))
      << "it was something else that closed them";
  for (const auto& client : clients)
    EXPECT_TRUE(wire::read(client->session().ackRequest().send().wait(io_->waitScope))) << "still served";
  clients.pop_back();
  // The node tells nobody when it has noticed that: tried until it lets one in.
  const auto give_up = began + std::chrono::milliseconds(tests::kPatienceMs);
  bool is_in = false;
  while (!is_in && std::chrono::steady_clock::now() < give_up) {
    tests::TestClient next(*io_, node().port());
    is_in = kj::runCatchingExceptions([&] { EXPECT_TRUE(next.login_raw("user", "next").isOk()); }) == nullptr;
  }
  EXPECT_TRUE(is_in);
}

TEST_F(Hostile, BytesOfNoMeaningOverManySeedsCloseOnlyTheirOwnConnection) {
  start_node();
  const std::uint64_t seed = tests::seed_of_test();
  const std::uint64_t rounds = std::getenv("EARSHOT_LONG") != nullptr ? 5'000 : 100;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    std::mt19937_64 random(seed + round);
    tests::HostileStream stream(*io_, node().port());
    if (round % 2 == 0) stream.log_in("mallory");
    std::vector<std::uint64_t> garbage(1 + random() % 400);
    for (auto& word : garbage) word = random() >> random() % 64;
    stream.write(garbage.data(), garbage.size() * sizeof garbage[0]);
    stream.end();
    EXPECT_TRUE(stream.closes()) << "round " << round;
  }
  expect_service(1);
}

}  // namespace
}  // namespace earshot
