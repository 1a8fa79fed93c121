#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "base/layer_privacy.hpp"
#include "schema/manage.hpp"
#include "schema/messages.hpp"
#include "schema/records.hpp"

// What stands in a shard's Raft log, as C++ types, with its codec.
namespace earshot {

// One message of a lane. A refusal is set when the message broke a rule at the door: it uses up the number, stores
// nothing.
struct SendItem {
  OutgoingMessage message;
  std::optional<Error> refusal;
  bool operator==(const SendItem&) const = default;
};

// Messages of one producer to users of one shard, in lane order.
struct SendCommand {
  ProducerId producer;
  UserId user;
  DeviceId device;
  std::vector<SendItem> items;
  bool operator==(const SendCommand&) const = default;
};

// A device of a user of this shard appears.
struct LoginCommand {
  UserId user;
  DeviceId device;
  ProducerId producer;
  Epoch epoch;
  Sequence last_received;
  StartAt start_at = StartAt::kOldest;
  LoginOrder order = {};
  bool operator==(const LoginCommand&) const = default;
};

struct AckCommand {
  UserId user;
  DeviceId device;
  Sequence up_to;
  std::vector<Sequence> above;  // ascending
  bool operator==(const AckCommand&) const = default;
};

// Outbox records of another shard, numbered first, first + 1, …
struct TransferCommand {
  ShardId origin;
  Epoch epoch;
  std::uint64_t first = 0;
  std::vector<OutboxRecord> records;
  bool operator==(const TransferCommand&) const = default;
};

// The target shard has committed our outbox records up to here.
struct ConfirmCommand {
  ShardId target;
  std::uint64_t up_to = 0;
  bool operator==(const ConfirmCommand&) const = default;
};

// These devices are connected: they are not idle.
struct TouchCommand {
  struct Name {
    UserId user;
    DeviceId device;
    bool operator==(const Name&) const = default;
  };
  std::vector<Name> devices;
  bool operator==(const TouchCommand&) const = default;
};

// Deliveries to a device that brought no ack: each message of first..last was delivered `count` times in vain.
struct AttemptsCommand {
  UserId user;
  DeviceId device;
  struct Note {
    Sequence first;
    Sequence last;
    std::uint32_t count = 0;
    bool operator==(const Note&) const = default;
  };
  std::vector<Note> notes;  // ascending
  bool operator==(const AttemptsCommand&) const = default;
};

struct RemoveDeviceCommand {
  UserId user;
  DeviceId device;
  bool operator==(const RemoveDeviceCommand&) const = default;
};

// Parked messages go into the mailbox again, as new ones with the same id.
struct ReplayCommand {
  UserId user;
  DeviceId device;
  std::vector<Sequence> sequences;
  bool operator==(const ReplayCommand&) const = default;
};

struct DropParkedCommand {
  UserId user;
  DeviceId device;
  std::vector<Sequence> sequences;
  bool operator==(const DropParkedCommand&) const = default;
};

// The session that a change of policies, positions or layers comes from. Of two of the same device the one with the
// greater login is the later one, and what the other one asked is out of date.
struct Mover {
  UserId user;
  DeviceId device;
  std::uint64_t login = 0;  // LoginOutcome::number; 0: of nobody who could come again
  bool operator==(const Mover&) const = default;
};

struct SetPolicyCommand {
  UserId user;                   // empty: the default of every mailbox of the shard
  std::optional<Policy> policy;  // nothing: the mailbox follows the default again
  Mover mover = {};
  bool operator==(const SetPolicyCommand&) const = default;
};

enum class PositionCondition : std::uint16_t { kAlways = 0, kIfNew = 1, kIfExists = 2 };

// Where members are. Any member may stand in it twice: the later place is where it is.
struct SetPositionsCommand {
  LayerId layer;
  PositionCondition condition = PositionCondition::kAlways;
  struct Item {
    std::string member;
    double score = 0;  // as in PositionRecord
    std::uint64_t ttl_ms = 0;
    bool hidden = false;
    bool operator==(const Item&) const = default;
  };
  std::vector<Item> items;
  bool accepted = false;  // answered before it was committed; with kAlways only
  Mover mover = {};
  bool operator==(const SetPositionsCommand&) const = default;
};

struct ClearPositionsCommand {
  LayerId layer;
  std::vector<std::string> members;
  Mover mover = {};
  bool operator==(const ClearPositionsCommand&) const = default;
};

// The shard's parts of these layers.
struct ClearLayersCommand {
  std::vector<LayerId> layers;
  Mover mover = {};
  bool operator==(const ClearLayersCommand&) const = default;
};

// The layer's name belongs to the shard.
struct SetLayerPrivacyCommand {
  LayerId layer;
  std::optional<LayerPrivacy> privacy;  // nothing: as layers are by default again
  Mover mover = {};
  bool operator==(const SetLayerPrivacyCommand&) const = default;
};

using Command = std::variant<SendCommand, LoginCommand, AckCommand, TransferCommand, ConfirmCommand, TouchCommand,
                             AttemptsCommand, RemoveDeviceCommand, ReplayCommand, DropParkedCommand, SetPolicyCommand,
                             SetPositionsCommand, ClearPositionsCommand, ClearLayersCommand, SetLayerPrivacyCommand>;

// An entry has so many places for commands. Sessions are numbered by the places of their logins in the log, so this is
// part of what entries say, and no limit: it never changes.
inline constexpr std::size_t kCommandPlacesPerEntry = 1 << 16;

// One Raft entry.
struct CommandBatch {
  std::uint64_t tick_ms = 0;  // the leader's wall clock; 0: no tick
  std::vector<Command> commands;
  std::uint64_t now_ms = 0;  // the leader's time, also while it is not sure enough of it for a tick; 0: as tick_ms
  bool operator==(const CommandBatch&) const = default;
};

std::string encode(const CommandBatch& batch);
// kCorrupt for bytes that are no command batch, and for more commands than there are places; kUnsupportedVersion for a
// command that this version does not know.
Result<CommandBatch> decode_command_batch(std::string_view bytes);

// About how many bytes a command takes in an entry: for batching against entry_bytes_max. Never below the body bytes.
std::size_t size_of(const Command& command);

}  // namespace earshot
