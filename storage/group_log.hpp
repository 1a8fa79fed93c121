#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "base/error.hpp"
#include "storage/log_types.hpp"

namespace earshot::storage {

// Where one group's entries stand in the log table: running numbers of contiguous indexes. Pure.
struct GroupLog {
  LogIndex first{1};                  // index of numbers.front(); where the next entry goes when empty
  std::deque<std::uint64_t> numbers;  // ascending
  LogIndex snapshot;                  // index of the stored snapshot metadata; 0: none

  [[nodiscard]] LogIndex last() const { return LogIndex(first.value + numbers.size() - 1); }
  [[nodiscard]] bool holds(LogIndex index) const {
    return index >= first && index.value < first.value + numbers.size();
  }
};

// Changes to a GroupLog that become true only when their transaction is committed: what is cut from its front, what is
// truncated from its end and what is appended after that. Dropped, it leaves no trace.
class StagedGroupLog {
 public:
  explicit StagedGroupLog(const GroupLog& base)
      : base_(&base), first_(base.first), kept_end_(base.numbers.size()), snapshot_(base.snapshot) {}

  void cut_through(LogIndex index) {
    EARSHOT_INVARIANT(index <= snapshot_, "a log is cut only below its snapshot");
    while (!empty() && first_ <= index) pop_front();
  }

  // Each of these hands the running numbers that are gone to `gone`, until that fails.
  template <class Gone>
  Status truncate_from(LogIndex index, Gone gone) {
    EARSHOT_INVARIANT(index > snapshot_, "what a snapshot holds is committed and never truncated");
    while (!empty() && last() >= index) {
      if (Status done = gone(back()); !done) return done;
      pop_back();
    }
    return {};
  }

  template <class Gone>
  Status drop(Gone gone) {
    for (; !empty(); pop_front()) {
      if (Status done = gone(front()); !done) return done;
    }
    return {};
  }

  // Where the log begins; where its next entry goes when it is empty.
  [[nodiscard]] LogIndex first() const { return empty() ? snapshot_.next() : first_; }

  [[nodiscard]] LogIndex snapshot() const { return snapshot_; }
  void set_snapshot(LogIndex index) { snapshot_ = index; }

  void append(LogIndex index, std::uint64_t number) {
    if (empty()) first_ = snapshot_.next();
    EARSHOT_INVARIANT(index.value == first_.value + size(), "entries join the end of the log");
    appended_.push_back(number);
  }

  // Makes the changes true in the log that this was staged over.
  void publish(GroupLog& log) && {
    log.numbers.resize(kept_end_);
    log.numbers.erase(log.numbers.begin(), log.numbers.begin() + static_cast<std::ptrdiff_t>(kept_begin_));
    log.numbers.insert(log.numbers.end(), appended_.begin() + static_cast<std::ptrdiff_t>(appended_begin_),
                       appended_.end());
    log.first = first_;
    log.snapshot = snapshot_;
  }

 private:
  // The log is base_.numbers[kept_begin_ .. kept_end_), then appended_[appended_begin_ ..].
  [[nodiscard]] std::size_t kept() const { return kept_end_ - kept_begin_; }
  [[nodiscard]] std::size_t size() const { return kept() + appended_.size() - appended_begin_; }
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] LogIndex last() const { return LogIndex(first_.value + size() - 1); }
  [[nodiscard]] std::uint64_t front() const {
    return kept() > 0 ? base_->numbers[kept_begin_] : appended_[appended_begin_];
  }
  [[nodiscard]] std::uint64_t back() const {
    return appended_.size() > appended_begin_ ? appended_.back() : base_->numbers[kept_end_ - 1];
  }
  void pop_front() {
    ++(kept() > 0 ? kept_begin_ : appended_begin_);
    first_ = first_.next();
  }
  void pop_back() {
    if (appended_.size() > appended_begin_) {
      appended_.pop_back();
    } else {
      --kept_end_;
    }
  }

  const GroupLog* base_;
  LogIndex first_;
  std::size_t kept_begin_ = 0;
  std::size_t kept_end_;
  std::vector<std::uint64_t> appended_;
  std::size_t appended_begin_ = 0;
  LogIndex snapshot_;
};

}  // namespace earshot::storage
