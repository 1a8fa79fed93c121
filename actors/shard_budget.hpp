#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>

#include "base/byte_budget.hpp"
#include "base/limits.hpp"

// What all shards of a node share: how much of the common memory is taken, and whether the disk takes writes. Read and
// written from the shards' and the writers' threads; only counts, so relaxed order does.
namespace earshot::actors {

class DiskWatch;

// What the disk takes. Set by the writers and their DiskWatch, asked by the shards before they let a request in.
// Thread-safe.
class DiskState {
 public:
  void set_log_full(bool full) { log_full_.store(full, std::memory_order_relaxed); }
  void set_state_full(bool full) { state_full_.store(full, std::memory_order_relaxed); }
  void set_tight(bool tight) { tight_.store(tight, std::memory_order_relaxed); }
  void set_flush_early(bool early) { flush_early_.store(early, std::memory_order_relaxed); }
  void set_room_bytes(std::uint64_t bytes) { room_bytes_.store(bytes, std::memory_order_relaxed); }

  // The last write of the log did not fit: nothing more is let in.
  [[nodiscard]] bool is_log_full() const { return log_full_.load(std::memory_order_relaxed); }
  // The last write of one of both did not fit.
  [[nodiscard]] bool is_full() const { return is_log_full() || state_full_.load(std::memory_order_relaxed); }
  // The reserve is reached, or state finds no room: what would grow the disk's content is not let in.
  [[nodiscard]] bool is_tight() const { return tight_.load(std::memory_order_relaxed) || is_full(); }
  // What was free above the reserve when the disk was looked at last, whatever is promised of it. Nobody looks: all.
  [[nodiscard]] std::uint64_t room_bytes() const { return room_bytes_.load(std::memory_order_relaxed); }
  // Room is short, or the log is long: shards flush what they have, so that logs can be cut.
  [[nodiscard]] bool wants_flush() const { return flush_early_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> log_full_{false};
  std::atomic<bool> state_full_{false};
  std::atomic<bool> tight_{false};
  std::atomic<bool> flush_early_{false};
  std::atomic<std::uint64_t> room_bytes_{std::numeric_limits<std::uint64_t>::max()};
};

struct NodeBudgets {
  // Applied but unflushed state.
  ByteBudget overlay{limits::kOverlayBytesMax};
  // Commands from their admission until they are applied: waiting in shards, queued for the log writer, being synced.
  // An admitted command is never dropped for want of room, so the bound is kept at the door.
  ByteBudget admitted{limits::kLogQueueBytesMax};
  // Answers to reads from the shard that made them until the session has them.
  ByteBudget reads{limits::kReadsBytesMax};
  // What sessions hold for their devices until it is acked.
  ByteBudget windows{limits::kWindowsBytesMax};
  DiskState disk;
  std::shared_ptr<DiskWatch> watch;  // looks after `disk`; none: only failed writes tell that it is full

  // What has been let in and is not on the disk yet: an admitted command takes its room twice, in the log and then in
  // the state.
  [[nodiscard]] std::uint64_t promised_bytes() const { return 2 * std::uint64_t{admitted.used()} + overlay.used(); }
  // Whether what would grow the disk's content is let in. Between two looks at the disk more may be asked for than the
  // reserve has.
  [[nodiscard]] bool has_disk_room() const { return !disk.is_tight() && promised_bytes() <= disk.room_bytes(); }

  NodeBudgets() = default;
  NodeBudgets(std::size_t overlay_bytes_max, std::size_t admitted_bytes_max)
      : overlay(overlay_bytes_max), admitted(admitted_bytes_max) {}
};

}  // namespace earshot::actors
