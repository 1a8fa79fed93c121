#pragma once

#include <cstdint>
#include <optional>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/ids.hpp"
#include "schema/messages.hpp"

// Looking after mailboxes: who may see and change what is in Role's comment in broker.capnp. A request with an empty
// user means the session's own user.
namespace earshot {

// What ends messages and devices; of one mailbox, or the default of all.
struct Policy {
  std::uint64_t retention_age_ms = 0;    // messages older than this are trimmed; 0: never
  std::uint64_t retention_messages = 0;  // more messages than this: the oldest are trimmed; 0: no such limit
  std::uint64_t device_idle_ms = limits::kDeviceIdleMsDefault;  // not seen for so long: removed; 0: never, else at
                                                                // least device_idle_ms_min
  std::uint32_t deliveries_max = 0;  // unacked after so many deliveries to one device: parked; 0: never
  bool operator==(const Policy&) const = default;
};

struct DeviceInfo {
  DeviceId device;
  Sequence up_to;             // everything up to it is acked
  std::uint64_t unacked = 0;  // messages of the mailbox that it has not acked
  std::uint64_t parked = 0;
  std::uint64_t last_seen_ms = 0;  // committed time of its last login or touch
  bool connected = false;
  bool operator==(const DeviceInfo&) const = default;
};

struct ParkedMessage {
  DeviceId device;
  Sequence sequence;
  std::uint32_t deliveries = 0;
  std::uint64_t parked_at_ms = 0;
  std::optional<IncomingMessage> message;  // nothing: it has ended meanwhile. Without body in a list of every device
  bool operator==(const ParkedMessage&) const = default;
};

enum class DeliveryState : std::uint16_t { kWaiting = 0, kDelivered = 1, kAcked = 2, kParked = 3 };

// What became of a message at one device.
struct DeviceFate {
  DeviceId device;
  DeliveryState state = DeliveryState::kWaiting;
  std::uint64_t acked_after_ms = 0;  // acked: between these two committed times; 0: not known
  std::uint64_t acked_by_ms = 0;
  std::uint32_t deliveries = 0;    // fruitless ones that were counted
  std::uint64_t parked_at_ms = 0;  //
  bool connected = false;          // below: of the session that lives now
  std::uint32_t attempts = 0;
  std::uint64_t first_delivered_ms = 0;  // wall clock
  std::uint64_t last_delivered_ms = 0;
  bool operator==(const DeviceFate&) const = default;
};

// The life of one message in one mailbox.
struct Explanation {
  UserId user;
  Epoch epoch;
  ShardId shard;
  NodeId node;
  bool kept = false;                               // false: it ended, or is lost
  LostReason ended_reason = LostReason::kUnknown;  // why
  std::uint64_t ended_at_ms = 0;                   // 0: not known
  IncomingMessage message;                         // without body; only the sequence when nothing of it is left
  std::uint32_t body_bytes = 0;
  std::vector<DeviceFate> devices;
  bool operator==(const Explanation&) const = default;
};

struct PolicyInfo {
  Policy policy;
  bool inherited = false;  // the mailbox has none of its own
  bool operator==(const PolicyInfo&) const = default;
};

struct DevicesRequest {
  UserId user;
  bool operator==(const DevicesRequest&) const = default;
};
struct RemoveDeviceRequest {
  UserId user;
  DeviceId device;
  bool operator==(const RemoveDeviceRequest&) const = default;
};
struct ParkedRequest {
  UserId user;
  DeviceId device;  // empty: of every device
  Sequence after;
  std::uint32_t limit = 0;  // 0: parked_page_max
  bool operator==(const ParkedRequest&) const = default;
};
struct ReplayRequest {
  UserId user;
  DeviceId device;
  std::vector<Sequence> sequences;
  bool operator==(const ReplayRequest&) const = default;
};
struct DropParkedRequest {
  UserId user;
  DeviceId device;
  std::vector<Sequence> sequences;
  bool operator==(const DropParkedRequest&) const = default;
};
struct ExplainRequest {
  UserId user;
  Sequence sequence;  // 0: by id
  MessageId id;
  bool operator==(const ExplainRequest&) const = default;
};
struct PolicyRequest {
  UserId user;
  bool all = false;  // the default of all mailboxes
  bool operator==(const PolicyRequest&) const = default;
};
struct SetPolicyRequest {
  UserId user;
  bool all = false;
  std::optional<Policy> policy;  // nothing: the mailbox follows the default again
  bool operator==(const SetPolicyRequest&) const = default;
};
using ManageRequest = std::variant<DevicesRequest, RemoveDeviceRequest, ParkedRequest, ReplayRequest, DropParkedRequest,
                                   ExplainRequest, PolicyRequest, SetPolicyRequest>;

// Whether a request changes something; others only ask.
template <class Request>
inline constexpr bool kChanges =
    std::is_same_v<Request, RemoveDeviceRequest> || std::is_same_v<Request, ReplayRequest> ||
    std::is_same_v<Request, DropParkedRequest> || std::is_same_v<Request, SetPolicyRequest>;
inline bool is_change(const ManageRequest& request) {
  return std::visit([]<class Request>(const Request&) { return kChanges<Request>; }, request);
}

struct Done {
  bool operator==(const Done&) const = default;
};
// New sequences in the order asked for; 0: not parked, or no longer in the mailbox.
struct Replayed {
  std::vector<Sequence> sequences;
  bool operator==(const Replayed&) const = default;
};
using ManageAnswer =
    std::variant<Done, std::vector<DeviceInfo>, std::vector<ParkedMessage>, Replayed, Explanation, PolicyInfo>;

}  // namespace earshot
