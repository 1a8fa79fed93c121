#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "cluster/readable.hpp"
#include "storage/shard_state.hpp"

namespace earshot::cluster {

// What ends when, in the order of time: marks, which are keys without values. Holds only the next moment in memory. A
// damaged mark ends nothing and is dropped.
//
// Traits: Mark, with its at_ms; kFirstKey of all marks; key_of(Mark), mark_of(key); end_of(at_ms), the first key behind
// all marks up to and with that time.
template <class Traits>
class ExpiryIndex {
 public:
  using Mark = typename Traits::Mark;

  explicit ExpiryIndex(storage::ShardState& state) : state_(state) {}

  Status load() { return find_next(); }

  void add(const Mark& mark) {
    state_.put(Traits::key_of(mark), {});
    next_ms_ = next_ms_ == 0 ? mark.at_ms : std::min(next_ms_, mark.at_ms);
  }
  void remove(const Mark& mark) {
    state_.erase(Traits::key_of(mark));
    if (mark.at_ms == next_ms_) is_stale_ = true;
  }

  // Those that are due, earliest first, at most `count_max`.
  [[nodiscard]] std::vector<Mark> due(std::uint64_t tick_ms, std::size_t count_max) {
    std::vector<Mark> due;
    if (next_ms_ == 0 || next_ms_ > tick_ms) return due;
    std::vector<std::string> damaged;  // there is nothing but the key, and it may be another's
    const auto visit = [&](std::string_view key, std::optional<std::string_view> value) {
      if (due.size() + damaged.size() == count_max) return false;
      if (value.has_value()) {
        due.push_back(Traits::mark_of(key));
      } else {
        damaged.emplace_back(key);
      }
      return true;
    };
    const Status scanned = state_.scan(Traits::kFirstKey, Traits::end_of(tick_ms), visit);
    require_readable(scanned, damaged_met_);
    damaged_met_ += damaged.size();
    for (const std::string& key : damaged) state_.erase(key);
    // What cannot be read is not looked for at every tick; and the next moment need not have been that of a sound mark.
    if (scanned.has_value()) {
      is_stale_ = true;
    } else {
      next_ms_ = tick_ms + kRetryDamagedMs;
    }
    return due;
  }

  // When the next one ends; 0: none does. True after refresh(), which an entry's changes need.
  [[nodiscard]] std::uint64_t next_ms() const { return next_ms_; }
  void refresh(std::uint64_t tick_ms) {
    if (!is_stale_) return;
    const Status found = find_next();
    require_readable(found, damaged_met_);
    if (!found.has_value()) next_ms_ = tick_ms + kRetryDamagedMs;
  }

  [[nodiscard]] std::uint64_t damaged_met() const { return damaged_met_; }

 private:
  static constexpr std::uint64_t kRetryDamagedMs = 60'000;

  Status find_next() {
    next_ms_ = 0;
    is_stale_ = false;
    return state_.scan(Traits::kFirstKey, Traits::end_of(UINT64_MAX),
                       [&](std::string_view key, std::optional<std::string_view> value) {
                         if (!value.has_value()) return true;  // not worth a tick of its own
                         next_ms_ = Traits::mark_of(key).at_ms;
                         return false;
                       });
  }

  storage::ShardState& state_;
  std::uint64_t next_ms_ = 0;
  bool is_stale_ = false;
  std::uint64_t damaged_met_ = 0;
};

}  // namespace earshot::cluster
