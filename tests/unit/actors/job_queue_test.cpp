#include "actors/job_queue.hpp"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include <caf/all.hpp>
#include <gtest/gtest.h>

#include "actors/node_system.hpp"
#include "base/random.hpp"
#include "tests/support/seed.hpp"

namespace earshot::actors {
namespace {

// Never run: the queue does not look into it.
caf::resumable* job(std::uintptr_t number) { return reinterpret_cast<caf::resumable*>(number * 16); }

TEST(JobQueue, FirstComeFirstServed) {
  JobQueue queue;
  EXPECT_EQ(queue.try_pop(), nullptr);
  for (std::uintptr_t i = 1; i <= 100; ++i) i % 2 == 0 ? queue.push(job(i)) : queue.push_own(job(i));
  for (std::uintptr_t i = 1; i <= 99; ++i) EXPECT_EQ(queue.pop(), job(i));
  EXPECT_EQ(queue.try_pop(), job(100));
  EXPECT_EQ(queue.try_pop(), nullptr);
  EXPECT_EQ(queue.wakes(), 0u) << "nobody sleeps";
}

// Threads that take jobs, each of which adds others, as actors that write to actors do.
class Workers {
 public:
  explicit Workers(std::size_t threads) {
    for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
  }
  ~Workers() {
    queue_.push(job(kEnd));
    for (auto& thread : threads_) thread.join();
  }

  // A job that begets as many more as its number says, one after the other.
  void begin(std::uintptr_t generations) {
    left_ += static_cast<std::int64_t>(generations);
    queue_.push(job(generations));
  }
  void wait() const {
    for (auto left = left_.load(); left != 0; left = left_.load()) left_.wait(left);
  }
  [[nodiscard]] std::uint64_t wakes() const { return queue_.wakes(); }

 private:
  static constexpr std::uintptr_t kEnd = 1 << 20;

  void run() {
    for (;;) {
      const auto generations = reinterpret_cast<std::uintptr_t>(queue_.pop()) / 16;
      if (generations == kEnd) return queue_.push(job(kEnd));  // for the next thread
      if (generations > 1) queue_.push_own(job(generations - 1));
      if (--left_ == 0) left_.notify_all();
    }
  }

  JobQueue queue_;
  std::atomic<std::int64_t> left_ = 0;
  std::vector<std::thread> threads_;
};

// A wake-up that is missed leaves a job with everybody asleep: this test would not end.
TEST(JobQueue, EveryJobIsTakenHoweverTheThreadsFallAsleep) {
  Random random(tests::seed_of_test());
  for (int round = 0; round < 300; ++round) {
    Workers workers(1 + random.below(4));
    for (int i = 0; i < 20; ++i) {
      for (std::uint64_t jobs = random.below(6); jobs > 0; --jobs) workers.begin(1 + random.below(5));
      if (random.below(2) == 0) workers.wait();
    }
    workers.wait();
  }
}

TEST(JobQueue, AChainOfJobsKeepsOneThreadAwake) {
  Workers workers(4);
  for (int i = 0; i < 10; ++i) {
    workers.begin(1'000);
    workers.wait();
  }
  EXPECT_LE(workers.wakes(), 20u);
}

// Many actors, made busy by one: none ends before two have begun.
TEST(NodeSystem, JobsOfOneTurnRunSideBySide) {
  SystemConfig config(2);
  caf::actor_system system(config);
  std::atomic<int> begun = 0;
  const auto meet = [&begun](caf::event_based_actor*) -> caf::behavior {
    return {[&begun](int) {
      ++begun;
      begun.notify_all();
      for (int now = begun.load(); now < 2; now = begun.load()) begun.wait(now);
    }};
  };
  std::vector<caf::actor> many;
  for (int i = 0; i < 16; ++i) many.push_back(system.spawn(meet));
  const auto first = system.spawn([&many](caf::event_based_actor* self) -> caf::behavior {
    return {[self, &many](int) {
      for (const auto& one : many) self->send(one, 0);
    }};
  });
  caf::anon_send(first, 0);
  for (int now = begun.load(); now < 16; now = begun.load()) begun.wait(now);
}

}  // namespace
}  // namespace earshot::actors
