#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "actors/shard_batcher.hpp"
#include "actors/shard_budget.hpp"
#include "actors/shard_ticks.hpp"
#include "actors/shard_waiters.hpp"
#include "base/error.hpp"
#include "base/ids.hpp"
#include "cluster/replica.hpp"
#include "schema/commands.hpp"

namespace earshot::actors {

// A shard's requests on their way through the log: they gather into entries, entries are submitted, and whoever waits
// for one is known until it is applied, or lost. What is on its way counts as admitted by the node.
// Thread: owned by the shard.
class ShardEntries {
 public:
  // Moves that were told ahead of the log, and do not get in.
  using TakeBack = std::function<void(AheadWaiter)>;

  ShardEntries(std::shared_ptr<NodeBudgets> budgets, TakeBack take_back)
      : budgets_(std::move(budgets)), take_back_(std::move(take_back)) {}
  ~ShardEntries();
  ShardEntries(const ShardEntries&) = delete;
  ShardEntries& operator=(const ShardEntries&) = delete;

  // Whether one more request may come in.
  [[nodiscard]] bool has_room() const { return batcher_.has_room(); }
  void add(Command command, Waiter waiter);

  // Nothing gathers.
  [[nodiscard]] bool nothing_gathers() const { return batcher_.empty(); }
  // Nothing gathers, and nothing is submitted and not applied.
  [[nodiscard]] bool empty() const { return batcher_.empty() && waiters_.empty(); }
  // One more entry may be submitted.
  [[nodiscard]] bool may_submit() const { return waiters_.size() < limits::kEntriesInFlightMax; }

  // Submits what has gathered, as far as that may be; `tick_alone`: at least an entry with the time. When the replica
  // does not take it, which it may later, all that gathers is refused but for what was accepted already.
  enum class Submitted : std::uint8_t { kNothing, kAll, kRefused };
  Submitted submit(cluster::Replica& replica, TickSource& ticks, bool tick_alone, std::uint64_t now_ms);

  // Whether somebody waits for the entry of this index and term.
  [[nodiscard]] bool expects(LogIndex index, Term term) const { return waiters_.expects(index, term); }
  // Who waits for the entry that was applied, if any. Those who waited for another one in its place are refused.
  std::optional<std::vector<Waiter>> take_applied(LogIndex index, Term term);
  // This replica leads in `term` now, or (0) does not lead: entries of other terms are lost to whoever waits.
  void leave_other_terms(Term term);

  // Refuses what gathers; what was accepted already stays, to get into the log.
  void refuse_who_waits(const Error& error);
  // Refuses all that gathers.
  void refuse_all(const Error& error);

 private:
  // These, and what gathers behind them.
  void refuse(std::vector<Batcher::Gathered> pending, const Error& error);
  void refuse_entry(std::vector<Waiter> waiters, std::size_t bytes, const Error& error);

  const std::shared_ptr<NodeBudgets> budgets_;
  const TakeBack take_back_;
  Batcher batcher_;
  Waiters waiters_;
};

}  // namespace earshot::actors
