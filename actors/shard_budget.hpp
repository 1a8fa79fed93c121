#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/limits.hpp"

// What all shards of a node share: how much of the common memory is taken, and whether the disk takes writes. Read and
// written from the shards' and the writers' threads; only counts, so relaxed order does.
namespace earshot::actors {

// A number of bytes against a bound. Thread-safe.
class ByteBudget {
 public:
  explicit ByteBudget(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  ByteBudget(const ByteBudget&) = delete;
  ByteBudget& operator=(const ByteBudget&) = delete;

  // False, and nothing taken, when the bound is reached. The last one in may exceed it: a request larger than what is
  // left is let in rather than starved, so the bound holds up to one request per shard.
  bool try_take(std::size_t bytes) {
    if (is_full()) return false;
    take(bytes);
    return true;
  }
  void take(std::size_t bytes) { used_.fetch_add(bytes, std::memory_order_relaxed); }
  void give_back(std::size_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }

  [[nodiscard]] std::size_t used() const { return used_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool is_full() const { return used() >= bytes_max_; }
  [[nodiscard]] bool is_half_full() const { return used() >= bytes_max_ / 2; }

 private:
  const std::size_t bytes_max_;
  std::atomic<std::size_t> used_{0};
};

class DiskWatch;

// What the disk takes. Set by the writers and their DiskWatch, asked by the shards before they let a request in.
// Thread-safe.
class DiskState {
 public:
  void set_log_full(bool full) { log_full_.store(full, std::memory_order_relaxed); }
  void set_state_full(bool full) { state_full_.store(full, std::memory_order_relaxed); }
  void set_tight(bool tight) { tight_.store(tight, std::memory_order_relaxed); }
  void set_flush_early(bool early) { flush_early_.store(early, std::memory_order_relaxed); }

  // The last write did not fit: nothing more is let in.
  [[nodiscard]] bool is_full() const {
    return log_full_.load(std::memory_order_relaxed) || state_full_.load(std::memory_order_relaxed);
  }
  // The reserve is reached: what would grow the disk's content is not let in.
  [[nodiscard]] bool is_tight() const { return tight_.load(std::memory_order_relaxed); }
  // Room is short, or the log is long: shards flush what they have, so that logs can be cut.
  [[nodiscard]] bool wants_flush() const { return flush_early_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> log_full_{false};
  std::atomic<bool> state_full_{false};
  std::atomic<bool> tight_{false};
  std::atomic<bool> flush_early_{false};
};

struct NodeBudgets {
  // Applied but unflushed state.
  ByteBudget overlay{limits::kOverlayBytesMax};
  // Commands from their admission until they are applied: waiting in shards, queued for the log writer, being synced.
  // An admitted command is never dropped for want of room, so the bound is kept at the door.
  ByteBudget admitted{limits::kLogQueueBytesMax};
  DiskState disk;
  std::shared_ptr<DiskWatch> watch;  // looks after `disk`; none: only failed writes tell that it is full

  NodeBudgets() = default;
  NodeBudgets(std::size_t overlay_bytes_max, std::size_t admitted_bytes_max)
      : overlay(overlay_bytes_max), admitted(admitted_bytes_max) {}
};

}  // namespace earshot::actors
