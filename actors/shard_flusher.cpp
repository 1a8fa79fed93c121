#include "actors/shard_flusher.hpp"

#include <utility>

#include "actors/shard.hpp"

namespace earshot::actors {

ShardFlusher::ShardFlusher(cluster::ShardMachine& machine, ShardHost& host, std::shared_ptr<NodeBudgets> budgets,
                           FlushSchedule schedule)
    : machine_(machine),
      host_(host),
      budgets_(std::move(budgets)),
      schedule_(schedule),
      frozen_index_(machine.applied_index()) {}

ShardFlusher::~ShardFlusher() { budgets_->overlay.give_back(budgeted_bytes_); }

void ShardFlusher::flush_if_due(bool all, std::uint64_t now_ms) {
  const std::size_t unflushed_bytes = machine_.unflushed_bytes();
  budgets_->overlay.take(unflushed_bytes);
  budgets_->overlay.give_back(std::exchange(budgeted_bytes_, unflushed_bytes));
  if (!has_unflushed()) return;
  schedule_.note_change(now_ms);
  // Half of the node's budget taken, the log long or the disk nearly full: everyone flushes what they have.
  const bool pressed = all || budgets_->overlay.is_half_full() || budgets_->disk.wants_flush();
  if (flushing_ || !(pressed || schedule_.is_due(now_ms, unflushed_bytes))) return;
  auto overlay = machine_.freeze();
  EARSHOT_INVARIANT(overlay != nullptr, "a machine that has applied entries has something to flush");
  frozen_index_ = overlay->applied;
  schedule_.note_frozen();
  flushing_ = true;
  host_.write_state(std::move(overlay));
}

LogIndex ShardFlusher::flushed() {
  EARSHOT_INVARIANT(flushing_, "a completed flush was asked for");
  flushing_ = false;
  machine_.flushed();
  return frozen_index_;
}

}  // namespace earshot::actors
