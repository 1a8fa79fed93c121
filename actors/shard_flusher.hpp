#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "actors/shard_budget.hpp"
#include "actors/shard_flush.hpp"
#include "base/ids.hpp"
#include "cluster/shard_machine.hpp"

namespace earshot::actors {

class ShardHost;

// Has a shard's applied state written when that is due, and holds the node's budget for what is not written yet. One
// flush at a time. Thread: owned by the shard.
class ShardFlusher {
 public:
  ShardFlusher(cluster::ShardMachine& machine, ShardHost& host, std::shared_ptr<NodeBudgets> budgets,
               FlushSchedule schedule);
  ~ShardFlusher();
  ShardFlusher(const ShardFlusher&) = delete;
  ShardFlusher& operator=(const ShardFlusher&) = delete;

  // After every event. `all`: whatever there is, now.
  void flush_if_due(bool all, std::uint64_t now_ms);
  // What was written is committed. Returns the index that it leads up to.
  LogIndex flushed();

  [[nodiscard]] bool is_flushing() const { return flushing_; }
  // Nothing is being written, and nothing is left to be.
  [[nodiscard]] bool is_done() const { return !flushing_ && !has_unflushed(); }
  // When flush_if_due() has something to do by the time alone; 0: never.
  [[nodiscard]] std::uint64_t due_at() const { return flushing_ ? 0 : schedule_.due_at(); }

 private:
  // Entries are applied that no frozen overlay covers.
  [[nodiscard]] bool has_unflushed() const { return machine_.applied_index() > frozen_index_; }

  cluster::ShardMachine& machine_;
  ShardHost& host_;
  const std::shared_ptr<NodeBudgets> budgets_;
  FlushSchedule schedule_;
  bool flushing_ = false;
  LogIndex frozen_index_;           // the newest frozen overlay leads up to here
  std::size_t budgeted_bytes_ = 0;  // our part of budgets_->overlay
};

}  // namespace earshot::actors
