#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <caf/actor.hpp>
#include <caf/fwd.hpp>

#include "actors/damage.hpp"
#include "actors/disk_watch.hpp"
#include "actors/shard_budget.hpp"
#include "actors/writer_retry.hpp"
#include "actors/writer_setup.hpp"
#include "base/clock.hpp"
#include "base/limits.hpp"
#include "storage/state_store.hpp"

namespace earshot::actors {

// Brings frozen overlays to disk: as many shards' as fit in one synced transaction. An overlay carries its applied
// index and is never split. A shard has at most one on its way, so the queue is bounded by the number of shards and
// their bytes by NodeBudgets::overlay. On a full disk it goes on one overlay at a time: a small one may fit, and lets
// its log be cut.
//
// Thread: the state writer's.
class StateWriter {
 public:
  struct Completion {
    ShardId shard;
    FlushOutcome outcome = FlushOutcome::kWritten;
  };

  StateWriter(storage::Environment& environment, DiskState& disk, const Clock& clock, Random random,
              std::size_t transaction_bytes_max = limits::kStateTransactionBytesMax,
              std::shared_ptr<DiskWatch> watch = nullptr);

  void add(std::shared_ptr<const storage::FrozenOverlay> overlay) { queue_.push_back(std::move(overlay)); }
  // Commits the oldest overlays, as many as one transaction may hold, and says whom to tell. Nobody while the disk is
  // full: then retry_after_ms() says when to try again.
  std::vector<Completion> commit();
  void finish() {}
  // How much room is left, after each commit: once whoever waits for it is told.
  void look() const {
    if (watch_ != nullptr) watch_->look();
  }

  [[nodiscard]] bool empty() const { return queue_.empty(); }
  [[nodiscard]] std::size_t size() const { return queue_.size(); }
  [[nodiscard]] std::uint64_t retry_after_ms() const { return retry_after_ms_; }  // 0: the disk is not full

 private:
  [[nodiscard]] std::size_t next_transaction() const;  // how many overlays it takes
  Status write_next(std::size_t& count, storage::WriteDamage& damage);

  storage::Environment& environment_;
  DiskState& disk_;
  WriterRetry retry_;
  const std::size_t transaction_bytes_max_;
  const std::shared_ptr<DiskWatch> watch_;  // may be none
  std::vector<std::shared_ptr<const storage::FrozenOverlay>> queue_;
  std::uint64_t retry_after_ms_ = 0;
};

// The actor around it, with a thread of its own, since a commit blocks.
caf::actor spawn_state_writer(caf::actor_system& system, storage::Environment& environment, WriterSetup setup);

}  // namespace earshot::actors
