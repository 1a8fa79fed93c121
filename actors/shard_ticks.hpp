#pragma once

#include <cstdint>
#include <memory>

#include "actors/clock_watch.hpp"
#include "base/clock.hpp"
#include "base/ids.hpp"

namespace earshot::actors {

// Where a leader's ticks come from: the wall clock, as long as it goes along with the monotonic clock and those of most
// other nodes. One that has drifted away from the monotonic one by more than a minute since start was set by somebody
// and may be wrong, as one that others disagree with: then no tick is proposed, so nothing expires by mistake, until it
// agrees again. Says so once each time (of the others, the node does). The time itself goes on meanwhile, by the other
// nodes' clocks where most of all disagree, else by the monotonic one: what is stored then must not count from when the
// ticks stopped. Most of all other nodes, showing the same time, say that it was the monotonic clock which left the
// wall clock: all clocks of a virtual machine stand still while it is paused, saved or migrated, and its wall clock is
// set afterwards.
class TickSource {
 public:
  // `clocks`: of the other nodes; none: there are none.
  TickSource(const Clock& clock, ShardId shard, std::shared_ptr<const ClockWatch> clocks = {});
  struct Time {
    std::uint64_t tick_ms = 0;  // the wall clock; 0: no tick
    std::uint64_t now_ms = 0;   // the same, or others' time, or what was trusted last and what has passed since
  };
  Time now();
  // How long until the tick is at least this; while there are no ticks: until it is worth looking again.
  std::uint64_t wait_ms(std::uint64_t wall_ms);
  // Holds the wall clock against the time that is committed. A clock that was wrong since start is doubted by nothing
  // else: one that is behind lets nothing end until it gets there, one far ahead ends much at once. Says so once each.
  void compare(std::uint64_t committed_ms);

 private:
  const Clock& clock_;
  const ShardId shard_;
  const std::shared_ptr<const ClockWatch> clocks_;
  std::uint64_t wall_ahead_ms_;  // of the monotonic clock: at start, or when other nodes last showed the same
  bool trusted_ = true;
  bool is_behind_ = false;  // the committed time, at the last comparison
  bool is_compared_ = false;
};

// When an entry that holds a tick alone is worth writing: at once while there is more to do than one entry may; else in
// steps of tick_interval_ms, so that what comes due one by one does not cost an entry each.
std::uint64_t next_tick_ms(std::uint64_t due_ms, std::uint64_t last_tick_ms);

}  // namespace earshot::actors
