#pragma once

#include <cstddef>
#include <cstdint>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "cluster/effects.hpp"
#include "cluster/expiry.hpp"
#include "cluster/machine_faults.hpp"
#include "cluster/machine_limits.hpp"
#include "cluster/mailbox.hpp"
#include "cluster/policies.hpp"

namespace earshot::cluster {

// Ends messages: at their time to live, and at the age or the number that their mailbox's policy sets. A message whose
// time has come becomes a tombstone, since those before it may live on; what is over at the front of a mailbox goes for
// good, and the head tells why. Everything that ends is in Effects::ended.
//
// The work of one call is bounded; what is left is done by the next tick, append or round of the sweep.
class Retention {
 public:
  Retention(storage::ShardState& state, Mailboxes& mailboxes, Policies& policies, MessageExpiryIndex& expiries,
            const MachineLimits& limits, const MachineFaults& faults);

  // At every tick: the messages that are due.
  void end_due(std::uint64_t tick_ms, Effects& effects);
  // Before one more message is stored. Reads nothing when the policy limits neither age nor number.
  void make_room(const UserId& user, std::uint64_t tick_ms, Effects& effects);

  struct Trimmed {
    std::size_t looked = 0;  // records
    bool is_done = true;     // false: there may be more to end
    bool has_moved = false;  // the mailbox's first sequence
  };
  // Removes what is over at the front of a mailbox, looking at no more than `records_max` records.
  Trimmed trim(const UserId& user, std::uint64_t tick_ms, std::size_t records_max, Effects& effects);

  [[nodiscard]] std::uint64_t damaged_met() const { return damaged_met_; }
  // Damaged records that decided something and are not counted above (Effects::is_doubtful).
  [[nodiscard]] std::uint64_t doubts() const { return doubts_; }
  // How often a message was not there that should have been (Effects::misses_messages).
  [[nodiscard]] std::uint64_t missed() const { return missed_; }

 private:
  struct Front;

  bool end(const storage::keys::Expiry& due, std::uint64_t tick_ms, Effects& effects);
  Trimmed trim(const UserId& user, const Policy& policy, std::uint64_t incoming, std::uint64_t tick_ms,
               std::size_t records_max, Effects& effects);

  storage::ShardState& state_;
  Mailboxes& mailboxes_;
  Policies& policies_;
  MessageExpiryIndex& expiries_;
  std::size_t expiries_per_entry_max_;
  std::size_t trims_per_append_max_;
  MachineFaults faults_;
  std::uint64_t damaged_met_ = 0;
  std::uint64_t doubts_ = 0;
  std::uint64_t missed_ = 0;
};

}  // namespace earshot::cluster
