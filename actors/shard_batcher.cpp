#include "actors/shard_batcher.hpp"

#include <utility>

namespace earshot::actors {

void Batcher::add(Command command, Waiter waiter, std::size_t bytes) {
  const bool fits = !entries_.empty() && entries_.back().waiters.size() < limits_.entry_commands_max &&
                    entries_.back().bytes + bytes <= limits_.entry_bytes_max;
  Gathered& entry = fits ? entries_.back() : entries_.emplace_back();
  entry.batch.commands.push_back(std::move(command));
  entry.waiters.push_back(std::move(waiter));
  entry.bytes += bytes;
  commands_ += 1;
  bytes_ += bytes;
}

Batcher::Gathered Batcher::take() {
  EARSHOT_INVARIANT(!entries_.empty(), "there is something to take");
  Gathered entry = std::move(entries_.front());
  entries_.pop_front();
  commands_ -= entry.waiters.size();
  bytes_ -= entry.bytes;
  return entry;
}

}  // namespace earshot::actors
