#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "actors/feed_message.hpp"
#include "base/byte_budget.hpp"
#include "base/call_scope.hpp"
#include "base/error.hpp"
#include "base/ids.hpp"
#include "base/request_tag.hpp"
#include "cluster/effects.hpp"
#include "cluster/peers.hpp"
#include "schema/commands.hpp"
#include "schema/manage.hpp"
#include "schema/messages.hpp"

// What the parts of a node say to each other, and the ports that they say it through. A port is where a message goes
// in: an actor on this node behind `anon_send`, a connection behind the bridge, later a peer link. Logic classes hold
// ports only, so they know neither CAF nor KJ and run in tests with ports that record.
//
//   connection ──SessionInbox──► session ──ShardInbox──► shard
//   connection ◄──ClientPort──── session ◄──SessionPort── shard
//
// Every post() is thread-safe, never blocks and never fails: what is behind a dead port is dropped, and whoever waits
// for an answer has a deadline.
namespace earshot::actors {

using CallId = std::uint64_t;     // of a client's call, chosen by the gateway, unique within the connection
using RequestId = std::uint64_t;  // of a session's request to a shard, chosen by the session
using SessionId = std::uint64_t;  // unique among the sessions that a node ever has; in a cluster (NodeId, SessionId) is

// ---- session → connection

struct DeliveryItem {
  std::shared_ptr<const IncomingMessage> message;  // shared by every device it goes to
  std::uint32_t attempt = 1;
};

struct Delivery {
  std::uint64_t number = 0;  // given back in ClientDelivered
  Epoch epoch;
  std::vector<DeliveryItem> items;  // ascending
  std::vector<LostRange> lost;
  Sequence last_sequence;
};

// The connection behind a session. Implemented by the gateway.
class ClientPort {
 public:
  virtual ~ClientPort() = default;
  virtual void logged_in(Result<Welcome> welcome) = 0;  // once; on an error the session has ended
  virtual void answered(CallId call, std::vector<SendAnswer> answers) = 0;
  virtual void answered(CallId call, Status status) = 0;            // subscribe, nack
  virtual void answered(CallId call, Result<Sequence> cursor) = 0;  // ack
  virtual void answered(CallId call, Result<Batch> batch) = 0;      // fetch, history
  virtual void answered(CallId call, Result<ManageAnswer> answer) = 0;
  virtual void deliver(Delivery delivery) = 0;
  // Asks the client to log in elsewhere, and ends the session when the time is over; at once when it cannot be told.
  virtual void go_away(GoAway request) = 0;
  virtual void closed(Error reason) = 0;  // the session has ended; nothing follows
};

// ---- connection → session

struct LaneItem {  // a message with the shard of its lane
  ShardId shard;
  SendItem item;
};

struct ClientSend {
  CallId call = 0;
  std::vector<LaneItem> items;
};
struct ClientSubscribe {
  CallId call = 0;
  DeliveryMode mode = DeliveryMode::kOrdered;
  std::uint32_t window_messages = 0;  // 0: the default
};
struct ClientAck {
  CallId call = 0;
  AckRequest ack;
};
struct ClientNack {
  CallId call = 0;
  NackRequest nack;
};
struct ClientFetch {
  CallId call = 0;
  Sequence after;
  std::uint32_t limit = 0;
  FetchCause cause = FetchCause::kUnspecified;
};
struct ClientHistory {
  CallId call = 0;
  Sequence before;
  std::uint32_t limit = 0;
};
struct ClientDelivered {  // the client has taken a delivery in: flow control, not an ack
  std::uint64_t number = 0;
};
struct ClientManage {
  CallId call = 0;
  ManageRequest request;
};
struct ClientGone {  // the connection is closed or the client logged out: the session ends
  // The node ended it (it stops, or cannot keep the connection): what the client has not acked says nothing about it.
  bool by_node = false;
};

class SessionInbox {
 public:
  virtual ~SessionInbox() = default;
  [[nodiscard]] virtual SessionId id() const { return 0; }  // for people: in log lines
  virtual void post(ClientSend message) = 0;
  virtual void post(ClientSubscribe message) = 0;
  virtual void post(ClientAck message) = 0;
  virtual void post(ClientNack message) = 0;
  virtual void post(ClientFetch message) = 0;
  virtual void post(ClientHistory message) = 0;
  virtual void post(ClientManage message) = 0;
  virtual void post(ClientDelivered message) = 0;
  virtual void post(ClientGone message) = 0;
};

// ---- shard → session

struct SendsAnswered {
  RequestId request = 0;
  std::vector<SendAnswer> answers;  // one per item of the request
};
struct LoginAnswered {
  RequestId request = 0;
  Result<LoginOutcome> outcome;
};
struct AckAnswered {
  RequestId request = 0;
  Result<Sequence> cursor;
};
struct FetchAnswered {
  RequestId request = 0;
  Result<Batch> batch;
  std::shared_ptr<const ByteLease> lease = {};  // what the batch takes of the node's memory for reads; may be null
};
struct MailboxPush {  // newly committed messages of the session's user, ascending
  std::vector<std::shared_ptr<const IncomingMessage>> messages;
};
struct ManageAnswered {
  RequestId request = 0;
  Result<ManageAnswer> answer;
  std::uint32_t live = 0;  // so many sessions were asked to add what they know (SessionExplain)
};
struct AttemptsAnswered {
  RequestId request = 0;
  Status status;
};
struct MessagesEnded {  // these messages of the session's user ended, or were parked for its device
  std::vector<LostRange> ranges;
};
struct ParkingRule {
  std::uint32_t deliveries_max = 0;  // unacked after so many: parked; 0: never, and none need be counted
  // To a session of another node that registers: what it read at the same time may have overtaken its registration.
  // 0: not told.
  Sequence mailbox_end = {};
};
class SessionPort;
struct SessionExplain {  // what has this session done with the message? Answered to `from`.
  std::shared_ptr<SessionPort> from;
  RequestId request = 0;  // of `from`
  Sequence sequence;
};
struct SessionExplained {
  RequestId request = 0;
  DeviceFate live;  // device and what is said of the session that lives now
};
struct SessionEvicted {  // another session of this device won, or the shard cannot keep the registration
  Error reason;
};
struct SentAway {  // by its node, which cannot serve: the client is asked to log in elsewhere
  GoAway request;
};
// Registrations with earlier terms are gone: register again, and read what may have been pushed to nobody. An older
// term than was heard of, or the same, says nothing new, unless registrations or pushes of that very term went astray.
// The node's ways to the shard lead to the new leader before its sessions are told.
struct LeaderAnnounced {
  ShardId shard;
  Term term;
  bool again = false;        // something of this term got lost between the leader and this node's sessions
  std::uint64_t pushes = 0;  // between nodes: the number of the leader's last push to the node that is told
};

// Whose a request is, and whom an answer or a push goes to, on the node that asked.
struct PortAddress {
  NodeId node;
  std::uint64_t call = 0;  // of that node: its answer goes there; 0: nobody waits
  SessionId session = 0;   // of that node; 0: none
  bool operator==(const PortAddress&) const = default;
};

// Everything that comes to a session.
using SessionEvent =
    std::variant<ClientSend, ClientSubscribe, ClientAck, ClientNack, ClientFetch, ClientHistory, ClientManage,
                 ClientDelivered, ClientGone, SendsAnswered, LoginAnswered, AckAnswered, FetchAnswered, MailboxPush,
                 ManageAnswered, AttemptsAnswered, MessagesEnded, ParkingRule, SessionExplain, SessionExplained,
                 SessionEvicted, SentAway, LeaderAnnounced>;

class SessionPort {
 public:
  virtual ~SessionPort() = default;
  // Where it is found from other nodes; no node: nowhere.
  [[nodiscard]] virtual PortAddress address() const { return {}; }
  virtual void post(SendsAnswered message) = 0;
  virtual void post(LoginAnswered message) = 0;
  virtual void post(AckAnswered message) = 0;
  virtual void post(FetchAnswered message) = 0;
  virtual void post(MailboxPush message) = 0;
  virtual void post(ManageAnswered message) = 0;
  virtual void post(AttemptsAnswered message) = 0;
  virtual void post(MessagesEnded message) = 0;
  virtual void post(ParkingRule message) = 0;
  virtual void post(SessionExplain message) = 0;
  virtual void post(SessionExplained message) = 0;
  virtual void post(SessionEvicted message) = 0;
  virtual void post(LeaderAnnounced message) = 0;
};

// ---- session → shard

struct ShardSend {
  std::shared_ptr<SessionPort> from;
  RequestId request = 0;
  SendCommand command;
  CallId client_call = 0;  // of the session's client, for log lines; 0: of none
};
struct ShardLogin {
  std::shared_ptr<SessionPort> from;
  RequestId request = 0;
  LoginCommand command;
};
struct ShardAck {
  std::shared_ptr<SessionPort> from;
  RequestId request = 0;
  AckCommand command;
};
struct ShardFetch {  // messages > after, ascending
  std::shared_ptr<SessionPort> from;
  RequestId request = 0;
  UserId user;
  Sequence after;
  std::uint32_t limit = 0;
  std::size_t bytes_max = 0;
  CallId client_call = 0;  // of the session's client, for log lines; 0: of none
};
struct ShardHistory {  // the newest below `before` (0: from the end), ascending
  std::shared_ptr<SessionPort> from;
  RequestId request = 0;
  UserId user;
  Sequence before;
  std::uint32_t limit = 0;
  std::size_t bytes_max = 0;
  CallId client_call = 0;  // of the session's client, for log lines; 0: of none
};
struct ShardManage {
  std::shared_ptr<SessionPort> from;
  RequestId request = 0;
  ManageRequest manage;    // its user is a user of the shard, or empty where the request is about all mailboxes
  CallId client_call = 0;  // of the session's client, for log lines; 0: of none
  Mover mover = {};        // the session
};
struct ShardAttempts {
  std::shared_ptr<SessionPort> from;  // null: the session has ended, nobody waits
  RequestId request = 0;
  AttemptsCommand command;
};
// Tells the user's shard that a device is connected. An earlier session of the same device is evicted
// (kSessionReplaced); so is the one that comes when its device was removed after its login (kClosed), or has logged in
// again and got another producer.
// A session that wants pushes registers with push = true before it reads from its cursor, so that nothing falls between
// the two.
struct ShardRegister {
  std::shared_ptr<SessionPort> from;
  SessionId session = 0;
  UserId user;
  DeviceId device;
  bool push = false;
  LoginOrder order = {};
  ProducerId producer = {};  // that the login got; 0: not known
  NodeId node = {};          // of the session
};
struct ShardUnregister {
  SessionId session = 0;
  UserId user;
  DeviceId device;
  NodeId node = {};  // of the session
};

// ---- whoever moves members → shard

struct PositionsAnswer {
  std::vector<cluster::PositionOutcome> outcomes;  // of a SetPositionsCommand, one per item
  std::uint64_t members = 0;                       // of a ClearPositionsCommand: how many had a position
  std::vector<std::uint64_t> of_layers = {};       // of a ClearLayersCommand: how many were in each
};
// Names and conditions keep their limits: whoever posts it has checked them, since an entry that cannot be read stops
// its node.
struct ShardPositions {
  // Of members of the shard, or of a layer whose name belongs to it.
  std::variant<SetPositionsCommand, ClearPositionsCommand, ClearLayersCommand, SetLayerPrivacyCommand> command;
  std::function<void(Result<PositionsAnswer>)> done;  // once, on the shard's thread: it only passes the answer on
  RequestTag tag = CallScope::current();              // for log lines
};

// ---- whoever asks where members are → shard

struct Whereabouts {
  double score = 0;
  std::uint64_t version = 0;
  bool is_hidden = false;
  bool operator==(const Whereabouts&) const = default;
};
using WhereAnswer = std::vector<std::optional<Whereabouts>>;  // one per member; none: it is nowhere
// Where members of the shard are. Whatever was answered to a change before it came in, it shows.
struct ShardWhere {
  LayerId layer;
  std::vector<std::string> members;               // at most kPositionsPerCommandMax
  std::function<void(Result<WhereAnswer>)> done;  // once, on the shard's thread: it only passes the answer on
  RequestTag tag = CallScope::current();          // for log lines
};

// ---- shard → shard

struct ShardTransfer {  // outbox records of one shard for another
  TransferCommand command;
};
struct ShardTransferred {  // the target has committed everything up to `last` of this epoch; or wants last + 1 next
  ShardId target;
  Epoch epoch;
  std::uint64_t last = 0;
};

// All that a shard is asked.
using ShardRequest =
    std::variant<ShardSend, ShardLogin, ShardAck, ShardFetch, ShardHistory, ShardManage, ShardAttempts, ShardRegister,
                 ShardUnregister, ShardPositions, ShardWhere, ShardTransfer, ShardTransferred>;

class ShardInbox {
 public:
  virtual ~ShardInbox() = default;
  virtual void post(ShardSend message) = 0;
  virtual void post(ShardLogin message) = 0;
  virtual void post(ShardAck message) = 0;
  virtual void post(ShardFetch message) = 0;
  virtual void post(ShardHistory message) = 0;
  virtual void post(ShardManage message) = 0;
  virtual void post(ShardAttempts message) = 0;
  virtual void post(ShardRegister message) = 0;
  virtual void post(ShardUnregister message) = 0;
  virtual void post(ShardPositions message) = 0;
  virtual void post(ShardWhere message) = 0;
  virtual void post(ShardTransfer message) = 0;
  virtual void post(ShardTransferred message) = 0;
};

// ---- other nodes → replica

struct FromPeer {
  NodeId from;
  cluster::PeerTopic topic = cluster::PeerTopic::kRaft;
  storage::SharedBytes body;
};

// ---- feeds of places → the node that is fed

struct FeedDelivery {  // from a leader on the same node
  ShardId shard;
  NodeId from;
  FeedTiding tiding;
};
struct FeedFrame {  // from another one, as it came
  ShardId shard;
  NodeId from;
  storage::SharedBytes body;
};
struct FeedLeader {  // of the shard, as is known now
  ShardId shard;
  NodeId leader;
  Term term;
};

struct FeedNodes {};  // there are others now, or other links to them

class FeedInbox {
 public:
  virtual ~FeedInbox() = default;
  virtual void post(FeedDelivery message) = 0;
  virtual void post(FeedFrame message) = 0;
  virtual void post(FeedLeader message) = 0;
  virtual void post(FeedNodes message) = 0;
};

class ReplicaInbox {
 public:
  virtual ~ReplicaInbox() = default;
  virtual void post(FromPeer message) = 0;
};

// Where the shards of the cluster are: one immutable snapshot per placement.
class Router {
 public:
  explicit Router(std::vector<std::shared_ptr<ShardInbox>> shards) : shards_(std::move(shards)) {}
  [[nodiscard]] std::uint16_t shard_count() const { return static_cast<std::uint16_t>(shards_.size()); }
  [[nodiscard]] ShardInbox& shard(ShardId id) const { return *shards_.at(id.value); }

 private:
  std::vector<std::shared_ptr<ShardInbox>> shards_;
};

}  // namespace earshot::actors
