#pragma once

#include <cstdint>
#include <memory>

#include "actors/counters.hpp"
#include "actors/shard_budget.hpp"
#include "base/clock.hpp"

namespace earshot::actors {

// What both writers' actors work with besides their disk. The clock outlives them.
struct WriterSetup {
  std::shared_ptr<NodeBudgets> budgets;
  const Clock* clock = nullptr;
  std::uint64_t seed = 0;  // of the jitter between attempts on a full disk
  bool has_thread = true;  // commits block, so a writer has a thread of its own; only simulations do without
  std::shared_ptr<WriterCounters> counters = std::make_shared<WriterCounters>();
};

}  // namespace earshot::actors
