// Places over Redis's protocol in a real node: killed, crowded, emptied, and on a disk that is full.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/client_eventually.hpp"
#include "tests/support/redis_client.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/small_disk.hpp"
#include "tests/support/temporary_directory.hpp"

namespace earshot {
namespace {

using tests::RedisClient;
using tests::Reply;
using tests::Words;

class RespProcess : public testing::Test {
 protected:
  void start_node(std::vector<std::string> more = {}, std::vector<std::string> wrapper = {}) {
    node_ = std::make_unique<tests::NodeProcess>(tests::NodeOptions{
        directory_ / (wrapper.empty() ? "node" : "disk/node"), 0, std::move(more), std::move(wrapper)});
  }
  tests::NodeProcess& node() { return *node_; }
  RedisClient connect() { return RedisClient(node_->resp_port()); }

  const tests::TemporaryDirectory directory_;
  std::unique_ptr<tests::NodeProcess> node_;
};

// What such an entry of its log would do to a node, it would do again at each start.
TEST_F(RespProcess, KeysThatNoLayerCanHaveHurtNobody) {
  start_node();
  RedisClient client = connect();
  ASSERT_EQ(client.command({"GEOADD", "people", "1", "1", "ada"}).integer, 1);
  for (const std::string& key :
       {std::string(), std::string(129, 'x'), std::string("\xff"), std::string("a\nb"), std::string("a\0b", 3)}) {
    EXPECT_TRUE(client.command({"GEOADD", key, "1", "1", "ada"}).is_error());
    EXPECT_TRUE(client.command({"ZADD", key, "1", "ada"}).is_error());
    EXPECT_TRUE(
        client.command({"GEOSEARCHSTORE", key, "people", "FROMMEMBER", "ada", "BYRADIUS", "1", "m"}).is_error());
    for (const Words& command :
         {Words{"ZREM", key, "ada"}, {"DEL", key}, {"UNLINK", key, key}, {"EXISTS", key}, {"ZCARD", key}})
      EXPECT_EQ(client.command(command), (Reply{Reply::Kind::kInteger, "0", 0, {}})) << command.front();
    EXPECT_TRUE(client.command({"GEOSEARCH", key, "FROMLONLAT", "1", "1", "BYRADIUS", "1", "m"}).elements.empty());
    EXPECT_TRUE(client.command({"ZRANGE", key, "0", "-1"}).elements.empty());
    EXPECT_EQ(client.command({"TYPE", key}).text, "none");
    EXPECT_EQ(client.command({"DEL", key, "nobody"}).integer, 0);
  }
  node().kill();
  node().start();
  EXPECT_EQ(connect().command({"ZCARD", "people"}).integer, 1);
}

// ---- killed

// What one client asks for, one step after the other, and which steps were answered. Step n of a member puts it at n
// hundredths of a degree, or removes it.
class Mover {
 public:
  static constexpr int kMembers = 6;
  static constexpr std::size_t kWindow = 16;

  Mover(int number, std::uint64_t seed) : number_(number), random_(seed) {}

  // Until the node is gone.
  void run(std::uint16_t port, std::atomic<std::uint64_t>& answers) {
    std::vector<std::size_t> under_way;
    try {
      RedisClient client(port);
      for (std::size_t first = 0;; ++answers) {
        while (under_way.size() - first < kWindow) {
          const std::size_t member = random_.below(kMembers);
          under_way.push_back(member);
          client.send(command_of(member, ++steps_[member].asked));
        }
        const Reply reply = client.receive();
        if (reply.is_error()) throw std::runtime_error(reply.text);
        ++steps_[under_way[first++]].answered_now;
      }
    } catch (const std::runtime_error&) {
    }
    for (Steps& steps : steps_) {
      if (steps.answered_now > 0) steps.answered = steps.began + steps.answered_now;
      steps.began = steps.asked;
      steps.answered_now = 0;
    }
  }
  // How many of its members are somewhere.
  int check(RedisClient& client) const {
    int members = 0;
    for (std::size_t member = 0; member < kMembers; ++member) {
      const Reply reply = client.command({"GEOPOS", "people", name_of(member)});
      const Reply& point = reply.elements.at(0);
      const bool is_there = point.kind == Reply::Kind::kArray;
      const std::int64_t at = is_there ? std::lround(std::stod(point.elements.at(0).text) * 100) : 0;
      const Steps& steps = steps_[member];
      bool is_right = false;
      for (std::int64_t step = steps.answered; step <= steps.asked; ++step)
        is_right = is_right || at == place_after(step);
      EXPECT_TRUE(is_right) << name_of(member) << " is at " << at << " after step " << steps.answered
                            << ", with steps up to " << steps.asked << " unanswered";
      members += is_there ? 1 : 0;
    }
    return members;
  }

 private:
  struct Steps {
    std::int64_t asked = 0;
    std::int64_t answered = 0;  // up to here
    std::int64_t began = 0;     // asked when the connection was made
    std::int64_t answered_now = 0;
  };

  // In hundredths of a degree; 0: nowhere.
  static std::int64_t place_after(std::int64_t step) { return step % 7 == 0 ? 0 : step % 17'000; }
  [[nodiscard]] std::string name_of(std::size_t member) const {
    return "member-" + std::to_string(number_) + "-" + std::to_string(member);
  }
  [[nodiscard]] Words command_of(std::size_t member, std::int64_t step) const {
    const std::int64_t place = place_after(step);
    if (place == 0) return {"ZREM", "people", name_of(member)};
    return {"GEOADD", "people", std::to_string(static_cast<double>(place) / 100), "50", name_of(member)};
  }

  const int number_;
  Random random_;
  std::vector<Steps> steps_{kMembers};
};

TEST_F(RespProcess, WhatWasAnsweredIsThereAfterAKillAndNothingElseThanWasAskedFor) {
  constexpr int kRounds = 8;
  Random random(tests::seed_of_test());
  start_node();
  std::vector<std::unique_ptr<Mover>> movers;
  for (int i = 0; i < 12; ++i) movers.push_back(std::make_unique<Mover>(i, random.next()));
  for (int round = 0; round < kRounds; ++round) {
    std::atomic<std::uint64_t> answers{0};
    std::vector<std::thread> threads;
    for (const auto& mover : movers) threads.emplace_back([&] { mover->run(node().resp_port(), answers); });
    const std::uint64_t enough = 500 + random.below(3'000);
    EXPECT_TRUE(tests::eventually([&] { return answers > enough; })) << answers;
    node().kill();
    for (std::thread& thread : threads) thread.join();
    node().start();
    RedisClient client = connect();
    int members = 0;
    for (const auto& mover : movers) members += mover->check(client);
    EXPECT_EQ(client.command({"ZCARD", "people"}).integer, members) << "nobody else";
    EXPECT_EQ(client.command({"DBSIZE"}).integer, members > 0 ? 1 : 0);
    ASSERT_FALSE(HasFailure()) << "after " << round + 1 << " kills";
  }
}

// ---- crowded

TEST_F(RespProcess, WhoMovesWithinACircleIsNeverMissedAndNeverDoubled) {
  constexpr int kMovers = 2;
  constexpr int kMembers = 150;  // of each mover
  constexpr int kSearches = 400;
  constexpr std::uint64_t kMovesMin = 1'000;
  start_node();
  Random random(tests::seed_of_test());
  const auto move = [](Random& dice, int mover, int member) {
    // Less than 650 m to each side.
    const auto some = [&] { return (static_cast<double>(dice.below(2'001)) / 1'000 - 1) * 0.0058; };
    return Words{"GEOADD", "people", std::to_string(13.4 + some()), std::to_string(52.5 + some()),
                 std::to_string(mover) + "-" + std::to_string(member)};
  };
  RedisClient client = connect();
  for (int mover = 0; mover < kMovers; ++mover)
    for (int member = 0; member < kMembers; ++member) ASSERT_EQ(client.command(move(random, mover, member)).integer, 1);
  std::atomic<bool> stops{false};
  std::atomic<std::uint64_t> moves{0};
  std::vector<std::thread> movers;
  for (int mover = 0; mover < kMovers; ++mover) {
    movers.emplace_back([&, mover, seed = random.next()] {
      Random dice(seed);
      RedisClient own = connect();
      while (!stops) {
        constexpr int kAtOnce = 32;
        for (int i = 0; i < kAtOnce; ++i) own.send(move(dice, mover, static_cast<int>(dice.below(kMembers))));
        for (int i = 0; i < kAtOnce; ++i) EXPECT_FALSE(own.receive().is_error());
        moves += kAtOnce;
      }
    });
  }
  for (int i = 0; (i < kSearches || moves < kMovesMin) && !HasFailure(); ++i) {
    const Reply found = client.command({"GEOSEARCH", "people", "FROMLONLAT", "13.4", "52.5", "BYRADIUS", "1", "km"});
    std::vector<std::string> names;
    for (const Reply& one : found.elements) names.push_back(one.text);
    std::ranges::sort(names);
    EXPECT_EQ(std::ranges::adjacent_find(names), names.end()) << "twice";
    EXPECT_EQ(names.size(), static_cast<std::size_t>(kMovers * kMembers)) << "missed";
  }
  stops = true;
  for (std::thread& mover : movers) mover.join();
}

// ---- emptied

TEST_F(RespProcess, AHundredThousandMembersAreRemovedWhileOthersAreFound) {
  constexpr int kMembers = 100'000;
  constexpr int kAtOnce = 1'000;
  start_node();
  RedisClient client = connect();
  for (int i = 0; i < kMembers; i += kAtOnce) {
    Words add{"GEOADD", "crowd"};
    for (int k = i; k < i + kAtOnce; ++k) {
      add.insert(add.end(), {std::to_string(k % 1'000 * 0.01), std::to_string(k / 1'000 * 0.01), std::to_string(k)});
    }
    client.send(add);
  }
  for (int i = 0; i < kMembers; i += kAtOnce) ASSERT_EQ(client.receive().integer, kAtOnce);
  ASSERT_EQ(client.command({"GEOADD", "few", "1", "1", "ada", "1.001", "1", "bea"}).integer, 2);
  ASSERT_EQ(client.command({"ZCARD", "crowd"}).integer, kMembers);

  std::atomic<bool> stops{false};
  std::atomic<int> searches{0};
  std::thread asker([&] {
    RedisClient other = connect();
    while (!stops) {
      const Reply few = other.command({"GEOSEARCH", "few", "FROMLONLAT", "1", "1", "BYRADIUS", "1", "km", "ASC"});
      ASSERT_EQ(few.elements.size(), 2u) << few;
      EXPECT_EQ(few.elements[0].text, "ada");
      EXPECT_EQ(other.command({"ZSCORE", "few", "bea"}).kind, Reply::Kind::kBulk);
      ++searches;
    }
  });
  EXPECT_TRUE(tests::eventually([&] { return searches > 0; }));
  EXPECT_EQ(client.command({"DEL", "crowd"}).integer, 1);
  EXPECT_EQ(client.command({"ZCARD", "crowd"}).integer, 0) << "an answer is seen by whoever asks later";
  EXPECT_EQ(client.command({"EXISTS", "crowd", "few"}).integer, 1);
  EXPECT_EQ(client.command({"DEL", "crowd"}).integer, 0);
  stops = true;
  asker.join();
  node().kill();
  node().start();
  RedisClient later = connect();
  EXPECT_EQ(later.command({"ZCARD", "crowd"}).integer, 0);
  EXPECT_EQ(later.command({"ZRANGE", "few", "0", "-1"}).elements.size(), 2u);
}

// ---- a full disk

TEST_F(RespProcess, AFullDiskRefusesChangesAndAnswersQuestions) {
  constexpr std::uint64_t kReserve = 8 << 20;
  tests::SmallDisk disk(directory_ / "disk", 64);
  if (!disk.is_there()) GTEST_SKIP() << "this system does not let the test mount a small file system (root may)";
  start_node({"--disk-reserve-bytes", std::to_string(kReserve)}, disk.wrapper());
  RedisClient client = connect();
  const auto add = [&](int at) {
    return client.command({"GEOADD", "people", "CH", std::to_string(at) + ".5", "50", "ada"});
  };
  const auto place = [&] {
    const Reply reply = client.command({"GEOPOS", "people", "ada"});
    return static_cast<int>(std::stod(reply.elements.at(0).elements.at(0).text));
  };
  ASSERT_EQ(add(1).integer, 1);
  ASSERT_EQ(client.command({"GEOADD", "cars", "5", "5", "taxi"}).integer, 1);
  disk.take(disk.free_bytes() - kReserve + (1 << 20));
  int at = 1;  // where it is
  Reply refused;
  EXPECT_TRUE(tests::eventually([&] {
    refused = add(at % 100 + 1);
    if (!refused.is_error()) at = at % 100 + 1;
    return refused.is_error();
  }));
  EXPECT_TRUE(refused.text.starts_with("TRYAGAIN storageFull")) << refused;
  EXPECT_EQ(place(), at) << "what was refused has changed nothing";
  EXPECT_EQ(client.command({"ZCARD", "people"}).integer, 1);
  EXPECT_EQ(client.command({"GEOSEARCHSTORE", "there", "cars", "FROMLONLAT", "5", "5", "BYRADIUS", "9", "km"}).kind,
            Reply::Kind::kError)
      << "of two steps the second would be refused";
  EXPECT_EQ(client.command({"DEL", "cars"}).integer, 1) << "what makes room goes on";

  disk.free();
  EXPECT_TRUE(tests::eventually([&] { return !add(77).is_error(); }));
  EXPECT_EQ(place(), 77);
  node().kill();
  node().start();
  RedisClient later = connect();
  EXPECT_EQ(later.command({"ZCARD", "people"}).integer, 1);
  EXPECT_TRUE(later.command({"GEOPOS", "people", "ada"}).elements.at(0).elements.at(0).text.starts_with("77.5"));
}

}  // namespace
}  // namespace earshot
