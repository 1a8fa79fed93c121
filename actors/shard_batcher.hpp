#pragma once

#include <cstddef>
#include <deque>
#include <vector>

#include "actors/shard_waiters.hpp"
#include "base/limits.hpp"
#include "schema/commands.hpp"

namespace earshot::actors {

// What an encoded entry has beside its commands (framing, root, the list's head), at most.
inline constexpr std::size_t kEntryOverheadBytes = 64;

struct BatcherLimits {
  std::size_t pending_commands_max = limits::kShardPendingCommandsMax;
  std::size_t pending_bytes_max = limits::kShardPendingBytesMax;
  std::size_t entry_commands_max = limits::kEntryCommandsMax;
  std::size_t entry_bytes_max = limits::kEntryBytesMax - kEntryOverheadBytes;
};

// Gathers requests into log entries, in the order in which they came. A command is put into its entry at once, so that
// it moves only once; an entry is closed when the next command would exceed its bounds. A command larger than an entry
// may be goes into one of its own.
class Batcher {
 public:
  struct Gathered {
    CommandBatch batch;
    std::vector<Waiter> waiters;  // one per command
    std::size_t bytes = 0;
  };

  explicit Batcher(BatcherLimits limits = {}) : limits_(limits) {}

  // Whether one more command may wait.
  [[nodiscard]] bool has_room() const {
    return commands_ < limits_.pending_commands_max && bytes_ < limits_.pending_bytes_max;
  }
  void add(Command command, Waiter waiter, std::size_t bytes);
  // The oldest entry's worth. Precondition: not empty.
  Gathered take();

  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] std::size_t commands() const { return commands_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  const BatcherLimits limits_;
  std::deque<Gathered> entries_;
  std::size_t commands_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace earshot::actors
