#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "actors/group_gauge.hpp"

namespace earshot::actors {

// What a shard tells of itself, for whoever watches: written by its own thread only, after each event, and read by any.
// Each number is exact, together they are no snapshot.
class ShardGauge {
 public:
  using Counter = std::atomic<std::uint64_t>;

  Counter applied_index{0};
  Counter entries_applied{0};  // since the start, those that were applied again at it included
  Counter overlay_bytes{0};    // applied, and not in its tables yet
  Counter registrations{0};    // live sessions of its users
  Counter log_writes{0};       // under way to the log writer, or being synced
  Counter leader{0};           // a node's id; 0: none that is known here
  Counter term{0};             //
  Counter voters{0};           // of the group, in the newest configuration
  Counter lag_entries{0};      // that the member furthest behind has not stored, as its leader here knows
  Counter commit_index{0};     //
  Counter fetching{0};         // 1: its state is not here yet
  Counter held_answers{0};     // until nodes have been told where members are
  GroupGauge members;
};

// Of the only writer: no other can come between.
inline void show(ShardGauge::Counter& counter, std::uint64_t value) { counter.store(value, std::memory_order_relaxed); }
inline void add(ShardGauge::Counter& counter, std::uint64_t n) {
  counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

}  // namespace earshot::actors
