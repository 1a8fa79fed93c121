#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "actors/presence.hpp"
#include "schema/commands.hpp"

namespace earshot::actors {

// Says from time to time which devices are connected, so that none of them counts as idle. One round through all
// registrations takes touch_interval_ms; its commands are spread evenly over that time, each with at most
// touch_devices_max devices, so that neither many sessions nor their registering at once make a burst.
//
// A device that moves inside the table during a round (it grew) may be missed or told twice: a round more or less is
// nothing against what counts as idle.
// Thread: its shard's. Times are monotonic ms.
class TouchRound {
 public:
  // Nothing is registered before the first one. To be called whenever one is.
  void registered(std::uint64_t now_ms) {
    if (wake_at_ms_ == 0) begin(now_ms);
  }
  // Those whose turn has come, if any.
  std::optional<TouchCommand> next(const Presence& presence, std::uint64_t now_ms);
  // It cannot be told now: look again later.
  void put_off(std::uint64_t now_ms);

  // 0: nothing is registered.
  [[nodiscard]] std::uint64_t wake_at() const { return wake_at_ms_; }

 private:
  void begin(std::uint64_t now_ms);

  std::uint64_t started_ms_ = 0;
  std::size_t place_ = 0;  // slots of the table before it have had their turn
  std::size_t slots_ = 0;  // of the table, when place_ was set
  std::uint64_t wake_at_ms_ = 0;
};

}  // namespace earshot::actors
