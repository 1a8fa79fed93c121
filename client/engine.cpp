#include "client/engine.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace earshot::client {
namespace {

constexpr std::uint64_t kLogoutTimeoutMs =
    500;  // a logout that is not answered by then is left to the server to notice

bool is_final(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUnauthenticated:
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kUnsupportedVersion:
    case ErrorCode::kConflict: return true;
    default: return false;
  }
}

}  // namespace

Engine::Engine(const Options& options, DeviceId device, std::shared_ptr<Store> store, Handlers handlers,
               std::shared_ptr<Loop> loop, std::shared_ptr<Intake> intake, StoredState state)
    : options_(options),
      device_(std::move(device)),
      store_(std::move(store)),
      loop_(std::move(loop)),
      intake_(std::move(intake)),
      announcer_(std::move(handlers), options.executor),
      random_(loop_->random()),
      outbox_(Outbox::Limits{.messages_under_way_max = options.send_window_messages, .held = options.reconnect},
              Random(random_.next())),
      inbox_(options.mode,
             [&] {
               InboxHead head = std::move(state.inbox_head);
               head.device = device_;
               return head;
             }()),
      acks_(options.mode, options.report_messages, options.report_interval_ms),
      calls_(Calls::Limits{.timeout_ms = options.call_timeout_ms,
                           .backoff = options.reconnect,
                           .renews_token = options.token_source != nullptr},
             Random(random_.next())),
      reconnector_(options.addresses, options.reconnect, Random(random_.next())) {
  counters_.last_received.set(inbox_.head().last_received.value);
  outbox_.load(state.outbox_head, std::move(state.outbox));
}

void Engine::start() {
  hand_over_uncertain();
  if (state_ == State::kWaiting) connect();
}

void Engine::connect() {
  state_ = State::kConnecting;
  ++generation_;
  if (run_begun_) return ask_token();
  begin_run();
}

// The server orders the logins of a store by what it keeps of its runs, so that is committed before the first of them.
void Engine::begin_run() {
  if (planning_ || beginning_ || !intake_->try_reserve()) return;
  beginning_ = true;
  const auto head = std::make_shared<OutboxHead>(intake_->head());
  if (head->store == 0 || renames_store_) head->store = std::max<std::uint64_t>(random_.next(), 1), head->run = 0;
  ++head->run;
  store_->add(*head, {}, [self = shared_from_this(), head](Status status) mutable {
    self->intake_->release(status ? head.get() : nullptr);
    on_loop(self, [status = std::move(status)](Engine& e) { e.run_stored(status); });
  });
}

void Engine::run_stored(const Status& status) {
  beginning_ = false;
  if (status) {
    run_begun_ = true, renames_store_ = false;
  } else {
    ++counters_.store_failures;
  }
  check_shut_down();
  if (state_ != State::kConnecting) return;
  if (!status) return put_off(status.error());
  ask_token();
}

// The intake can be reserved, or no welcome is being stored any more.
void Engine::go_on() {
  if (state_ == State::kConnecting && !run_begun_) return begin_run();
  try_welcome();
}

void Engine::ask_token() {
  if (!options_.token_source) return open_link(options_.token);
  const auto given = [weak = weak_from_this(), loop = loop_, generation = generation_](Result<std::string> token) {
    loop->post([weak, generation, token = std::move(token)]() mutable {
      if (const auto self = weak.lock()) self->token_given(generation, std::move(token));
    });
  };
  loop_->after(options_.request_timeout_ms,
               [given] { given(fail(ErrorCode::kDeadlineExceeded, "token", "the token source gives none")); });
  options_.token_source(given);
}

// Whatever comes first counts: the token, or the end of the time for it.
void Engine::token_given(std::uint64_t generation, Result<std::string> token) {
  if (generation != generation_ || state_ != State::kConnecting || link_) return;
  if (token && (token->empty() || token->size() > limits::kTokenBytesMax))
    token = fail(ErrorCode::kInvalidArgument, "token",
                 "must have 1 to " + std::to_string(limits::kTokenBytesMax) + " bytes");
  if (token) return open_link(std::move(*token));
  if (is_final(token.error().code))
    stop(ConnectionChange::Kind::kRefused, std::move(token.error()));
  else
    put_off(std::move(token.error()));
}

void Engine::open_link(std::string token) {
  const OutboxHead head = intake_->head();
  LoginRequest request;
  request.token = std::move(token);
  request.device = device_;
  request.producer = outbox_.needs_new_producer() ? ProducerId() : head.producer;
  request.epoch = inbox_.head().epoch;
  request.last_received = inbox_.head().last_received;
  request.start_at = options_.start_at;
  request.agent = options_.agent;
  request.order = {head.store, std::uint64_t{head.run} << 32 | std::min<std::uint64_t>(generation_, UINT32_MAX)};
  link_ = loop_->make_link(options_, reconnector_.address(), static_cast<LinkEvents&>(*this));
  link_->open(std::move(request));
}

// ---- login

void Engine::logged_in(Result<Welcome> welcome) {
  if (state_ != State::kConnecting) return;
  if (!welcome) {
    const bool token_refused = options_.token_source && welcome.error().code == ErrorCode::kUnauthenticated;
    if (token_refused) {
      // It may have ended between being given and being shown. When the next one is refused too it is the source that
      // is wrong, or the server's clock or keys for a while: that may mend itself, but not in haste.
      Error& error = welcome.error();
      if (std::exchange(token_refused_, true))
        error.retry_after_ms = std::max(error.retry_after_ms, options_.reconnect.max_ms);
      lost(std::move(error));
    } else if (welcome.error().code == ErrorCode::kSessionReplaced) {
      // The server knows a later login of this store, hence the store is a copy, of an earlier time: another one.
      run_begun_ = false, renames_store_ = true;
      put_off(std::move(welcome.error()));
    } else if (is_final(welcome.error().code) && !wants_another_opinion()) {
      stop(ConnectionChange::Kind::kRefused, std::move(welcome.error()));
    } else {
      lost(std::move(welcome.error()));
    }
    return;
  }
  if (!options_.user.empty() && welcome->user.text() != options_.user) {
    stop(ConnectionChange::Kind::kRefused,
         Error{ErrorCode::kPermissionDenied, "user", "the token is " + welcome->user.text() + "'s", 0, 0});
    return;
  }
  welcome_ = std::move(*welcome);
  reconnector_.told(usable(welcome_->addresses));
  state_ = State::kWelcoming;
  try_welcome();
}

// A node with the wrong clock, old keys or an old protocol refuses what another takes: what is final counts when two of
// them have said it, one after the other.
bool Engine::wants_another_opinion() { return reconnector_.addresses() > 1 && !std::exchange(login_refused_, true); }

// Commits what the welcome changes, when nothing else is under way.
void Engine::try_welcome() {
  if (state_ != State::kWelcoming || planning_) return;
  pump_removals();  // what is answered must be forgotten before its number may be given out again
  if (removing_ || outbox_.has_removable() || storing_) return;
  Result<InboxHead> inbox_head = inbox_.head_after(*welcome_);
  if (!inbox_head) {
    stop(ConnectionChange::Kind::kRefused, std::move(inbox_head.error()));
    return;
  }
  if (!intake_->try_reserve()) return;
  take_committed();
  planning_ = true;
  struct Change {
    Outbox::Plan plan;
    InboxHead head;
  };
  auto change = std::make_shared<Change>(Change{outbox_.plan(*welcome_, intake_->head()), std::move(*inbox_head)});
  // The intake is released where the store reports, not on the loop: a handler there may be waiting in send(). Messages
  // with the new numbers do not overtake welcome_stored(): take_committed() waits for it.
  store_->welcome(change->plan.head, change->head, change->plan.changed,
                  [self = shared_from_this(), change, generation = generation_](Status status) mutable {
                    const OutboxHead head = change->plan.head;
                    if (status) self->intake_->set_online(true);
                    self->intake_->release(status ? &head : nullptr);
                    on_loop(self, [change, generation, status = std::move(status)](Engine& e) {
                      e.welcome_stored(generation, std::move(change->plan), std::move(change->head), status);
                    });
                  });
}

void Engine::welcome_stored(std::uint64_t generation, Outbox::Plan plan, InboxHead head, Status status) {
  planning_ = false;
  if (status) {
    const MailboxRestored restored{inbox_.head().epoch, head.epoch, head.last_received};
    outbox_.adopt(std::move(plan));
    inbox_.adopt(std::move(head));
    counters_.last_received.set(restored.last_received.value);
    take_committed();
    if (restored.before != Epoch() && restored.before != restored.now)
      announcer_.run([restored](const Handlers& h) {
        if (h.on_restored) h.on_restored(restored);
      });
    hand_over_uncertain();
  } else {
    ++counters_.store_failures;
    outbox_.abandon(std::move(plan));
    take_committed();
  }
  check_shut_down();
  if (state_ != State::kWelcoming) return go_on();
  if (!status) {
    put_off(std::move(status.error()));
  } else if (generation != generation_) {
    try_welcome();  // that welcome was of an earlier connection
  } else {
    open_session();
  }
}

void Engine::open_session() {
  state_ = State::kOpen;
  token_refused_ = login_refused_ = false;
  reconnector_.connected(now_ms());
  ++counters_.connects;
  counters_.connected.set(1);
  {
    const std::lock_guard lock(status_mutex_);
    connected_ = true;
  }
  status_changed_.notify_all();
  outbox_.connected(welcome_->limits);
  calls_.connected(welcome_->limits.calls_in_flight_max);
  acks_.reconnected(inbox_.head().last_received, inbox_.head().received_above);
  ConnectionChange change{ConnectionChange::Kind::kConnected, reconnector_.address(), {}, 0, welcome_};
  if (options_.receive) {
    link_->subscribe(options_.mode, std::min(options_.window_messages, welcome_->limits.window_messages_max));
    const Sequence cursor = welcome_->login.cursor;
    if (cursor > inbox_.head().last_received && welcome_->login.epoch == inbox_.head().epoch)
      begin_repair({FetchCause::kReconnect, inbox_.head().last_received, cursor, 0}, true);
  }
  announce(std::move(change));
  pump();
}

// ---- endings

void Engine::closed(Error reason) {
  if (state_ == State::kStopped) return;
  const bool is_refused = reason.code == ErrorCode::kUnauthenticated || reason.code == ErrorCode::kPermissionDenied;
  // A token has ended: the next login brings a fresh one.
  const bool is_stale =
      reason.code == ErrorCode::kUnauthenticated && reason.field == "token" && options_.token_source != nullptr;
  if (reason.code == ErrorCode::kSessionReplaced) {
    stop(ConnectionChange::Kind::kReplaced, std::move(reason));
  } else if (is_refused && !is_stale) {
    stop(ConnectionChange::Kind::kRefused, std::move(reason));
  } else if (is_stale && state_ != State::kLeaving) {
    put_off(std::move(reason));
  } else {
    lost(std::move(reason));
  }
}

void Engine::lost(Error reason) {
  if (state_ == State::kStopped || state_ == State::kWaiting) return;
  if (state_ == State::kLeaving) return left();
  ConnectionChange change{ConnectionChange::Kind::kDisconnected, reconnector_.address(), std::move(reason), 0, {}};
  const std::uint64_t wait_ms = reconnector_.failed(now_ms(), change.reason);
  wait_and_reconnect(std::move(change), wait_ms);
}

void Engine::put_off(Error reason) {
  if (state_ == State::kStopped || state_ == State::kWaiting) return;
  ConnectionChange change{ConnectionChange::Kind::kDisconnected, reconnector_.address(), std::move(reason), 0, {}};
  const std::uint64_t wait_ms = reconnector_.put_off(now_ms(), change.reason.retry_after_ms);
  wait_and_reconnect(std::move(change), wait_ms);
}

void Engine::stop(ConnectionChange::Kind kind, Error reason) {
  ConnectionChange change{kind, reconnector_.address(), std::move(reason), 0, {}};
  if (options_.reconnect_when_refused) {
    const std::uint64_t wait_ms =
        reconnector_.put_off(now_ms(), std::max(change.reason.retry_after_ms, options_.reconnect.max_ms));
    wait_and_reconnect(std::move(change), wait_ms);
    return;
  }
  drop_connection();
  state_ = State::kStopped;
  {
    const std::lock_guard lock(status_mutex_);
    stopped_ = change.reason;
  }
  status_changed_.notify_all();
  tell(calls_.stop(change.reason));
  announce(std::move(change));
}

void Engine::wait_and_reconnect(ConnectionChange change, std::uint64_t wait_ms) {
  drop_connection();
  state_ = State::kWaiting;
  {
    const std::lock_guard lock(status_mutex_);
    last_loss_ = change.reason;
    // Which address, and why, for each of them.
    if (const std::string all = reconnector_.complaints(); !all.empty()) last_loss_.detail = all;
  }
  change.retry_in_ms = wait_ms;
  loop_->after(wait_ms, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && self->state_ == State::kWaiting) self->connect();
  });
  announce(std::move(change));
  arm();
}

void Engine::drop_connection() {
  counters_.connected.set(0);
  {
    const std::lock_guard lock(status_mutex_);
    connected_ = false;
  }
  intake_->withdraw();
  if (!planning_) intake_->set_online(false);
  outbox_.disconnected();
  work_.clear();
  taken_ = nullptr;
  store_again_.reset();
  if (!storing_ && store_retry_at_ms_ != 0) working_ = false, store_retry_at_ms_ = 0;
  repair_.reset();
  fetching_ = false;
  repair_at_ms_ = 0, repair_attempts_ = 0;
  asked_to_go_.reset();
  leave_at_ms_ = leave_by_ms_ = 0;
  tell(calls_.disconnected());  // before the link answers them: what becomes of each is known here
  if (!link_) return;
  // We may be inside one of its events: it goes when the loop has come back from them.
  std::shared_ptr<Link> link = std::move(link_);
  link->detach();
  loop_->post([link]() mutable { link.reset(); });
}

void Engine::shut_down(std::function<void()> done) {
  shutting_down_ = true;
  shut_down_done_ = std::move(done);
  const bool open = state_ == State::kOpen;
  intake_->withdraw();
  state_ = State::kStopped;
  const Error closed{ErrorCode::kClosed, "", "the client is closed", 0, 0};
  tell(calls_.stop(closed));
  {
    const std::lock_guard lock(status_mutex_);
    if (!stopped_) stopped_ = closed;
  }
  status_changed_.notify_all();
  if (!open) {
    finish_shut_down();
    return;
  }
  if (const auto ack = acks_.last()) link_->ack(*ack);
  const auto finish = [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->finish_shut_down();
  };
  link_->logout(finish);
  loop_->after(kLogoutTimeoutMs, finish);
}

void Engine::finish_shut_down() {
  if (!shut_down_done_) return;
  drop_connection();
  check_shut_down();
}

void Engine::check_shut_down() {
  if (!shut_down_done_ || link_ || removing_ || storing_ || planning_ || beginning_) return;
  // Behind the farewell of the connection, so that whoever waits may stop the loop.
  loop_->post(std::exchange(shut_down_done_, nullptr));
  loop_->release();
}

Status Engine::wait_connected(std::uint64_t timeout_ms) {
  if (loop_->is_current_thread())
    return fail(ErrorCode::kInvalidArgument, "", "the runtime's thread cannot wait for itself");
  std::unique_lock lock(status_mutex_);
  status_changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [&] { return connected_ || stopped_; });
  if (connected_) return {};
  if (stopped_) return fail(*stopped_);
  return fail(ErrorCode::kDeadlineExceeded, last_loss_.field,
              last_loss_.detail.empty() ? "not connected" : "not connected: " + last_loss_.detail);
}

void Engine::announce(ConnectionChange change) {
  if (!announcer_.handlers().on_state) return;
  announcer_.run([change = std::move(change)](const Handlers& h) { h.on_state(change); });
}

// One timer for everything that waits for a time; an earlier time asks for another one.
void Engine::arm() {
  std::uint64_t at = 0;
  const auto consider = [&](std::uint64_t when) {
    if (when != 0 && (at == 0 || when < at)) at = when;
  };
  if (state_ == State::kOpen) consider(acks_.wake_at_ms());
  // What something under way holds back waits for its end, not for a time that may have passed already. So does all
  // that is not begun any more by who is leaving.
  if (state_ == State::kOpen && !is_leaving()) {
    consider(outbox_.wake_at_ms());
    if (can_repair()) consider(repair_at_ms_);
  }
  if (!planning_) consider(remove_retry_at_ms_);
  consider(store_retry_at_ms_);
  consider(calls_.deadline_ms());
  if (state_ == State::kOpen) {
    if (!is_leaving()) consider(calls_.due_ms()), consider(leave_at_ms_);
    consider(leave_by_ms_);
  }
  if (at == 0 || (armed_at_ms_ != 0 && armed_at_ms_ <= at)) return;
  armed_at_ms_ = at;
  const std::uint64_t now = now_ms();
  loop_->after(at > now ? at - now : 0, [weak = weak_from_this(), at] {
    const auto self = weak.lock();
    if (!self) return;
    if (self->armed_at_ms_ == at) self->armed_at_ms_ = 0;
    self->pump();
  });
}

}  // namespace earshot::client
