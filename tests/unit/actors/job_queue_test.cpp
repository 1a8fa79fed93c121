#include "actors/job_queue.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <latch>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include <caf/all.hpp>
#include <gtest/gtest.h>

#include "actors/node_system.hpp"
#include "actors/sent_together.hpp"
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

// A helper that counts what it is told.
struct Told {
  std::atomic<int> run_soon = 0;
  std::atomic<int> wake = 0;
  JobQueue::Place place{{[this] { ++run_soon; }, [this] { ++wake; }}};
};

TEST(JobQueue, AHelperIsAskedWhileNoWorkerIsAwakeAndAskedOnce) {
  JobQueue queue;
  Told told;
  queue.add_helper(told.place);
  for (std::uintptr_t i = 1; i <= 3; ++i) queue.push(job(i));
  EXPECT_EQ(told.wake, 1) << "it comes for several";
  for (std::uintptr_t i = 1; i <= 3; ++i) EXPECT_EQ(queue.pop(told.place), job(i));
  queue.push(job(4));
  EXPECT_EQ(told.wake, 1) << "it is at it";
  EXPECT_EQ(queue.pop(told.place), job(4));
  EXPECT_EQ(queue.pop(told.place), nullptr);
  queue.push(job(5));
  EXPECT_EQ(told.wake, 2) << "it was told that there was none";
  EXPECT_EQ(queue.pop(told.place), job(5));
  EXPECT_EQ(told.run_soon, 0);
  queue.remove_helper(told.place);
}

TEST(JobQueue, ManyAtOnceAskOnce) {
  JobQueue queue;
  Told told;
  queue.add_helper(told.place);
  const std::vector<caf::resumable*> jobs{job(1), job(2), job(3)};
  queue.push(std::span(jobs));
  EXPECT_EQ(told.wake, 1);
  for (std::uintptr_t i = 1; i <= 3; ++i) EXPECT_EQ(queue.pop(told.place), job(i)) << "in their order";
  queue.remove_helper(told.place);
}

TEST(JobQueue, WhatAHelperAddsItRunsSoonUnwoken) {
  JobQueue queue;
  Told told;
  queue.add_helper(told.place);
  queue.push_own(job(1), told.place);
  queue.push_own(job(2), told.place);
  queue.push(job(3));
  EXPECT_EQ(told.run_soon, 1);
  EXPECT_EQ(told.wake, 0);
  for (std::uintptr_t i = 1; i <= 3; ++i) EXPECT_EQ(queue.pop(told.place), job(i));
  EXPECT_EQ(queue.pop(told.place), nullptr);
  queue.push_own(job(4), told.place);
  EXPECT_EQ(told.run_soon, 2);
  EXPECT_EQ(queue.try_pop(), job(4));
  queue.remove_helper(told.place);
}

// A worker that sleeps, and takes every job once it is woken.
class OneWorker {
 public:
  explicit OneWorker(JobQueue& queue) : queue_(queue), thread_([this] { run(); }) {
    queue_.push(job(kFirst));
    taken_.wait(0);
  }
  ~OneWorker() { thread_.join(); }
  void wait_for(int taken) {
    for (int now = taken_.load(); now < taken; now = taken_.load()) taken_.wait(now);
  }
  static constexpr std::uintptr_t kFirst = 1 << 20;
  static constexpr std::uintptr_t kEnd = 1 << 21;

 private:
  void run() {
    queue_.add_worker();
    for (;;) {
      const bool ends = queue_.pop() == job(kEnd);
      ++taken_;
      taken_.notify_all();
      if (ends) return;
    }
  }
  JobQueue& queue_;
  std::atomic<int> taken_ = 0;
  std::thread thread_;
};

TEST(JobQueue, AWorkerIsWokenForMoreThanAHelperComesTo) {
  JobQueue queue;
  Told told;  // asked, and busy with something else for ever
  OneWorker worker(queue);
  queue.add_helper(told.place);
  for (std::uintptr_t i = 1; i < 20; ++i) queue.push_own(job(i), told.place);
  worker.wait_for(2);
  while (queue.pop(told.place) != nullptr) {
  }
  queue.remove_helper(told.place);
  queue.push(job(OneWorker::kEnd));
}

TEST(JobQueue, AHelperThatGoesLeavesItsJobsToAWorker) {
  JobQueue queue;
  Told told;
  OneWorker worker(queue);
  queue.add_helper(told.place);
  queue.push_own(job(1), told.place);
  queue.remove_helper(told.place);
  worker.wait_for(2);
  queue.push(job(OneWorker::kEnd));
}

// Threads that take jobs, each of which adds others, as actors that write to actors do.
class Workers {
 public:
  explicit Workers(std::size_t threads, std::size_t helpers = 0) {
    for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
    for (std::size_t i = 0; i < helpers; ++i) threads_.emplace_back([this] { help(); });
  }
  ~Workers() {
    over_ = true;
    over_.notify_all();
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
    queue_.add_worker();
    for (;;) {
      const auto generations = reinterpret_cast<std::uintptr_t>(queue_.pop()) / 16;
      if (generations == kEnd) return queue_.push(job(kEnd));  // for the next thread
      if (generations > 1) queue_.push_own(job(generations - 1));
      if (--left_ == 0) left_.notify_all();
    }
  }

  // Has work of its own: it sleeps on something else than the queue.
  void help() {
    auto bell = std::make_shared<Bell>();
    bool soon = false;
    JobQueue::Place place{{[&] { soon = true; }, [bell] { bell->ring(); }}};
    queue_.add_helper(place);
    while (!over_) {
      if (!std::exchange(soon, false) && !bell->wait()) continue;
      while (auto* const taken = queue_.pop(place)) {
        const auto generations = reinterpret_cast<std::uintptr_t>(taken) / 16;
        if (generations == kEnd) {
          queue_.remove_helper(place);
          return queue_.push(taken);
        }
        if (generations > 1) queue_.push_own(job(generations - 1), place);
        if (--left_ == 0) left_.notify_all();
      }
    }
    queue_.remove_helper(place);
  }

  struct Bell {
    std::mutex mutex;
    std::condition_variable rung;
    bool is_rung = false;
    void ring() {
      const std::lock_guard lock(mutex);
      is_rung = true;
      rung.notify_one();
    }
    // Whether it was rung; also returns now and then without.
    bool wait() {
      std::unique_lock lock(mutex);
      rung.wait_for(lock, std::chrono::milliseconds(50), [this] { return is_rung; });
      return std::exchange(is_rung, false);
    }
  };

  JobQueue queue_;
  std::atomic<std::int64_t> left_ = 0;
  std::atomic<bool> over_ = false;
  std::vector<std::thread> threads_;
};

// A wake-up that is missed leaves a job with everybody asleep: this test would not end.
TEST(JobQueue, EveryJobIsTakenHoweverTheThreadsFallAsleep) {
  Random random(tests::seed_of_test());
  for (int round = 0; round < 300; ++round) {
    Workers workers(1 + random.below(4), random.below(3));
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

// Actors are given what they need as arguments: CAF reads a null pointer for those made without any (UBSan sees it).

// The one worker is kept busy: nobody but the helper comes.
TEST(NodeSystem, AHelperRunsActorsOnItsThread) {
  SystemConfig config(1);
  caf::actor_system system(config);
  std::latch busy(1);
  std::latch done(1);
  const auto blocker = system.spawn(
      [](caf::event_based_actor*, std::latch* begins, std::latch* ends) -> caf::behavior {
        return {[=](int) {
          begins->count_down();
          ends->wait();
        }};
      },
      &busy, &done);
  caf::anon_send(blocker, 0);
  busy.wait();
  {
    int soon = 0;
    const auto helps = help(system, {[&soon] { ++soon; }, [] {}});
    std::thread::id ran;
    const auto actor = system.spawn(
        [](caf::event_based_actor* self, std::thread::id* here) -> caf::behavior {
          return {[=](int left) {
            *here = std::this_thread::get_id();
            if (left > 0) self->send(self, left - 1);
          }};
        },
        &ran);
    caf::anon_send(actor, 1'000);
    EXPECT_EQ(soon, 1);
    while (helps->run_some()) {
    }
    EXPECT_EQ(ran, std::this_thread::get_id());
  }
  done.count_down();
}

TEST(NodeSystem, WhatIsSentTogetherComesAtItsEnd) {
  SystemConfig config(1);
  caf::actor_system system(config);
  std::atomic<int> ran = 0;
  const auto count = [](caf::event_based_actor*, std::atomic<int>* all) -> caf::behavior {
    return {[all](int) {
      ++*all;
      all->notify_all();
    }};
  };
  const std::vector actors{system.spawn(count, &ran), system.spawn(count, &ran), system.spawn(count, &ran)};
  std::atomic<int> others = 0;
  const auto other = system.spawn(count, &others);
  const auto wait_for = [](const std::atomic<int>& all, int wanted) {
    for (int now = all.load(); now < wanted; now = all.load()) all.wait(now);
  };
  // One that has not begun yet takes what is sent to it as it begins. The one worker comes to the other one once these
  // are at rest.
  for (const auto& actor : actors) caf::anon_send(actor, 0);
  wait_for(ran, 3);
  caf::anon_send(other, 0);
  wait_for(others, 1);
  {
    const SentTogether together;
    for (const auto& actor : actors) caf::anon_send(actor, 0);
    // The one worker comes to this one behind all that were given to it before.
    std::thread([&other] { caf::anon_send(other, 0); }).join();
    wait_for(others, 2);
    EXPECT_EQ(ran, 3);
  }
  wait_for(ran, 6);
}

// Many actors, made busy by one: none ends before two have begun.
TEST(NodeSystem, JobsOfOneTurnRunSideBySide) {
  SystemConfig config(2);
  caf::actor_system system(config);
  std::atomic<int> begun = 0;
  const auto meet = [](caf::event_based_actor*, std::atomic<int>* count) -> caf::behavior {
    return {[count](int) {
      ++*count;
      count->notify_all();
      for (int now = count->load(); now < 2; now = count->load()) count->wait(now);
    }};
  };
  std::vector<caf::actor> many;
  for (int i = 0; i < 16; ++i) many.push_back(system.spawn(meet, &begun));
  const auto first = system.spawn(
      [](caf::event_based_actor* self, const std::vector<caf::actor>* all) -> caf::behavior {
        return {[=](int) {
          for (const auto& one : *all) self->send(one, 0);
        }};
      },
      &many);
  caf::anon_send(first, 0);
  for (int now = begun.load(); now < 16; now = begun.load()) begun.wait(now);
}

}  // namespace
}  // namespace earshot::actors
