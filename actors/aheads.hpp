#pragma once

#include <cstdint>
#include <deque>

#include "base/error.hpp"

namespace earshot::actors {

// Changes that were told ahead of the log, numbered from 1 on, and how many of them hold no longer: they have their
// place in the log by now, or were taken back. Most do so in their order. Thread: owned by the shard.
class Aheads {
 public:
  // The number of the next one.
  std::uint64_t told() {
    is_settled_.push_back(false);
    return last();
  }
  // Precondition: it was told, and is not settled yet.
  void settle(std::uint64_t number) {
    EARSHOT_INVARIANT(number > through_ && number <= last() && !is_settled_[number - through_ - 1],
                      "what is settled was told ahead, and is settled once");
    is_settled_[number - through_ - 1] = true;
    for (; !is_settled_.empty() && is_settled_.front(); is_settled_.pop_front()) ++through_;
  }

  [[nodiscard]] std::uint64_t last() const { return through_ + is_settled_.size(); }
  // All up to this one are settled.
  [[nodiscard]] std::uint64_t settled_through() const { return through_; }
  [[nodiscard]] bool are_all_settled() const { return is_settled_.empty(); }

 private:
  std::uint64_t through_ = 0;
  std::deque<bool> is_settled_;  // those after it
};

}  // namespace earshot::actors
