#include "places/query_budget.hpp"

#include <algorithm>
#include <string>

namespace earshot::places {
namespace {

constexpr std::uint64_t kMinuteUs = 60'000'000;

}  // namespace

Status QueryBudget::take(const UserId& user, std::uint32_t queries_per_minute, std::uint64_t now_ms) {
  if (queries_per_minute == 0) return {};
  const auto [found, is_new] = budgets_.try_emplace(user);
  Budget& budget = found->second;
  if (is_new)
    budget.recency = by_recency_.insert(by_recency_.end(), user);
  else
    by_recency_.splice(by_recency_.end(), by_recency_, budget.recency);
  if (budgets_.size() > users_max_) {
    budgets_.erase(by_recency_.front());
    by_recency_.pop_front();
  }

  const std::uint64_t now_us = now_ms * 1'000;
  const std::uint64_t full_at_us = std::max(budget.full_at_us, now_us) + kMinuteUs / queries_per_minute;
  if (full_at_us > now_us + kMinuteUs) {
    const std::uint64_t wait_us = full_at_us - kMinuteUs - now_us;
    return fail(Error{ErrorCode::kOverloaded, "queries",
                      "a user asks this layer at most " + std::to_string(queries_per_minute) + " times in a minute",
                      static_cast<std::uint32_t>((wait_us + 999) / 1'000)});
  }
  budget.full_at_us = full_at_us;
  return {};
}

}  // namespace earshot::places
