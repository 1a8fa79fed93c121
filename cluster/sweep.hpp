#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "cluster/cursors.hpp"
#include "cluster/devices.hpp"
#include "cluster/effects.hpp"
#include "cluster/lanes.hpp"
#include "cluster/machine_limits.hpp"
#include "cluster/mailbox.hpp"
#include "cluster/outbox.hpp"
#include "cluster/policies.hpp"
#include "cluster/retention.hpp"
#include "schema/records.hpp"
#include "storage/shard_state.hpp"

namespace earshot::cluster {

// From time to time a round through a shard's records ends what nobody else comes by to end. In the order of the keys:
//
//   cursors             devices and producers that have been idle for too long
//   forgotten producers told to every shard, which then drops their lanes
//   mailbox heads       messages that are too old or too many
//   policies            the shortest of their times decides when the next round begins
//
// After a leap of time, as when the node was off, no device and no producer ends for a while: nobody could show up.
//
// An entry with a tick takes a round a bounded number of records further; how far it got is part of the state.
class Sweep {
 public:
  struct Parts {
    storage::ShardState& state;
    Mailboxes& mailboxes;
    Policies& policies;
    Retention& retention;
    Cursors& cursors;
    Devices& devices;
    Lanes& lanes;
    Outbox& outbox;
  };
  Sweep(const Parts& parts, ShardId shard, std::uint16_t shard_count, const MachineLimits& limits)
      : parts_(parts), shard_(shard), shard_count_(shard_count), limits_(limits) {}

  Status load();
  // At every tick; `previous_ms` is the one before, 0: there was none.
  void step(std::uint64_t previous_ms, std::uint64_t tick_ms, Effects& effects);
  // A new round is to begin soon.
  void policy_changed(const Policy& policy);
  // When step() has something to do.
  [[nodiscard]] std::uint64_t next_due_ms() const;
  void write_back();
  [[nodiscard]] std::uint64_t damaged_met() const { return damaged_met_; }
  // Damaged records that decided something and are not counted above (Effects::is_doubtful).
  [[nodiscard]] std::uint64_t doubts() const { return doubts_; }

 private:
  // Takes records from the position on, fewer than `records_left_` becomes; true: to the end of their kind.
  bool sweep_cursors(Effects& effects);
  bool sweep_forgotten_producers(Effects& effects);
  bool sweep_mailboxes(Effects& effects);
  bool sweep_policies();

  template <class Visit>  // (key, value); for every record taken
  bool take(std::string_view kind_end, Visit&& visit);
  void end_idle(const UserId& user, const DeviceId& device, const CursorRecord& cursor, Effects& effects);
  void shorten_interval(const Policy& policy);

  Parts parts_;
  ShardId shard_;
  std::uint16_t shard_count_;
  MachineLimits limits_;
  SweepHead head_;
  bool is_dirty_ = false;
  std::uint64_t damaged_met_ = 0;
  std::uint64_t doubts_ = 0;
  std::uint64_t postponed_until_ms_ = 0;  // only for next_due_ms(): not part of the state

  // of the step under way
  std::uint64_t tick_ms_ = 0;
  std::size_t records_left_ = 0;
};

}  // namespace earshot::cluster
