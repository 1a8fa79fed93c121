#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.hpp"

namespace earshot::places {

// Which members of a layer have left this node's regions lately, and how far back that is known: it is bounded in time
// and in number. Pure; times are ms of the caller's clock. One thread.
class Lingerers {
 public:
  struct Limits {
    std::uint64_t ms = 0;       // so long it is remembered of each
    std::size_t count_max = 0;  // then the first to leave is forgotten before its time
  };
  struct Lingerer {
    ShardId shard;
    std::string member;
  };

  explicit Lingerers(const Limits& limits) : limits_(limits) {}

  // It is in none of the regions any more; one that lingers already left when it did.
  void left(ShardId shard, const std::string& member, std::uint64_t now_ms);
  // It is in one of them again, or nowhere.
  void is_back(std::string_view member) {
    if (const auto lingers = left_ms_.find(member); lingers != left_ms_.end()) left_ms_.erase(lingers);
  }
  // One who has lingered long enough, or is one too many: it does not linger any more. None: no such one.
  std::optional<Lingerer> take_over(std::uint64_t now_ms);

  [[nodiscard]] bool empty() const { return left_ms_.empty(); }
  [[nodiscard]] std::size_t size() const { return left_ms_.size(); }
  // When take_over() may have somebody; 0: never.
  [[nodiscard]] std::uint64_t due_ms() const { return row_.empty() ? 0 : row_.front().left_ms + limits_.ms; }
  // Who had left by then may have been forgotten before its time; 0: nobody was.
  [[nodiscard]] std::uint64_t forgot_ms() const { return forgot_ms_; }

 private:
  struct Leaving {
    std::uint64_t left_ms = 0;
    Lingerer who;
  };

  const Limits limits_;
  std::map<std::string, std::uint64_t, std::less<>> left_ms_;
  std::deque<Leaving> row_;  // in the order of their times; of one who was back meanwhile an earlier one counts not
  std::uint64_t forgot_ms_ = 0;
};

}  // namespace earshot::places
