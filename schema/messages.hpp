#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "base/limits.hpp"

// The client protocol's values as C++ types, shared by the server's floors and the client library. Conversions to and
// from Cap'n Proto are in schema/wire.hpp, so that nothing else needs to know the encoding.
namespace earshot {

inline constexpr std::uint16_t kProtocolMin = 1;
inline constexpr std::uint16_t kProtocolMax = 1;

// The newest protocol that both sides speak; kUnsupportedVersion, naming both ranges, when there is none.
Result<std::uint16_t> common_protocol(std::uint16_t peer_min, std::uint16_t peer_max);

enum class StartAt : std::uint16_t { kOldest = 0, kNewest = 1 };
enum class DeliveryMode : std::uint16_t { kOrdered = 0, kUnordered = 1, kSequenceOnly = 2 };
enum class FetchCause : std::uint16_t { kUnspecified = 0, kGap = 1, kChecksum = 2, kReconnect = 3, kCatchUp = 4 };
inline constexpr std::size_t kFetchCauses = 5;
enum class LostReason : std::uint16_t { kUnknown = 0, kCorrupt = 1, kTrimmed = 2, kExpired = 3, kParked = 4 };
enum class Role : std::uint16_t { kUser = 0, kService = 1, kOperator = 2 };

std::string_view name_of(DeliveryMode mode);
std::string_view name_of(FetchCause cause);
std::string_view name_of(LostReason reason);
std::string_view name_of(Role role);

// Whether the text can be a node's address for clients, host:port: 1 to kAddressBytesMax visible ASCII characters.
bool is_address(std::string_view text);

// Whom a token proves its holder to be.
struct Identity {
  UserId user;
  Role role = Role::kUser;
  std::uint64_t expires_at_ms = 0;  // wall clock; 0: never
  bool operator==(const Identity&) const = default;
};

// A message on its way from a client into the shard of its recipient.
struct OutgoingMessage {
  UserId recipient;
  LaneNumber number;
  LaneNumber answered_below;  // the client has the answers of all lower numbers of this lane
  MessageId id;
  std::string body;
  std::uint64_t checksum = 0;  // checksum_of(body), made by the sender
  std::uint64_t sent_at_ms = 0;
  bool copy_to_self = false;
  std::uint64_t ttl_ms = 0;  // it ends so long after it was stored; 0: never
  bool expired = false;      // its time passed in the sender's outbox: uses up the number, stores nothing
  bool operator==(const OutgoingMessage&) const = default;
};

struct Stored {
  Sequence sequence;
  Epoch epoch;
  bool operator==(const Stored&) const = default;
};

// The answer to one message. A final refusal uses up the lane number; a held one must be sent again.
struct SendAnswer {
  struct Refused {
    Error error;
    bool operator==(const Refused&) const = default;
  };
  struct Held {
    Error error;
    bool operator==(const Held&) const = default;
  };
  std::variant<Stored, Refused, Held> value;
  bool repeat = false;  // the number was answered before: this is its first answer again, and equal to it

  bool operator==(const SendAnswer& other) const { return value == other.value; }
};

// A message on its way from a mailbox to a device.
struct IncomingMessage {
  Sequence sequence;
  UserId sender;
  DeviceId sender_device;
  MessageId id;
  std::string body;
  std::uint64_t checksum = 0;
  std::uint64_t sent_at_ms = 0;
  std::uint64_t stored_at_ms = 0;
  std::uint32_t attempt = 1;        // 1 on the first delivery of a session
  UserId copy_of;                   // on the sender's own copy of a sent message: its recipient
  std::uint64_t expires_at_ms = 0;  // by the shard's committed time; 0: never
  Sequence replay_of = {};          // the parked message that this is a copy of; 0: none
  bool operator==(const IncomingMessage&) const = default;
};

// Sequences first..last are gone, and why: never a silent hole.
struct LostRange {
  Sequence first;
  Sequence last;
  LostReason reason = LostReason::kUnknown;
  bool operator==(const LostRange&) const = default;
};

struct Batch {
  Epoch epoch;
  std::vector<IncomingMessage> messages;  // ascending; contiguous but for `lost`
  std::vector<LostRange> lost;            // ascending
  Sequence last_sequence;                 // the newest message in the mailbox
  bool operator==(const Batch&) const = default;
};

// Which of two logins of a device is the later one, whichever arrives first. `store` names the client's own database;
// `number` ascends with its logins. Logins of different databases, or without one (0), have no order.
struct LoginOrder {
  std::uint64_t store = 0;
  std::uint64_t number = 0;
  [[nodiscard]] bool is_before(const LoginOrder& other) const {
    return store != 0 && store == other.store && number < other.number;
  }
  bool operator==(const LoginOrder&) const = default;
};

struct LoginRequest {
  std::uint16_t protocol_min = kProtocolMin;
  std::uint16_t protocol_max = kProtocolMax;
  std::string token;
  DeviceId device;
  ProducerId producer;
  Epoch epoch;
  Sequence last_received;
  StartAt start_at = StartAt::kOldest;
  std::string agent;
  LoginOrder order = {};
  bool operator==(const LoginRequest&) const = default;
};

// The limits that a server holds its clients to.
struct ServerLimits {
  std::uint32_t body_bytes_max = limits::kBodyBytesMax;
  std::uint32_t batch_messages_max = limits::kBatchMessagesMax;
  std::uint32_t batch_bytes_max = limits::kBatchBytesMax;
  std::uint32_t fetch_messages_max = limits::kFetchMessagesMax;
  std::uint32_t window_messages_max = limits::kWindowMessagesMax;
  std::uint32_t lane_window_max = limits::kLaneWindowMax;
  std::uint32_t calls_in_flight_max = limits::kCallsInFlightMax;
  std::uint32_t call_bytes_in_flight_max = limits::kCallBytesInFlightMax;
  bool operator==(const ServerLimits&) const = default;
};

// What a login finds out, decided by the user's shard.
struct LoginOutcome {
  ProducerId producer;
  bool new_producer = false;
  Epoch epoch;
  Sequence restored_up_to;
  Sequence cursor;
  Sequence last_sequence;
  std::vector<Sequence> acked_above = {};  // acked beyond the cursor, ascending; for the session, not on the wire
  std::vector<Sequence> parked = {};       // parked beyond the cursor, ascending; likewise
  std::uint64_t number = 0;                // ascends with the logins of the device; likewise
  bool operator==(const LoginOutcome&) const = default;
};

struct Welcome {
  std::uint16_t protocol = kProtocolMax;
  UserId user;
  std::uint16_t shard_count = 0;
  LoginOutcome login;
  ServerLimits limits;
  NodeId node;
  Role role = Role::kUser;
  std::vector<std::string> addresses = {};  // of the cluster's nodes, for clients; at most kNodeAddressesMax
  bool operator==(const Welcome&) const = default;
};

// The node asks a client to log in elsewhere, and ends the session itself when the time is over.
struct GoAway {
  std::vector<std::string> addresses;  // of nodes that take it, at most kNodeAddressesMax; empty: any other it knows
  std::uint32_t within_ms = 0;
  bool operator==(const GoAway&) const = default;
};

struct SubscribeRequest {
  DeliveryMode mode = DeliveryMode::kOrdered;
  std::uint32_t window_messages = limits::kWindowMessagesDefault;  // 0 on the wire: the default
  bool operator==(const SubscribeRequest&) const = default;
};

struct AckRequest {
  Sequence up_to;
  std::vector<Sequence> above;  // ascending; unordered mode only
  bool operator==(const AckRequest&) const = default;
};

struct NackRequest {
  std::vector<Sequence> sequences;  // ascending, at least one
  std::uint32_t delay_ms = 0;
  bool operator==(const NackRequest&) const = default;
};

struct FetchRequest {
  Sequence after;
  std::uint32_t limit = 0;
  FetchCause cause = FetchCause::kUnspecified;
  bool operator==(const FetchRequest&) const = default;
};

struct HistoryRequest {
  Sequence before;  // 0: from the end
  std::uint32_t limit = 0;
  bool operator==(const HistoryRequest&) const = default;
};

}  // namespace earshot
