#include "gateway/bridge.hpp"

#include <atomic>
#include <random>
#include <thread>

#include <gtest/gtest.h>
#include <kj/async-io.h>

#include "tests/support/seed.hpp"

namespace earshot::gateway {
namespace {

Answered answer_number(std::uint64_t number) { return {number, Answer(std::in_place_type<Status>)}; }

std::uint64_t number_of(const Bridge::Event& event) { return std::get<Answered>(event.event).call; }

TEST(Bridge, WhatIsPostedBeforeTheWaitRingsTooAndComesInOrder) {
  auto io = kj::setupAsyncIo();
  Bridge bridge(100);
  for (std::uint64_t i = 0; i < 10; ++i) bridge.post(i, answer_number(i));
  bridge.wait().wait(io.waitScope);
  const auto taken = bridge.take();
  ASSERT_EQ(taken.events.size(), 10u);
  for (std::uint64_t i = 0; i < 10; ++i) EXPECT_EQ(number_of(taken.events[i]), i);
  EXPECT_FALSE(bridge.wait().poll(io.waitScope)) << "nothing waits any more";
}

TEST(Bridge, AFullQueueRemembersWhoMissedSomething) {
  auto io = kj::setupAsyncIo();
  Bridge bridge(3);
  for (std::uint64_t port = 1; port <= 5; ++port) bridge.post(port, answer_number(port));
  bridge.post(5, answer_number(6));
  bridge.wait().wait(io.waitScope);
  const auto taken = bridge.take();
  EXPECT_EQ(taken.events.size(), 3u);
  EXPECT_EQ(taken.overflowed, (std::unordered_set<PortId>{4, 5}));
  bridge.post(1, answer_number(7));
  EXPECT_EQ(bridge.take().events.size(), 1u) << "there is room again";
}

TEST(Bridge, AClosedBridgeTakesNothingAndRingsNoBell) {
  auto io = kj::setupAsyncIo();
  Bridge bridge(3);
  auto waiting = bridge.wait();
  bridge.close();
  bridge.post(1, answer_number(1));
  bridge.post_stop();
  EXPECT_TRUE(bridge.take().events.empty());
  EXPECT_FALSE(bridge.take().stopping);
}

TEST(Bridge, WhatIsPostedWhileTheThreadAttendsRingsNoBell) {
  auto io = kj::setupAsyncIo();
  Bridge bridge(10);
  auto waiting = bridge.wait();
  bridge.attend();
  bridge.post(1, answer_number(1));
  EXPECT_FALSE(waiting.poll(io.waitScope));
  EXPECT_EQ(bridge.take().events.size(), 1u);
  bridge.post(2, answer_number(2));
  EXPECT_TRUE(waiting.poll(io.waitScope)) << "it attends no more";
  waiting.wait(io.waitScope);
  EXPECT_EQ(bridge.take().events.size(), 1u);
}

// Producers that post in bursts with pauses of random length, so that the queue runs empty again and again: each time
// the bell has to be armed against posts that come at that very moment. A missed one hangs the test.
TEST(Bridge, NoWakeUpIsMissedUnderManyProducers) {
  constexpr std::uint64_t kProducers = 4;
  constexpr std::uint64_t kPosts = 20'000;
  const std::uint64_t seed = tests::seed_of_test();
  auto io = kj::setupAsyncIo();
  Bridge bridge(kProducers * kPosts);
  std::vector<std::thread> producers;
  for (std::uint64_t producer = 0; producer < kProducers; ++producer) {
    producers.emplace_back([&bridge, producer, seed] {
      std::mt19937_64 random(seed + producer);
      for (std::uint64_t i = 0; i < kPosts; ++i) {
        bridge.post(producer, answer_number(i));
        if (random() % 16 == 0) {
          for (std::uint64_t spin = random() % 2000; spin > 0; --spin)
            std::atomic_signal_fence(std::memory_order_seq_cst);
        }
        if (random() % 256 == 0) std::this_thread::yield();
      }
    });
  }
  std::vector<std::uint64_t> next(kProducers, 0);
  std::uint64_t received = 0;
  std::uint64_t wake_ups = 0;
  while (received < kProducers * kPosts) {
    auto patience = io.provider->getTimer().afterDelay(20 * kj::SECONDS).then([] { return false; });
    const bool rung = bridge.wait().then([] { return true; }).exclusiveJoin(kj::mv(patience)).wait(io.waitScope);
    ASSERT_TRUE(rung) << "a wake-up was missed after " << received << " events";
    const auto taken = bridge.take();
    ASSERT_FALSE(taken.events.empty()) << "the bell rang for nothing";
    ++wake_ups;
    for (const auto& event : taken.events) ASSERT_EQ(number_of(event), next[event.port]++) << "order of one producer";
    received += taken.events.size();
  }
  for (auto& producer : producers) producer.join();
  std::cout << received << " events in " << wake_ups << " wake-ups" << std::endl;
}

}  // namespace
}  // namespace earshot::gateway
