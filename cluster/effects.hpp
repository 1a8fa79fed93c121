#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "base/layer_privacy.hpp"
#include "schema/messages.hpp"

// What comes of applying an entry to a shard's state.
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
  std::vector<Sequence> parked;  // for this device, of those noted, now or before; ascending
};
struct ReplayResult {
  Result<std::vector<Sequence>> sequences;  // see Replayed
};
struct StatusResult {  // of RemoveDeviceCommand, DropParkedCommand, SetPolicyCommand and SetLayerPrivacyCommand
  Status status;
};
enum class PositionOutcome : std::uint8_t {
  kAdded,      // it had none
  kChanged,    // it is elsewhere now
  kUnchanged,  // it was there already
  kSkipped,    // the condition does not hold
  kAccepted,   // it will be there: answered before it is known what that changes
};
struct PositionsResult {
  Result<std::vector<PositionOutcome>> outcomes;  // one per item
};
struct ClearedResult {  // of ClearPositionsCommand
  Result<std::uint64_t> members;
};
struct LayersClearedResult {
  Result<std::vector<std::uint64_t>> members;  // that were in each layer, in order
};
using CommandResult =
    std::variant<SendResult, LoginResult, AckResult, TransferResult, ConfirmResult, TouchResult, AttemptsResult,
                 ReplayResult, StatusResult, PositionsResult, ClearedResult, LayersClearedResult>;

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

// A member is elsewhere, or nowhere.
struct Move {
  LayerId layer;
  std::string member;
  std::optional<double> score;  // none: it was cleared, or has expired
  std::uint64_t version = 0;
  bool hidden = false;     // from every user but the member itself
  bool ahead = false;      // of the log, and without a version: accepted, not committed
  bool settles = false;    // a move that was told ahead has its place in the log, or was taken back
  bool elsewhere = false;  // of a feed: in none of the regions of the node that is told
  // Of what is ahead, or settles: its number among all that this leader told ahead. 0: none of its own.
  std::uint64_t ahead_number = 0;
  bool operator==(const Move&) const = default;
};

// Nobody whose position is older is in the layer any more.
struct ClearedLayer {
  LayerId layer;
  std::uint64_t version = 0;
  bool operator==(const ClearedLayer&) const = default;
};

// A layer's privacy has changed.
struct PrivacyChange {
  LayerId layer;
  std::optional<LayerPrivacy> privacy;  // none: it is as layers are by default
  bool operator==(const PrivacyChange&) const = default;
};

// What applying one entry caused. The same on every replica; only the leader acts on it.
struct Effects {
  std::vector<CommandResult> results;
  std::vector<NewMessage> delivered;    // in mailbox order
  std::vector<ShardId> outbox_targets;  // shards for which outbox records were written, each once, ascending
  std::vector<EndedMessages> ended;     // ascending in each mailbox
  std::vector<RemovedDevice> removed_devices;
  std::vector<Move> moves;  // by ascending version, as the next; both together are one order
  std::vector<ClearedLayer> cleared_layers;
  std::vector<PrivacyChange> privacies;  // as they were made
  std::uint64_t dropped = 0;  // copies that found no room (or no place) in a mailbox, or were lost: never silent
  // Damaged records met: this replica may now differ from its peers and must be seeded again.
  std::uint64_t damaged = 0;
  // So may one that has looked at damaged records which are not counted here: because they are met again and again, as
  // those at a mailbox's front, or have been told of already.
  bool is_doubtful = false;
  // A message was missed that should be there. All replicas lack it where an operator took its loss when the node was
  // alone (`earshot verify`); else this one may now differ from its peers.
  bool misses_messages = false;
};

}  // namespace earshot::cluster
