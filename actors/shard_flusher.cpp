#include "actors/shard_flusher.hpp"

#include <utility>

#include "actors/shard.hpp"

namespace earshot::actors {
namespace {

constexpr std::uint64_t kRestMsMax = 300;

}  // namespace

ShardFlusher::ShardFlusher(cluster::ShardMachine& machine, cluster::SeedFeeder& feeder, ShardHost& host,
                           std::shared_ptr<NodeBudgets> budgets, FlushSchedule schedule)
    : machine_(machine),
      feeder_(feeder),
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
  if (is_flushing() || !(pressed || (schedule_.is_due(now_ms, unflushed_bytes) && !rests(now_ms)))) return;
  overlay_ = machine_.freeze();
  EARSHOT_INVARIANT(overlay_ != nullptr, "a machine that has applied entries has something to flush");
  frozen_index_ = overlay_->applied;
  schedule_.note_frozen();
  rests_since_ms_ = 0;
  feeder_.flushing(true);
  host_.write_state(overlay_);
}

// The last part of a state that is being fed needs the disk at rest: a flush waits for it, for a moment.
bool ShardFlusher::rests(std::uint64_t now_ms) {
  if (!feeder_.wants_rest()) return false;
  if (rests_since_ms_ == 0) rests_since_ms_ = now_ms;
  return now_ms - rests_since_ms_ < kRestMsMax;
}

std::uint64_t ShardFlusher::due_at() const {
  if (is_flushing()) return 0;
  return rests_since_ms_ != 0 ? rests_since_ms_ + kRestMsMax : schedule_.due_at();
}

LogIndex ShardFlusher::flushed() {
  EARSHOT_INVARIANT(is_flushing(), "a completed flush was asked for");
  feeder_.note_flushed(*std::exchange(overlay_, nullptr));
  feeder_.flushing(false);
  machine_.flushed();
  return frozen_index_;
}

}  // namespace earshot::actors
