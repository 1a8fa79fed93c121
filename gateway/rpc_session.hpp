#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include <kj/async.h>
#include <kj/refcount.h>
#include <kj/timer.h>

#include "actors/broker.hpp"
#include "actors/ports.hpp"
#include "base/byte_budget.hpp"
#include "base/error.hpp"
#include "gateway/bridge.hpp"
#include "gateway/refusal_meter.hpp"
#include "gateway/rpc_places.hpp"
#include "gateway/session_context.hpp"
#include "gateway/token_expiry.hpp"
#include "schema/wire.hpp"

namespace earshot::gateway {

// What a session asks of its connection.
class ConnectionControl {
 public:
  virtual ~ConnectionControl() noexcept(false) = default;
  virtual auth::Origin origin() = 0;  // where it comes from, for logins
  virtual void session_opened() = 0;  // the login timeout no longer applies
  // Closes the connection once what is queued for it is written, or after close_linger_ms.
  virtual void close_soon() = 0;
  // Closes it after close_linger_ms, for a client that is about to do so itself.
  virtual void close_later() = 0;
  // Keeps the lease until what is ready for the client now is written.
  virtual void hold_until_written(ByteLease lease) = 0;
};

// The session of one connection, seen from its KJ thread: forwards calls to the session's actor, keeps who waits for
// which answer, and brings deliveries to the client's receiver.
//
//   kNew ──login──► kLoggingIn ──welcome──► kOpen ──closed / logout / receiver fails──► kClosed
//     ▲                  │ error
//     └──────────────────┘
//
//  * Every call is answered exactly once: by the session, by call_timeout_ms, or with the reason when the session ends.
//  * The actor hears ClientGone exactly once, and not when it ended the session itself.
//  * It outlives the connection only as long as the RPC system holds calls on it; detach() makes it inert.
// KJ thread only.
class RpcSession final : public kj::Refcounted, public EventTarget, private kj::TaskSet::ErrorHandler {
 public:
  RpcSession(SessionContext& context, ConnectionControl& control);
  ~RpcSession() noexcept(false) override = default;

  // ---- calls of the client
  kj::Promise<Result<Welcome>> login(Result<LoginRequest> request);
  // One answer per message, in order. Rejects (an RPC exception) when the call as a whole breaks a limit: no answer of
  // a message would be true, since nothing was looked at and no lane number used up.
  kj::Promise<std::vector<SendAnswer>> send(capnp::List<schema::Outgoing>::Reader messages);
  kj::Promise<Status> subscribe(std::optional<schema::Receiver::Client> receiver, Result<SubscribeRequest> request);
  kj::Promise<Result<Sequence>> ack(Result<AckRequest> request);
  kj::Promise<Status> nack(Result<NackRequest> request);
  kj::Promise<Result<Batch>> fetch(Result<FetchRequest> request);
  kj::Promise<Result<Batch>> history(Result<HistoryRequest> request);
  kj::Promise<Result<ManageAnswer>> manage(Result<ManageRequest> request);
  kj::Promise<Result<PlacesReply>> places(Result<PlacesRequest> request);
  // Before a login, too. One answer in cluster_status_pause_ms.
  Result<ClusterStatus> cluster_status(const Result<std::string>& token);
  // The same, for operators.
  kj::Promise<Result<RemovalAnswer>> remove_node(const Result<RemoveNodeRequest>& request);
  void logout();
  // A call was answered with an error.
  void note_refusal(const Error& why);

  // ---- from the KJ thread around it
  void handle(ClientEvent event) override;
  // The gateway ends the session: tells the actor and the client.
  void end(Error reason) override;
  // Answers calls that have waited longer than call_timeout_ms.
  void expire_calls();
  // Ends the session when its token has ended.
  void check_expiry();
  // The connection is gone.
  void detach();
  [[nodiscard]] bool open() const { return state_ == State::kOpen; }
  // For logs: a call of the session, or (0) the session.
  [[nodiscard]] RequestTag tag(actors::CallId call = 0) const;

 private:
  enum class State : std::uint8_t { kNew, kLoggingIn, kOpen, kClosed };
  template <class T>
  using Fulfiller = kj::Own<kj::PromiseFulfiller<T>>;
  struct PendingSend {
    Fulfiller<std::vector<SendAnswer>> fulfiller;
    std::size_t messages = 0;
  };
  template <class T>
  struct PendingLarge {  // fetch, history, or one that looks after mailboxes
    Fulfiller<Result<T>> fulfiller;
    ByteLease lease;  // of the node's memory for answers
  };
  struct Pending {
    std::variant<PendingSend, Fulfiller<Status>, Fulfiller<Result<Sequence>>, PendingLarge<Batch>,
                 PendingLarge<ManageAnswer>, std::unique_ptr<PlacesCall>>
        waiter;
    kj::TimePoint since;  // for its deadline
    CallKind kind;
    CallLog::Clock::time_point called_at = CallLog::Clock::now();  // for its duration
  };

  // Who it is, once that may be asked; then a session is opened for it.
  kj::Promise<Result<Welcome>> judge(LoginRequest request);
  void handle_event(LoggedIn event);
  void handle_event(Answered event);
  void handle_event(actors::Delivery delivery);
  void handle_event(GoAway event);
  void handle_event(Closed event);

  // ---- rpc_session_cluster.cpp
  Result<ClusterStatus> gather_cluster_status(const Result<std::string>& token);
  kj::Promise<Result<RemovalAnswer>> begin_removal(const Result<RemoveNodeRequest>& request);
  // Whom the token proves its holder to be, if this connection may ask now.
  Result<Role> judge_watcher(const std::string& token);

  // ---- rpc_session_places.cpp: the desk is asked without the session's actor
  void ask_places(actors::CallId id, PlacesCall& call);
  void wait_for_places(actors::CallId id, std::uint32_t deadline_ms);
  void waited_for_places(actors::CallId id);
  void handle_event(PlacesAnswered event);
  void handle_event(PlacesComplete event);

  // Why no further call is taken now, if so.
  [[nodiscard]] std::optional<Error> refusal();
  // A call is refused with kOverloaded. A client that does not heed it is cut off: then the reason changes.
  Error refused(Error why);
  // The same for a call whose answer may be large.
  [[nodiscard]] std::optional<Error> refusal_of_large();
  // The node had no room for what was asked: that is a refusal, too.
  void note_no_room();
  template <class T, class Waiter, class Message>
  kj::Promise<T> forward(CallKind kind, Waiter waiter_of, Message message);
  // Its answer may be large.
  template <class T, class Message>
  kj::Promise<Result<T>> forward_large(CallKind kind, Message message);
  void note_answered(actors::CallId call, const Pending& pending);
  // That a call is answered with, if that is worth a line.
  void log_refusal(actors::CallId call, CallKind kind, const Answer& answer);
  void login_refused(const Error& why);
  // All messages of a send that did not get to the session.
  std::vector<SendAnswer> held_here(std::size_t messages, const Error& why);
  void answer(actors::CallId call, Answer answer);
  template <class T>
  void fulfil(PendingLarge<T>& pending, Result<T> given);
  void answer_with_error(Pending& pending, const Error& error);
  void forget(std::map<actors::CallId, Pending>::iterator pending);
  void fail_all(const Error& error);

  // `by_node`: it was not the client that ended the session.
  void tell_gone(bool by_node = false);
  void leave_port();
  // Ends the client's side: calls are answered with the reason.
  void close(Error reason);
  // And the receiver is told, then the connection closes.
  void close_connection();
  void delivery_failed(const kj::Exception& why);
  void receiver_failed();
  void taskFailed(kj::Exception&& exception) override;

  SessionContext& context_;
  ConnectionControl* control_;                   // null once the connection is gone
  std::shared_ptr<actors::SessionInbox> inbox_;  // null: there is no session, or it has ended
  PortId port_ = 0;
  actors::SessionId session_ = 0;  // for people
  CallLog::Clock::time_point login_called_at_;
  Mover mover_;  // who it is: its user while it logs in, all of it once it has
  Role role_ = Role::kUser;
  actors::PlaceViews::Waiting waits_for_places_;
  TokenExpiry expiry_;
  kj::TimePoint status_due_ = kj::origin<kj::TimePoint>();  // when the cluster's status may be asked for again
  State state_ = State::kNew;
  std::uint16_t shard_count_ = 0;
  std::uint32_t fetches_in_flight_ = 0;
  RefusalMeter refusals_;
  actors::CallId last_call_ = 0;
  actors::CallId subscribe_call_ = 0;
  std::map<actors::CallId, Pending> pending_;
  Fulfiller<Result<Welcome>> login_waiter_;
  std::optional<schema::Receiver::Client> receiver_;
  std::unique_ptr<Error> closed_reason_;  // set when kClosed; apart, since an idle session does without
  kj::TaskSet tasks_;                     // deliveries under way; gone before what they use
};

}  // namespace earshot::gateway
