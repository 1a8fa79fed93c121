#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "client/client.hpp"
#include "tests/support/place_steps.hpp"
#include "tests/support/process_client.hpp"

namespace earshot::tests {

// Members who walk about where regions meet that lie with different nodes, and others who ask who is within circles
// there, all through the client library, while the test does what it likes to the nodes. Every answer is judged at once
// by what had been answered to the walkers when it was asked for.
class PlaceLoad {
 public:
  struct Shape {
    std::uint32_t walkers = 40;
    std::uint32_t movers = 2;  // clients, each with its share of the walkers
    std::uint32_t askers = 3;
    std::uint32_t deadline_ms = 1'000;  // of a question
    std::uint32_t rest_ms = 0;          // of each client between two calls
    std::uint32_t row = 20;  // so many exact answers, one after the other, show that there are exact ones again
  };
  // The addresses that the n-th client is told: movers first.
  using Addresses = std::function<std::vector<std::string>(std::uint32_t n)>;

  PlaceLoad(Shape shape, std::uint64_t seed) : shape_(shape), random_(seed) {}
  ~PlaceLoad() { end(); }
  PlaceLoad(const PlaceLoad&) = delete;
  PlaceLoad& operator=(const PlaceLoad&) = delete;

  void start(const Addresses& addresses, const std::shared_ptr<client::Runtime>& runtime);
  // Idempotent.
  void end();
  // What was found wrong so far.
  [[nodiscard]] PlaceSteps::Wrong wrong() const;
  // Circles that were answered, and those of them that were exact.
  [[nodiscard]] std::uint64_t circles() const { return circles_; }
  [[nodiscard]] std::uint64_t exact() const { return exact_; }
  [[nodiscard]] std::uint64_t steps() const { return steps_; }
  // Circles that had no answer, and why the first of them had none.
  [[nodiscard]] std::pair<std::uint64_t, std::string> unanswered() const {
    const std::lock_guard lock(mutex_);
    return {unanswered_count_, unanswered_};
  }
  using Time = std::chrono::steady_clock::time_point;
  // Waits until each asker has had a row of exact answers, `at_least_ms` after `since` or later; how long after it the
  // last answer came that was partial, none, or took half its deadline. UINT64_MAX: they did not come to that.
  std::uint64_t ms_until_exact(Time since, std::uint64_t at_least_ms, std::uint64_t at_most_ms);

 private:
  std::unique_ptr<Device> connect(std::uint32_t n, const Addresses& addresses,
                                  const std::shared_ptr<client::Runtime>& runtime);
  void walk(const std::stop_token& over, std::uint32_t mover);
  void ask(const std::stop_token& over, std::uint32_t asker);
  void judge(std::uint32_t asker, Time asked_at, const PlaceSteps::Answered& asked, const geo::Area& area,
             const NearbyFound& found);
  void rest() const;
  Random fork();

  const Shape shape_;
  mutable std::mutex mutex_;
  Random random_;
  PlaceSteps place_steps_;
  PlaceSteps::Wrong wrong_;
  struct Row {  // of exact answers, that goes on
    std::size_t length = 0;
    Time broken;  // the one before, when there was an answer that does not count as one of a row
  };
  std::vector<Row> rows_;  // by asker
  std::uint64_t unanswered_count_ = 0;
  std::string unanswered_;
  std::atomic<std::uint64_t> circles_{0}, exact_{0}, steps_{0};
  std::vector<std::unique_ptr<Device>> devices_;
  std::vector<std::jthread> threads_;
};

}  // namespace earshot::tests
