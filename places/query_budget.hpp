#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>

#include "base/error.hpp"
#include "base/ids.hpp"

namespace earshot::places {

// How many questions users ask: each has a minute's worth, which refills steadily. A question takes as much of it as
// one of those takes that the layer grants in a minute, so that asking in many layers gives nobody more. One thread.
class QueryBudget {
 public:
  explicit QueryBudget(std::size_t users_max) : users_max_(users_max) {}

  // kOverloaded(queries) when too little is left, with the time until there is enough; that costs nothing.
  // `queries_per_minute` 0: no limit. Precondition: time does not go back.
  Status take(const UserId& user, std::uint32_t queries_per_minute, std::uint64_t now_ms);

  [[nodiscard]] std::size_t users() const { return budgets_.size(); }

 private:
  struct Budget {
    std::uint64_t full_at_us = 0;         // when all of it is there again
    std::list<UserId>::iterator recency;  //
  };

  const std::size_t users_max_;
  std::unordered_map<UserId, Budget> budgets_;
  std::list<UserId> by_recency_;  // the longest idle first
};

}  // namespace earshot::places
