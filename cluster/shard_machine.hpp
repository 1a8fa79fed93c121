#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "cluster/effects.hpp"
#include "cluster/machine_faults.hpp"
#include "cluster/machine_limits.hpp"
#include "cluster/positions.hpp"
#include "schema/commands.hpp"
#include "schema/messages.hpp"
#include "storage/log_types.hpp"
#include "storage/shard_state.hpp"

namespace earshot::cluster {

// The deterministic state of one shard: users' mailboxes, cursors, producers' lanes, outboxes. The same entries give
// the same state on every replica: no clock, no chance, no hash order. A record that fails its checksum is treated as
// absent data where that is safe and as a final refusal (kCorrupt) where it is not; nothing is guessed.
//
// Rules:
//  * lanes: contiguity is judged here, at apply. See StreamReceiver; window full → Held(kOverloaded).
//  * mailbox sequences are contiguous; a message is stored with the shard's time, and its time to live is counted from
//    there.
//  * a cursor never goes back, never passes the mailbox's last sequence.
//  * a member's position is the last one that was set; every change of any has a version of its own, ascending.
//  * neither the tick nor the time goes back. Only the tick ends anything; the time, which goes on while a leader is
//    not sure enough of its clock for a tick, says when something happened.
//
// Thread: owned by the shard. Memory: decoded lanes, heads and cursors are cached, written back on freeze(), bounded.
class ShardMachine {
 public:
  // Reads the shard's heads. kCorrupt when one is damaged. `state` must outlive the machine.
  static Result<std::unique_ptr<ShardMachine>> open(storage::ShardState& state, ShardId shard,
                                                    std::uint16_t shard_count, const MachineLimits& limits = {},
                                                    const MachineFaults& faults = {});
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
  // The one that the device's last login got; 0: there is no such device, or its producer is forgotten.
  virtual ProducerId producer_of(const UserId& user, const DeviceId& device) = 0;
  // Ascending by device. `connected` is not known here.
  virtual Result<std::vector<DeviceInfo>> devices(const UserId& user) = 0;
  // Parked messages with sequence > after, ascending by sequence, then device; about `limit` and bytes_max, but all of
  // one sequence together, and at least one. With an empty device those of every device, without their bodies.
  virtual Result<std::vector<ParkedMessage>> parked(const UserId& user, const DeviceId& device, Sequence after,
                                                    std::uint32_t limit, std::size_t bytes_max) = 0;
  // By sequence, or when that is 0 by id among the newest. kNotFound(sequence, id). What live sessions know of it, and
  // the node, is for the caller to fill in.
  virtual Result<Explanation> explain(const UserId& user, Sequence sequence, MessageId id) = 0;

  // Whether this session's changes of positions would be taken: kSessionReplaced(login) when a later one has moved
  // here.
  virtual Status may_move(const Mover& mover) = 0;
  // Where a member is now; nothing: nowhere. kCorrupt: it is not known.
  virtual Result<std::optional<Position>> position(const LayerId& layer, std::string_view member) = 0;
  // The newest version that was given to a position.
  [[nodiscard]] virtual std::uint64_t position_version() const = 0;
  // All positions of the shard, page by page; see Positions::scan().
  virtual Result<PositionPage> positions(const std::string& from, std::size_t limit) = 0;
  // Wall-clock ms at which the next position ends; 0: none does. Those of before that time are gone. Cheap.
  [[nodiscard]] virtual std::uint64_t next_position_end_ms() const = 0;
  // Layers that have members here, with names greater than `after`, ascending.
  virtual Result<std::vector<LayerSize>> layers(const LayerId& after, std::size_t limit) = 0;

  // The privacies of layers whose names belong to the shard, where they have one of their own.
  [[nodiscard]] virtual std::vector<PrivacyChange> privacies() const = 0;

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
