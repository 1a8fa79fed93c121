#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "cluster/cursors.hpp"
#include "cluster/expiry.hpp"
#include "cluster/machine_limits.hpp"
#include "cluster/mailbox.hpp"
#include "schema/commands.hpp"
#include "schema/manage.hpp"
#include "schema/records.hpp"
#include "storage/shard_state.hpp"

namespace earshot::cluster {

// How many messages are parked for a device, counted on disk: for a cursor that has lost its count.
std::uint32_t count_parked(storage::ShardState& state, const UserId& user, const DeviceId& device,
                           std::uint64_t& damaged_met);

// Messages that a device was given again and again and did not ack, set aside for it: it is told that they are lost to
// it, and somebody lists them and decides. How many there are stands in the device's cursor.
//
// A damaged record is believed where the device has acked the message: nothing else brings it back, so it stays on the
// list, with nothing known of it. Where it has not, the message is delivered again.
class Parked {
 public:
  Parked(storage::ShardState& state, Mailboxes& mailboxes, Cursors& cursors, const MachineLimits& limits);

  // Counts fruitless deliveries, parks what has had `deliveries_max` of them (0: nothing), and says what is parked of
  // what was noted, ascending: also from before, for the word of that may not have come to whoever delivers it still.
  // Only the lowest attempts_kept_max sequences that wait for an ack are counted: in order, nothing behind them can be
  // at fault.
  std::vector<Sequence> note(const AttemptsCommand& command, std::uint32_t deliveries_max, const EndRules& rules,
                             std::uint64_t now_ms);
  // Whether a replay may be done as a whole: kNotFound(device), kMailboxFull, and kTooLarge(sequences) for more bytes
  // than one call may bring.
  Status check_replay(const ReplayCommand& command, const Policy& policy, const EndRules& rules);
  // The message to be stored again; nothing when it is not parked or has ended.
  std::optional<MailboxRecord> copy(const UserId& user, const DeviceId& device, Sequence sequence,
                                    const EndRules& rules);
  // Takes one off the list; false when it is not on it.
  bool take(const UserId& user, const DeviceId& device, Sequence sequence);
  void take_all(const UserId& user, const DeviceId& device);

  // Sequences > after, ascending; those of damaged records are left out.
  [[nodiscard]] std::vector<Sequence> beyond_cursor(const UserId& user, const DeviceId& device);
  [[nodiscard]] std::vector<Sequence> sequences(const UserId& user, const DeviceId& device, Sequence after);
  // Nothing: not parked. `cursor` is the device's.
  [[nodiscard]] Result<std::optional<ParkedRecord>> find(const UserId& user, const DeviceId& device,
                                                         const CursorRecord& cursor, Sequence sequence);
  // Of one device, sequence > after, ascending, at most `limit`, without the messages themselves.
  [[nodiscard]] Result<std::vector<ParkedMessage>> list(const UserId& user, const DeviceId& device,
                                                        const CursorRecord& cursor, Sequence after, std::size_t limit);
  [[nodiscard]] std::uint64_t damaged_met() const { return damaged_met_; }
  // Damaged records that decided something and are not counted above (Effects::is_doubtful).
  [[nodiscard]] std::uint64_t doubts() const { return doubts_; }
  // Messages that should be there and are not (Effects::misses_messages).
  [[nodiscard]] std::uint64_t missed() const { return missed_; }

 private:
  // `met`: of those that are parked.
  void count(const AttemptsCommand::Note& note, const MailboxHead& head, const std::vector<Sequence>& parked,
             CursorRecord& cursor, std::vector<Sequence>& met) const;

  // For commands. Whether there is such a record, damaged or not.
  bool has_record(const std::string& key);
  // For commands. Nothing: it has ended, is damaged, or is missing.
  std::optional<MailboxRecord> living(const UserId& user, Sequence sequence, const EndRules& rules);

  storage::ShardState& state_;
  Mailboxes& mailboxes_;
  Cursors& cursors_;
  std::size_t attempts_kept_max_;
  std::uint32_t parked_max_;
  std::uint64_t messages_max_;
  std::uint64_t damaged_met_ = 0;
  std::uint64_t doubts_ = 0;
  std::uint64_t missed_ = 0;
};

}  // namespace earshot::cluster
