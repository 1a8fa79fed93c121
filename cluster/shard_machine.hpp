#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "cluster/machine_limits.hpp"
#include "schema/commands.hpp"
#include "schema/messages.hpp"
#include "storage/log_types.hpp"
#include "storage/shard_state.hpp"

namespace earshot::cluster {

// Results of commands, one per command of a batch, in order.
struct SendResult {
  std::vector<SendAnswer> answers;  // one per item
};
struct LoginResult {
  Result<LoginOutcome> outcome;
};
struct AckResult {
  Result<Sequence> cursor;  // everything up to here is acked
};
struct TransferResult {
  std::uint64_t last = 0;  // the last outbox number taken of this origin and epoch: confirms, or asks for the next
};
struct ConfirmResult {};
struct TouchResult {};
struct AttemptsResult {
  std::vector<Sequence> parked;  // for this device, now; ascending
};
struct ReplayResult {
  Result<std::vector<Sequence>> sequences;  // see Replayed
};
struct StatusResult {  // of RemoveDeviceCommand, DropParkedCommand and SetPolicyCommand
  Status status;
};
using CommandResult = std::variant<SendResult, LoginResult, AckResult, TransferResult, ConfirmResult, TouchResult,
                                   AttemptsResult, ReplayResult, StatusResult>;

// A message that a batch put into a mailbox, for the live sessions of its user.
struct NewMessage {
  UserId user;
  std::shared_ptr<const IncomingMessage> message;  // attempt 1
};

// Messages that ended while their mailbox goes on, for its live sessions. One that `delivered` named may be among them.
struct EndedMessages {
  UserId user;
  LostRange range;
};

// A device that has no cursor any more: a live session of it has lost its ground.
struct RemovedDevice {
  UserId user;
  DeviceId device;
};

// What applying one entry caused. The same on every replica; only the leader acts on it.
struct Effects {
  std::vector<CommandResult> results;
  std::vector<NewMessage> delivered;    // in mailbox order
  std::vector<ShardId> outbox_targets;  // shards for which outbox records were written, each once, ascending
  std::vector<EndedMessages> ended;     // ascending in each mailbox
  std::vector<RemovedDevice> removed_devices;
  std::uint64_t dropped = 0;  // copies that found no room (or no place) in a mailbox, or were lost: never silent
  std::uint64_t damaged =
      0;  // damaged records met: this replica may now differ from its peers and must be seeded again
};

// The deterministic state of one shard: users' mailboxes, cursors, producers' lanes, outboxes. The same entries give
// the same state on every replica: no clock, no chance, no hash order. A record that fails its checksum is treated as
// absent data where that is safe and as a final refusal (kCorrupt) where it is not; nothing is guessed.
//
// Rules:
//  * lanes: contiguity is judged here, at apply. See StreamReceiver; window full → Held(kOverloaded).
//  * mailbox sequences are contiguous; a message is stored with the shard's tick as its time.
//  * a cursor never goes back, never passes the mailbox's last sequence.
//  * the tick never goes back.
//
// Thread: owned by the shard. Memory: decoded lanes, heads and cursors are cached, written back on freeze(), bounded.
class ShardMachine {
 public:
  // Reads the shard's heads. kCorrupt when one is damaged. `state` must outlive the machine.
  static Result<std::unique_ptr<ShardMachine>> open(storage::ShardState& state, ShardId shard,
                                                    std::uint16_t shard_count, const MachineLimits& limits = {});
  virtual ~ShardMachine() = default;

  // Applies a command entry. `index` must follow applied_index() (gaps are barriers and configurations; going back is a
  // broken invariant). An entry that cannot be decoded stops the process: replicas must not diverge.
  virtual Effects apply(LogIndex index, Term term, std::string_view entry) = 0;

  // Writes everything cached into the state, with the shard head (applied index and term), and freezes it for the state
  // writer; nullptr when nothing changed or a flush is under way.
  virtual std::shared_ptr<const storage::FrozenOverlay> freeze() = 0;
  // The frozen overlay is committed and synced.
  virtual void flushed() = 0;

  // Messages with sequence > after, ascending, at most `limit` and about bytes_max (at least one). Damaged or trimmed
  // ones are said in `lost`. kNotFound for no such mailbox never occurs: an unknown user has an empty mailbox.
  virtual Result<Batch> fetch(const UserId& user, Sequence after, std::uint32_t limit, std::size_t bytes_max) = 0;
  // The newest `limit` below `before` (0: from the end), ascending.
  virtual Result<Batch> history(const UserId& user, Sequence before, std::uint32_t limit, std::size_t bytes_max) = 0;

  // The mailbox's policy, or the default's when it has none of its own; of nobody (empty): the default.
  virtual Result<PolicyInfo> policy(const UserId& user) = 0;
  // Ascending by device. `connected` is not known here.
  virtual Result<std::vector<DeviceInfo>> devices(const UserId& user) = 0;
  // Parked messages with sequence > after, ascending by sequence, then device; about `limit` and bytes_max, but all of
  // one sequence together, and at least one. With an empty device those of every device, without their bodies.
  virtual Result<std::vector<ParkedMessage>> parked(const UserId& user, const DeviceId& device, Sequence after,
                                                    std::uint32_t limit, std::size_t bytes_max) = 0;
  // By sequence, or when that is 0 by id among the newest. kNotFound(sequence, id). What live sessions know of it, and
  // the node, is for the caller to fill in.
  virtual Result<Explanation> explain(const UserId& user, Sequence sequence, MessageId id) = 0;

  // Wall-clock ms from which an entry with a tick, and no command, has something to do: messages due, or a round
  // through the records. 0: never. Cheap.
  [[nodiscard]] virtual std::uint64_t next_due_ms() const = 0;

  // Undrained outbox records for `target`, numbered first, first + 1, …: at most `limit` and about bytes_max (at least
  // one; none when `first` was not given out yet). kNotFound(first), `expected` naming the lowest undrained one, when
  // `first` is drained. In the place of a damaged record stands one of OutboxCause::kLost, which the target counts: the
  // numbers stay contiguous, and the loss is said.
  virtual Result<std::vector<OutboxRecord>> outbox(ShardId target, std::uint64_t first, std::uint32_t limit,
                                                   std::size_t bytes_max) = 0;
  // Every target with undrained records, with its head: what a new leader must drain.
  virtual Result<std::vector<std::pair<ShardId, OutboxHead>>> outbox_heads() = 0;

  [[nodiscard]] virtual LogIndex applied_index() const = 0;
  [[nodiscard]] virtual std::uint64_t tick_ms() const = 0;
  [[nodiscard]] virtual Epoch epoch() const = 0;
  // Bytes applied but not yet flushed, caches included.
  [[nodiscard]] virtual std::size_t unflushed_bytes() const = 0;
  // A hash over every live record: equal on all replicas at equal applied index. Slow; for tests and verification.
  [[nodiscard]] virtual Result<std::uint64_t> digest() = 0;
};

}  // namespace earshot::cluster
