#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/backoff.hpp"
#include "base/error.hpp"
#include "base/ids.hpp"
#include "base/limits.hpp"
#include "client/runtime.hpp"
#include "client/store.hpp"
#include "schema/manage.hpp"
#include "schema/messages.hpp"
#include "schema/places.hpp"

// The library that an application links. docs/client.md is its guide; client/examples/ shows it at work.
namespace earshot::client {

// ---- what goes in

// Runs a task later, one after the other in the order given, on any thread but the runtime's.
using Executor = std::function<void(std::function<void()>)>;

// A server is always verified: there is no way to trust it unseen.
struct TlsOptions {
  bool on = false;
  std::string ca_file;      // PEM: the certificates to trust; "": those of the system
  std::string server_name;  // must be in the server's certificate; "": the host name of the address
};

// Gives the token for the next login, by calling `done` once, on any thread. Called on the runtime's thread: what takes
// time belongs elsewhere. A temporary error is tried again later; any other is taken for a refused login.
using TokenDone = std::function<void(Result<std::string>)>;
using TokenSource = std::function<void(TokenDone done)>;

struct Options {
  // host:port, at most node_addresses_max. Clients spread over them; one that fails rests, and another is tried at
  // once. A name that stands for several hosts stands for all of them.
  std::vector<std::string> addresses = {"127.0.0.1:7400"};
  std::string token;         // with auth "none": the user id itself
  TokenSource token_source;  // instead: asked before every login, so that a token that ends is followed by a fresh one
  TlsOptions tls;
  std::string user;    // when set: a token that turns out to be another user's is refused
  std::string device;  // this installation's name, unique for the user
  std::string agent = "earshot-client";

  bool receive = true;  // false: only sends
  DeliveryMode mode = DeliveryMode::kOrdered;
  std::uint32_t window_messages =
      limits::kWindowMessagesDefault;        // the server keeps at most so many unacked on the way
  StartAt start_at = StartAt::kOldest;       // where a device that is new to the mailbox begins
  std::uint32_t report_messages = 1'024;     // sequenceOnly: LastReceivedSeqID is reported after so many messages …
  std::uint32_t report_interval_ms = 5'000;  // … or this long after the first unreported one

  std::uint32_t send_window_messages = 4'096;  // messages on the way to the server at once
  std::size_t outbox_messages_max = limits::kClientOutboxMessagesMax;
  std::size_t outbox_bytes_max = limits::kClientOutboxBytesMax;

  BackoffPolicy reconnect;                                       // between attempts to connect to one address
  std::uint64_t connect_timeout_ms = limits::kConnectTimeoutMs;  // for one address to take a connection
  // A call that is not answered so long after anything it needs has moved on the line means a dead connection. Without
  // TCP, and for connecting and logging in, the time counts from the beginning.
  std::uint64_t request_timeout_ms = 15'000;
  // So long a call may take in all, over lost connections, nodes that go and errors that pass: then its answer is
  // kDeadlineExceeded. Not those that send: these have no end. 0: as it comes; kUnavailable when not connected.
  std::uint64_t call_timeout_ms = 30'000;
  bool reconnect_when_refused = false;  // try again after a refused login or a replaced session

  Executor executor;  // runs the handlers; none: they run on the runtime's thread and must not block
};

struct SendOptions {
  bool copy_to_self = false;    // also put a copy into the sender's own mailbox, for its other devices
  std::optional<MessageId> id;  // chosen by the application; else random
  // The message is worth nothing any more so long after send(), wherever it is then: in this client's outbox, which
  // gives it up (Error kExpired), or in the mailbox of a device that has not acked it (lost, expired). 0: never.
  std::uint64_t ttl_ms = 0;
};

// One message of a batch.
struct Letter {
  UserId recipient;
  std::string body;
  SendOptions options;
};

// ---- what comes out

// The message's producer was forgotten by the server (idle too long, or the shard was restored) while the answer was
// outstanding: it may be stored or not. The library never sends it again by itself.
struct Uncertain {
  std::shared_ptr<const OutgoingMessage> message;
};
using SendOutcome = std::variant<Stored, Error, Uncertain>;  // Error: finally refused

struct SendReport {
  MessageId id;
  SendOutcome outcome;
};

// The application does not take this message now; it comes again after the delay.
struct Rejection {
  Sequence sequence;
  std::uint32_t delay_ms = 0;
};

struct ConnectionChange {
  enum class Kind : std::uint8_t {
    kConnected,     // logged in: `welcome` is set
    kDisconnected,  // connection lost or not made; the next attempt is in retry_in_ms
    kReplaced,      // the same device logged in elsewhere and wins; this client stays away
    kRefused,       // the login was refused for good
  };
  Kind kind = Kind::kDisconnected;
  std::string address;
  Error reason;  // unless connected
  std::uint64_t retry_in_ms = 0;
  std::optional<Welcome> welcome;
};

// The mailbox was restored to an earlier state: sequences after `last_received` start anew under the new epoch.
struct MailboxRestored {
  Epoch before;
  Epoch now;
  Sequence last_received;
};

// Each is optional. They are called one at a time, in order; spans live until the handler returns. Many things that
// come at once come in one call.
struct Handlers {
  // The answers to sent messages. Once per message in a run; again after a crash that came before the outbox forgot it.
  std::function<void(std::span<const SendReport>)> on_sent;
  // Messages about to be stored: the application may reject some (the server delivers them again later). In `ordered`
  // and `sequenceOnly` mode the first rejected message holds back those behind it.
  std::function<void(std::span<const IncomingMessage>, std::vector<Rejection>&)> on_offer;
  // Messages that are stored and being acked.
  std::function<void(std::span<const IncomingMessage>)> on_messages;
  // Sequences that will never come.
  std::function<void(std::span<const LostRange>)> on_lost;
  std::function<void(const ConnectionChange&)> on_state;
  std::function<void(const MailboxRestored&)> on_restored;
};

struct Stats {
  std::uint64_t accepted = 0;                         // taken by send()
  std::uint64_t sent = 0;                             // answered: stored
  std::uint64_t refused = 0;                          // answered: finally refused
  std::uint64_t uncertain = 0;                        // handed back without an answer
  std::uint64_t resent = 0;                           // put on the wire again
  std::uint64_t repeats_answered = 0;                 // sent again, and were stored before: got the first answer again
  std::uint64_t held = 0;                             // answered: not now
  std::uint64_t send_calls = 0;                       //
  std::uint64_t received = 0;                         // stored
  std::uint64_t repeats_dropped = 0;                  // delivered again and dropped
  std::uint64_t rejected = 0;                         // by on_offer
  std::uint64_t lost = 0;                             // sequences said to be lost
  std::uint64_t gaps_repaired = 0;                    // holes and altered bodies made good by a refetch
  std::uint64_t checksum_failures = 0;                // bodies that arrived altered
  std::uint64_t store_failures = 0;                   // transactions that the store refused
  std::uint64_t acks = 0;                             // ack calls
  std::uint64_t connects = 0;                         // logins that succeeded
  std::uint64_t reconnects = 0;                       // … after the first
  std::array<std::uint64_t, kFetchCauses> fetches{};  // by FetchCause
  std::uint64_t outbox_messages = 0;                  // unanswered now
  std::uint64_t outbox_bytes = 0;                     // their bodies
  Sequence last_received;                             //
  bool connected = false;
};

using FetchDone = std::function<void(Result<Batch>)>;
template <class T>
using Answer = std::function<void(Result<T>)>;

// One device of one user.
//
// Thread safety: every function from any thread. Those that wait (wait_connected, flush, the futures) must not be
// waited for on the runtime's thread; they answer kInvalidArgument there. send() may be called from handlers.
class Client {
 public:
  // Loads the store and starts to connect in the background. kInvalidArgument names the option at fault;
  // kConflict(device, user) when the store belongs to another; or the store's own error. A store serves one client at a
  // time.
  static Result<std::unique_ptr<Client>> open(Options options, std::shared_ptr<Store> store, Handlers handlers,
                                              std::shared_ptr<Runtime> runtime);
  // As close().
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Returns when the message is committed in this client's outbox; the network is not waited for and need not exist.
  // From then on it is sent until it is answered, across crashes as far as the store keeps its word. Calls from many
  // threads share transactions. Errors: kInvalidArgument(recipient), kTooLarge(body), kOverloaded(outbox) when the
  // outbox is full, kClosed, or the store's.
  Result<MessageId> send(UserId recipient, std::string body, SendOptions options = {});
  // All of them in one transaction, or none. At most batch_messages_max.
  Result<std::vector<MessageId>> send(std::vector<Letter> letters);

  // Waits until the client is logged in. kDeadlineExceeded, or why it was refused or replaced.
  Status wait_connected(std::uint64_t timeout_ms);
  // Waits until every message is answered and out of the outbox. kDeadlineExceeded otherwise.
  Status flush(std::uint64_t timeout_ms);

  // Calls. Each in two forms: with a callback, which runs on the runtime's thread, and as a future. A call waits for a
  // connection, is made again over lost connections and errors that pass, and is answered within call_timeout_ms, else
  // kDeadlineExceeded. Where that could do harm it is not made again once it may have been made (client/repeats.hpp has
  // the table): then kUnavailable, or the error that came. kOverloaded(calls) when client_calls_max wait already.
  //
  // Reads the mailbox on demand, whatever was received: nothing is stored or acked. The messages after `after` …
  void fetch(Sequence after, std::uint32_t limit, FetchDone done);
  std::future<Result<Batch>> fetch(Sequence after, std::uint32_t limit);
  // … or the newest `limit` below `before` (0: from the end), ascending.
  void history(Sequence before, std::uint32_t limit, FetchDone done);
  std::future<Result<Batch>> history(Sequence before, std::uint32_t limit);

  // Looking after mailboxes: the user's own (an empty user), or, as far as the role goes that the token gives
  // (Welcome::role), those of others: kPermissionDenied(user).
  //
  // Every device that has a cursor on the mailbox; to forget one ends its session.
  void devices(DevicesRequest request, Answer<std::vector<DeviceInfo>> done);
  std::future<Result<std::vector<DeviceInfo>>> devices(DevicesRequest request = {});
  void remove_device(RemoveDeviceRequest request, Answer<earshot::Done> done);
  std::future<Result<earshot::Done>> remove_device(RemoveDeviceRequest request);
  // What was given up on for a device; put into the mailbox again, or taken off the list for good.
  void parked(ParkedRequest request, Answer<std::vector<ParkedMessage>> done);
  std::future<Result<std::vector<ParkedMessage>>> parked(ParkedRequest request = {});
  // A replay that may have been made is not made again: kUnavailable then, and parked() tells.
  void replay(ReplayRequest request, Answer<Replayed> done);
  std::future<Result<Replayed>> replay(ReplayRequest request);
  void drop_parked(DropParkedRequest request, Answer<earshot::Done> done);
  std::future<Result<earshot::Done>> drop_parked(DropParkedRequest request);
  // The life of one message: where it is, what became of it at each device.
  void explain(ExplainRequest request, Answer<Explanation> done);
  std::future<Result<Explanation>> explain(ExplainRequest request);
  // What ends the messages of a mailbox, or of all of them.
  void policy(PolicyRequest request, Answer<PolicyInfo> done);
  std::future<Result<PolicyInfo>> policy(PolicyRequest request = {});
  void set_policy(SetPolicyRequest request, Answer<earshot::Done> done);
  std::future<Result<earshot::Done>> set_policy(SetPolicyRequest request);

  // Where the members of layers are. An empty layer is kDefaultLayer, an empty member the user itself. A user may set
  // and clear its own position, and ask where others are: it is shown what the layer's privacy lets it see, so often in
  // a minute, else kOverloaded(queries). All else needs a token with the role service or operator, kPermissionDenied
  // otherwise.
  // What was answered to a change is seen by every question that is asked after the answer. Changes of a layer are made
  // in the order of asking; one that cannot be made again without undoing a later one, or that has a condition, is
  // answered with the error instead, kUnavailable for instance, and may have been made or not.
  //
  // One outcome per item. The server names the item and the field at fault, and then sets none of them.
  void set_positions(SetPositionsRequest request, Answer<PositionOutcomes> done);
  std::future<Result<PositionOutcomes>> set_positions(SetPositionsRequest request);
  void clear_positions(ClearPositionsRequest request, Answer<PositionsCleared> done);
  std::future<Result<PositionsCleared>> clear_positions(ClearPositionsRequest request);
  void clear_layer(ClearLayerRequest request, Answer<LayerCleared> done);
  std::future<Result<LayerCleared>> clear_layer(ClearLayerRequest request);
  // Who is within an area, and whether that is everybody (Completeness). kNotFound(centre.member). At most
  // fetches_in_flight_max at once that want more than 128 members; a count of 0 wants all.
  void nearby(NearbyRequest request, Answer<NearbyFound> done);
  std::future<Result<NearbyFound>> nearby(NearbyRequest request);
  void positions(PositionsRequest request, Answer<Positions> done);
  std::future<Result<Positions>> positions(PositionsRequest request);
  void distance(DistanceRequest request, Answer<Distance> done);
  std::future<Result<Distance>> distance(DistanceRequest request);
  // The layers that somebody is in, page by page: the next one is `after` the last name.
  void layers(LayersRequest request, Answer<LayersPage> done);
  std::future<Result<LayersPage>> layers(LayersRequest request = {});
  // How users are shown others in a layer; to set none makes it as layers are by default.
  void layer_privacy(LayerPrivacyRequest request, Answer<LayerPrivacyInfo> done);
  std::future<Result<LayerPrivacyInfo>> layer_privacy(LayerPrivacyRequest request = {});
  void set_layer_privacy(SetLayerPrivacyRequest request, Answer<earshot::Done> done);
  std::future<Result<earshot::Done>> set_layer_privacy(SetLayerPrivacyRequest request);

  [[nodiscard]] Stats stats() const;

  // Logs out, stops, and returns when no handler runs any more nor will (called from a handler: after it). Idempotent.
  void close();

 private:
  class Impl;
  explicit Client(std::unique_ptr<Impl> impl);
  template <class T, class Request>
  void ask(Request request, Answer<T> done);
  std::unique_ptr<Impl> impl_;
};

}  // namespace earshot::client
