#include "gateway/rpc_session.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include <kj/debug.h>
#include <spdlog/spdlog.h>

#include "base/limits.hpp"
#include "gateway/message_size.hpp"

namespace earshot::gateway {
namespace {

Error overloaded(std::string field, std::string detail) {
  return Error{ErrorCode::kOverloaded, std::move(field), std::move(detail), limits::kRetryAfterMs};
}

Error moved_on() {
  return Error{ErrorCode::kUnavailable, "", "the node serves this session no longer: log in elsewhere",
               limits::kRetryAfterMs};
}

kj::Exception to_exception(const Error& error) {
  return {kj::Exception::Type::FAILED, __FILE__, __LINE__, kj::heapString(error.to_string().c_str())};
}

std::vector<SendAnswer> held(std::size_t messages, const Error& error) {
  return std::vector<SendAnswer>(messages, SendAnswer{SendAnswer::Held{error}});
}

// A send call, taken apart: what goes to the session, and what is refused here because it has no place in a lane.
struct SendPlan {
  std::vector<actors::LaneItem> items;
  std::vector<std::pair<std::size_t, Error>> refused;  // with its index in the call
};

SendPlan plan_of(capnp::List<schema::Outgoing>::Reader messages, std::uint16_t shard_count) {
  SendPlan plan;
  plan.items.reserve(messages.size());
  for (capnp::uint i = 0; i < messages.size(); ++i) {
    auto message = wire::read(messages[i]);
    if (message) {
      const ShardId shard = shard_of(message->recipient, shard_count);
      plan.items.push_back({shard, SendItem{std::move(*message), std::nullopt}});
      continue;
    }
    // Its number must be used up, or the lane would wait for it for ever: the shard commits the refusal in its place.
    auto place = wire::read_refused(messages[i]);
    if (place) {
      plan.items.push_back(
          {wire::lane_of(messages[i], shard_count), SendItem{std::move(*place), std::move(message.error())}});
    } else {
      plan.refused.emplace_back(i, std::move(place.error()));
    }
  }
  return plan;
}

// Puts the answers given here between those of the session.
std::vector<SendAnswer> merge(std::vector<SendAnswer> answers, std::vector<std::pair<std::size_t, Error>> refused) {
  std::vector<SendAnswer> merged;
  merged.reserve(answers.size() + refused.size());
  auto answer = answers.begin();
  for (auto& [index, error] : refused) {
    while (merged.size() < index) merged.push_back(std::move(*answer++));
    merged.push_back(SendAnswer{SendAnswer::Refused{std::move(error)}});
  }
  std::move(answer, answers.end(), std::back_inserter(merged));
  return merged;
}

// Nothing of a send was taken since the node has no room for it.
bool is_wholly_held(const Answer& answer) {
  const auto* answers = std::get_if<std::vector<SendAnswer>>(&answer);
  return answers != nullptr && std::ranges::all_of(*answers, [](const SendAnswer& one) {
           const auto* held = std::get_if<SendAnswer::Held>(&one.value);
           return held != nullptr &&
                  (held->error.code == ErrorCode::kOverloaded || held->error.code == ErrorCode::kStorageFull);
         });
}

// Of an answer of any kind; null: it is none. Of a send, that of the first message that has one.
struct ErrorOf {
  const Error* operator()(const std::vector<SendAnswer>& answers) const {
    for (const SendAnswer& one : answers) {
      if (const auto* held = std::get_if<SendAnswer::Held>(&one.value)) return &held->error;
      if (const auto* refused = std::get_if<SendAnswer::Refused>(&one.value)) return &refused->error;
    }
    return nullptr;
  }
  const Error* operator()(const auto& result) const { return result ? nullptr : &result.error(); }
};

// Throws when it is of another kind: that is one session's mistake, and all others on this thread go on.
template <class T>
T take(Answer& answer) {
  T* given = std::get_if<T>(&answer);
  KJ_REQUIRE(given != nullptr, "a call is answered in its own kind");
  return std::move(*given);
}

// Room for the whole call in one segment, so that nothing is allocated twice.
capnp::MessageSize size_of(const actors::Delivery& delivery) {
  std::size_t words = kBatchWords + words_of(delivery.lost);
  for (const auto& item : delivery.items) words += words_of(*item.message);
  return {words, 0};
}

void write(const actors::Delivery& from, schema::Batch::Builder to) {
  to.setEpoch(from.epoch.value);
  to.setLastSequence(from.last_sequence.value);
  auto messages = to.initMessages(static_cast<capnp::uint>(from.items.size()));
  for (capnp::uint i = 0; i < messages.size(); ++i)
    wire::write(*from.items[i].message, from.items[i].attempt, messages[i]);
  auto lost = to.initLost(static_cast<capnp::uint>(from.lost.size()));
  for (capnp::uint i = 0; i < lost.size(); ++i) wire::write(from.lost[i], lost[i]);
}

}  // namespace

RpcSession::RpcSession(SessionContext& context, ConnectionControl& control)
    : context_(context), control_(&control), tasks_(*this) {}

// ---- login and the end

kj::Promise<Result<Welcome>> RpcSession::login(Result<LoginRequest> request) {
  if (!request) return Result<Welcome>(fail(std::move(request.error())));
  switch (state_) {
    case State::kNew: break;
    case State::kLoggingIn:
    case State::kOpen: return Result<Welcome>(fail(ErrorCode::kConflict, "", "this connection has a session already"));
    case State::kClosed: return Result<Welcome>(fail(*closed_reason_));
  }
  if (auto protocol = common_protocol(request->protocol_min, request->protocol_max); !protocol)
    return Result<Welcome>(fail(std::move(protocol.error())));
  const auto wait_ms = context_.logins.admit(control_->origin());
  if (!wait_ms) {
    login_refused(wait_ms.error());
    return Result<Welcome>(fail(wait_ms.error()));
  }
  login_called_at_ = CallLog::Clock::now();
  state_ = State::kLoggingIn;
  if (*wait_ms == 0) return judge(std::move(*request));
  return context_.timer.afterDelay(*wait_ms * kj::MILLISECONDS).then([this, request = std::move(*request)]() mutable {
    return judge(std::move(request));
  });
}

kj::Promise<Result<Welcome>> RpcSession::judge(LoginRequest request) {
  if (state_ == State::kClosed) return Result<Welcome>(fail(*closed_reason_));
  auto identity = context_.logins.judge(request.token, control_->origin());
  if (!identity) {
    state_ = State::kNew;
    login_refused(identity.error());
    return Result<Welcome>(fail(std::move(identity.error())));
  }
  request.token.clear();  // no floor above needs it, and it is a secret
  mover_ = {identity->user, request.device};
  role_ = identity->role;
  expiry_ = TokenExpiry(identity->expires_at_ms, context_.logins.clock(), context_.timer);

  port_ = ++context_.last_port;
  context_.ports.emplace(port_, this);
  auto paf = kj::newPromiseAndFulfiller<Result<Welcome>>();
  login_waiter_ = kj::mv(paf.fulfiller);
  inbox_ = context_.broker.open_session(std::move(*identity), std::move(request),
                                        std::make_shared<BridgePort>(context_.bridge, port_));
  session_ = inbox_->id();
  return kj::mv(paf.promise);
}

void RpcSession::handle_event(LoggedIn event) {
  if (state_ != State::kLoggingIn) return;
  context_.calls.answered(Protocol::kRpc, CallKind::kLogin, tag(), login_called_at_);
  if (event.welcome) {
    KJ_REQUIRE(event.welcome->shard_count > 0, "a welcome tells the number of shards");
    state_ = State::kOpen;
    shard_count_ = event.welcome->shard_count;
    mover_.login = event.welcome->login.number;
    control_->session_opened();
    if (spdlog::should_log(spdlog::level::debug))
      spdlog::debug("{}: {} has logged in", tag().to_string(), mover_.user.text());
  } else {
    context_.calls.refused(tag(), CallKind::kLogin, event.welcome.error());
    inbox_.reset();
    leave_port();
    state_ = State::kNew;
  }
  login_waiter_->fulfill(std::move(event.welcome));
  login_waiter_ = nullptr;
}

void RpcSession::logout() {
  if (state_ != State::kOpen) return;
  if (spdlog::should_log(spdlog::level::debug)) spdlog::debug("{}: logged out", tag().to_string());
  tell_gone();
  receiver_.reset();
  close(Error{ErrorCode::kClosed, "", "logged out"});
  if (control_ != nullptr) control_->close_later();
}

void RpcSession::end(Error reason) {
  if (state_ == State::kClosed) return;
  if (session_ != 0 && spdlog::should_log(spdlog::level::debug))
    spdlog::debug("{}: ended by its gateway, {}", tag().to_string(), reason.to_string());
  tell_gone(true);
  close(std::move(reason));
  close_connection();
}

void RpcSession::handle_event(Closed event) {
  if (state_ == State::kClosed) return;
  inbox_.reset();
  close(std::move(event.reason));
  close_connection();
}

// It is told, and has the rest of the time; who cannot be told logs in again, elsewhere when it knows where.
void RpcSession::handle_event(GoAway event) {
  if (state_ != State::kOpen) return;
  if (!receiver_) return end(moved_on());
  auto request = receiver_->goAwayRequest();
  wire::write(event, request);
  tasks_.add(request.send().ignoreResult().then([] {},
                                                [this](kj::Exception&& why) {
                                                  if (why.getType() == kj::Exception::Type::UNIMPLEMENTED)
                                                    end(moved_on());
                                                }));
  tasks_.add(context_.timer.afterDelay(event.within_ms * kj::MILLISECONDS).then([this] { end(moved_on()); }));
}

void RpcSession::detach() {
  control_ = nullptr;
  tell_gone();
  receiver_.reset();
  close(Error{ErrorCode::kClosed, "", "the connection is closed"});
}

void RpcSession::close(Error reason) {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  closed_reason_ = std::make_unique<Error>(std::move(reason));
  leave_port();
  fail_all(*closed_reason_);
}

void RpcSession::close_connection() {
  if (!receiver_) return control_->close_soon();
  auto request = receiver_->closedRequest();
  wire::write(*closed_reason_, request.initReason());
  receiver_.reset();
  const auto close = [this] {
    if (control_ != nullptr) control_->close_soon();
  };
  tasks_.add(request.send()
                 .ignoreResult()
                 .exclusiveJoin(context_.timer.afterDelay(context_.options.close_linger_ms * kj::MILLISECONDS))
                 .then(kj::cp(close), [close](kj::Exception&&) { close(); }));
}

void RpcSession::tell_gone(bool by_node) {
  if (inbox_ != nullptr) inbox_->post(actors::ClientGone{by_node});
  inbox_.reset();
}

void RpcSession::leave_port() {
  context_.ports.erase(port_);
  port_ = 0;
}

// ---- calls

std::optional<Error> RpcSession::refusal() {
  if (state_ == State::kClosed) return *closed_reason_;
  EARSHOT_INVARIANT(state_ == State::kOpen, "the session capability is given out by a login");
  if (pending_.size() >= limits::kCallsInFlightMax)
    return refused(
        overloaded("callsInFlight", "the limit is " + std::to_string(limits::kCallsInFlightMax) + " unanswered calls"));
  // Room in the bridge for every answer, and as much again for deliveries.
  if (context_.calls_in_flight >= limits::kBridgeQueueItemsMax / 2)
    return refused(overloaded("", "the node has too many unanswered calls"));
  return std::nullopt;
}

Error RpcSession::refused(Error why) {
  const auto now_ms =
      static_cast<std::uint64_t>((context_.timer.now() - kj::origin<kj::TimePoint>()) / kj::MILLISECONDS);
  if (state_ != State::kOpen || refusals_.refuse(now_ms)) return why;
  count(context_.counters.careless_senders);
  spdlog::info("{}: ended, its client called on after {} refusals without the pause it was asked for",
               tag().to_string(), limits::kRefusedCallsMax);
  why.detail = "more than " + std::to_string(limits::kRefusedCallsMax) +
               " calls were refused, and retryAfterMs was not heeded: the connection is closed";
  end(why);
  return why;
}

// Their answers are the largest: without a bound of their own a client could have gigabytes read for it at once.
std::optional<Error> RpcSession::refusal_of_large() {
  if (fetches_in_flight_ >= limits::kFetchesInFlightMax)
    return refused(overloaded("fetchesInFlight", "the limit is " + std::to_string(limits::kFetchesInFlightMax) +
                                                     " calls with large answers"));
  if (context_.answers.is_full()) {
    count(context_.counters.answers_refused);
    return refused(overloaded("", "the node has as many answers under way as it may"));
  }
  return std::nullopt;
}

void RpcSession::note_no_room() { refused(overloaded("", "")); }

RequestTag RpcSession::tag(actors::CallId call) const {
  return {context_.node, RequestTag::Door::kSession, session_, call};
}

void RpcSession::note_refusal(const Error& why) { CallStats::count(context_.calls.stats().refused, why.code); }

void RpcSession::note_answered(actors::CallId call, const Pending& pending) {
  context_.calls.answered(Protocol::kRpc, pending.kind, tag(call), pending.called_at);
}

void RpcSession::login_refused(const Error& why) {
  count(context_.counters.logins_refused);
  note_refusal(why);
  if (spdlog::should_log(spdlog::level::debug))
    spdlog::debug("a login from {} is refused, {}", text_of(control_->origin()), why.to_string());
}

std::vector<SendAnswer> RpcSession::held_here(std::size_t messages, const Error& why) {
  CallStats::count(context_.calls.stats().messages_held, why.code, messages);
  context_.calls.refused(tag(), CallKind::kSend, why);
  return held(messages, why);
}

template <class T, class Waiter, class Message>
kj::Promise<T> RpcSession::forward(CallKind kind, Waiter waiter_of, Message message) {
  auto paf = kj::newPromiseAndFulfiller<T>();
  message.call = ++last_call_;
  pending_.emplace(message.call, Pending{waiter_of(kj::mv(paf.fulfiller)), context_.timer.now(), kind});
  ++context_.calls_in_flight;
  inbox_->post(std::move(message));
  return kj::mv(paf.promise);
}

kj::Promise<std::vector<SendAnswer>> RpcSession::send(capnp::List<schema::Outgoing>::Reader messages) {
  if (auto fits = wire::check_size(messages); !fits) return to_exception(fits.error());
  if (messages.size() == 0) return std::vector<SendAnswer>{};
  if (auto why = refusal()) return held_here(messages.size(), *why);
  SendPlan plan = plan_of(messages, shard_count_);
  CallStats& stats = context_.calls.stats();
  stats.send_batches.record(messages.size());
  for (const auto& [index, error] : plan.refused) CallStats::count(stats.messages_refused, error.code);
  if (plan.items.empty()) return merge({}, std::move(plan.refused));
  const std::size_t count = plan.items.size();
  auto answers = forward<std::vector<SendAnswer>>(
      CallKind::kSend,
      [count](auto fulfiller) {
        return PendingSend{kj::mv(fulfiller), count};
      },
      actors::ClientSend{0, std::move(plan.items)});
  if (plan.refused.empty()) return answers;
  return answers.then([refused = std::move(plan.refused)](std::vector<SendAnswer>&& given) mutable {
    return merge(std::move(given), std::move(refused));
  });
}

kj::Promise<Status> RpcSession::subscribe(std::optional<schema::Receiver::Client> receiver,
                                          Result<SubscribeRequest> request) {
  if (!request) return Status(fail(std::move(request.error())));
  if (!receiver) return Status(fail(ErrorCode::kInvalidArgument, "receiver", "must not be null"));
  if (auto why = refusal()) return Status(fail(std::move(*why)));
  if (receiver_) return Status(fail(ErrorCode::kConflict, "", "this session has subscribed already"));
  receiver_ = std::move(receiver);
  subscribe_call_ = last_call_ + 1;
  return forward<Status>(
      CallKind::kSubscribe, [](auto fulfiller) { return fulfiller; },
      actors::ClientSubscribe{0, request->mode, request->window_messages});
}

kj::Promise<Result<Sequence>> RpcSession::ack(Result<AckRequest> request) {
  if (!request) return Result<Sequence>(fail(std::move(request.error())));
  if (auto why = refusal()) return Result<Sequence>(fail(std::move(*why)));
  return forward<Result<Sequence>>(
      CallKind::kAck, [](auto fulfiller) { return fulfiller; }, actors::ClientAck{0, std::move(*request)});
}

kj::Promise<Status> RpcSession::nack(Result<NackRequest> request) {
  if (!request) return Status(fail(std::move(request.error())));
  if (auto why = refusal()) return Status(fail(std::move(*why)));
  return forward<Status>(
      CallKind::kNack, [](auto fulfiller) { return fulfiller; }, actors::ClientNack{0, std::move(*request)});
}

kj::Promise<Result<Batch>> RpcSession::fetch(Result<FetchRequest> request) {
  if (!request) return Result<Batch>(fail(std::move(request.error())));
  return forward_large<Batch>(CallKind::kFetch, actors::ClientFetch{0, request->after, request->limit, request->cause});
}

kj::Promise<Result<Batch>> RpcSession::history(Result<HistoryRequest> request) {
  if (!request) return Result<Batch>(fail(std::move(request.error())));
  return forward_large<Batch>(CallKind::kHistory, actors::ClientHistory{0, request->before, request->limit});
}

kj::Promise<Result<ManageAnswer>> RpcSession::manage(Result<ManageRequest> request) {
  if (!request) return Result<ManageAnswer>(fail(std::move(request.error())));
  return forward_large<ManageAnswer>(CallKind::kManage, actors::ClientManage{0, std::move(*request)});
}

template <class T, class Message>
kj::Promise<Result<T>> RpcSession::forward_large(CallKind kind, Message message) {
  if (auto why = refusal()) return Result<T>(fail(std::move(*why)));
  if (auto why = refusal_of_large()) return Result<T>(fail(std::move(*why)));
  ++fetches_in_flight_;
  ByteLease lease(context_.answers, limits::kBatchBytesMax);  // how much it will be only the answer tells
  const auto waiter = [&lease](auto fulfiller) { return PendingLarge<T>{kj::mv(fulfiller), std::move(lease)}; };
  return forward<Result<T>>(kind, waiter, std::move(message));
}

// ---- answers

void RpcSession::forget(std::map<actors::CallId, Pending>::iterator pending) {
  const auto& waiter = pending->second.waiter;
  const auto* places = std::get_if<std::unique_ptr<PlacesCall>>(&waiter);
  if (std::holds_alternative<PendingLarge<Batch>>(waiter) ||
      std::holds_alternative<PendingLarge<ManageAnswer>>(waiter) || (places != nullptr && (*places)->is_large))
    --fetches_in_flight_;
  pending_.erase(pending);
  --context_.calls_in_flight;
}

void RpcSession::handle_event(Answered event) {
  const auto found = pending_.find(event.call);
  if (found == pending_.end()) return;  // answered before: it had waited too long
  if (event.call == subscribe_call_) {
    const auto* status = std::get_if<Status>(&event.answer);
    if (status != nullptr && !status->has_value()) receiver_.reset();  // nothing was started: it may be tried again
  }
  struct Fulfil {
    RpcSession& self;
    Answer& answer;
    void operator()(PendingSend& pending) {
      auto answers = take<std::vector<SendAnswer>>(answer);
      if (answers.size() != pending.messages)
        kj::throwFatalException(KJ_EXCEPTION(FAILED, "every message of a send has one answer"));
      pending.fulfiller->fulfill(std::move(answers));
    }
    void operator()(Fulfiller<Status>& fulfiller) { fulfiller->fulfill(take<Status>(answer)); }
    void operator()(Fulfiller<Result<Sequence>>& fulfiller) { fulfiller->fulfill(take<Result<Sequence>>(answer)); }
    void operator()(PendingLarge<Batch>& pending) { self.fulfil(pending, take<Result<Batch>>(answer)); }
    void operator()(PendingLarge<ManageAnswer>& pending) { self.fulfil(pending, take<Result<ManageAnswer>>(answer)); }
    void operator()(std::unique_ptr<PlacesCall>&) {
      kj::throwFatalException(KJ_EXCEPTION(FAILED, "the session is not asked for places"));
    }
  };
  const bool wholly_held = is_wholly_held(event.answer);
  log_refusal(event.call, found->second.kind, event.answer);
  std::visit(Fulfil{*this, event.answer}, found->second.waiter);
  note_answered(event.call, found->second);
  forget(found);
  if (wholly_held) note_no_room();
}

void RpcSession::log_refusal(actors::CallId call, CallKind kind, const Answer& answer) {
  if (!spdlog::should_log(spdlog::level::debug)) return;
  if (const Error* why = std::visit(ErrorOf(), answer)) context_.calls.refused(tag(call), kind, *why);
}

// How much memory it takes only the answer tells; and it takes it until it is written.
template <class T>
void RpcSession::fulfil(PendingLarge<T>& pending, Result<T> given) {
  pending.lease.shrink(given ? words_of(*given) * sizeof(capnp::word) : 0);
  if (control_ != nullptr) control_->hold_until_written(std::move(pending.lease));
  pending.fulfiller->fulfill(std::move(given));
}

void RpcSession::answer_with_error(Pending& pending, const Error& error) {
  struct Fulfil {
    const Error& error;
    // Held: the outcome is unknown, and sending again gets the first answer or makes it.
    void operator()(PendingSend& pending) { pending.fulfiller->fulfill(held(pending.messages, error)); }
    void operator()(Fulfiller<Status>& fulfiller) { fulfiller->fulfill(fail(error)); }
    void operator()(Fulfiller<Result<Sequence>>& fulfiller) { fulfiller->fulfill(fail(error)); }
    void operator()(PendingLarge<Batch>& pending) { pending.fulfiller->fulfill(fail(error)); }
    void operator()(PendingLarge<ManageAnswer>& pending) { pending.fulfiller->fulfill(fail(error)); }
    void operator()(std::unique_ptr<PlacesCall>& call) { call->fulfiller->fulfill(fail(error)); }
  };
  std::visit(Fulfil{error}, pending.waiter);
}

void RpcSession::fail_all(const Error& error) {
  if (login_waiter_.get() != nullptr) {
    login_waiter_->fulfill(fail(error));
    login_waiter_ = nullptr;
  }
  while (!pending_.empty()) {
    answer_with_error(pending_.begin()->second, error);
    forget(pending_.begin());
  }
}

void RpcSession::expire_calls() {
  const auto oldest_allowed = context_.timer.now() - context_.options.call_timeout_ms * kj::MILLISECONDS;
  for (auto pending = pending_.begin(); pending != pending_.end();) {
    const auto current = pending++;
    if (current->second.since > oldest_allowed) continue;
    const Error late{ErrorCode::kDeadlineExceeded, "", "the session did not answer in time", limits::kRetryAfterMs};
    answer_with_error(current->second, late);
    if (const auto* send = std::get_if<PendingSend>(&current->second.waiter))
      CallStats::count(context_.calls.stats().messages_held, late.code, send->messages);
    note_answered(current->first, current->second);
    context_.calls.refused(tag(current->first), current->second.kind, late);
    forget(current);
  }
}

void RpcSession::check_expiry() {
  if (state_ != State::kOpen || !expiry_.is_over(context_.logins.clock(), context_.timer)) return;
  count(context_.counters.tokens_expired);
  end(Error{ErrorCode::kUnauthenticated, "token", "it has expired: log in again with a new one", 0, 0});
}

// ---- deliveries

void RpcSession::handle(ClientEvent event) {
  std::visit([this](auto& kind) { handle_event(std::move(kind)); }, event);
}

void RpcSession::handle_event(actors::Delivery delivery) {
  if (!receiver_ || inbox_ == nullptr) return;
  auto request = receiver_->deliverRequest(size_of(delivery));
  write(delivery, request.initBatch());
  tasks_.add(request.send().ignoreResult().then(
      [this, number = delivery.number] {
        if (inbox_ != nullptr) inbox_->post(actors::ClientDelivered{number});
      },
      [this](kj::Exception&& why) { delivery_failed(why); }));
}

// Deliveries fail before the end of a lost connection is told, by detach(). A receiver may say of itself that it is
// disconnected, of a database for instance: then no end follows.
void RpcSession::delivery_failed(const kj::Exception& why) {
  if (why.getType() != kj::Exception::Type::DISCONNECTED) return receiver_failed();
  tasks_.add(context_.timer.afterDelay(context_.options.close_linger_ms * kj::MILLISECONDS).then([this] {
    receiver_failed();
  }));
}

// Why is the client's own text, of any length and content: it belongs neither into the log nor back on the wire.
void RpcSession::receiver_failed() {
  if (state_ != State::kOpen) return;
  count(context_.counters.receivers_failed);
  end(Error{ErrorCode::kClosed, "receiver", "a delivery failed at the client"});
}

void RpcSession::taskFailed(kj::Exception&& exception) {
  spdlog::error("a task of a client's session failed: {}", exception.getDescription().cStr());
}

}  // namespace earshot::gateway
