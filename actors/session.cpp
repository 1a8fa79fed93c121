#include "actors/session.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include <spdlog/spdlog.h>

#include "actors/ack_merger.hpp"
#include "actors/attempt_notes.hpp"
#include "actors/mailbox_feed.hpp"
#include "actors/manage_desk.hpp"
#include "actors/outstanding.hpp"
#include "actors/requests.hpp"
#include "actors/send_tracker.hpp"
#include "actors/window_pressure.hpp"
#include "base/request_tag.hpp"

namespace earshot::actors {
namespace {

enum class Phase : std::uint8_t { kLoggingIn, kOpen, kEnded };  // kDelivering is kOpen with a window

Error late() {
  return Error{ErrorCode::kDeadlineExceeded, "", "the shard did not answer in time", limits::kRetryAfterMs};
}
Error not_logged_in() { return Error{ErrorCode::kUnavailable, "", "the login is not complete", limits::kRetryAfterMs}; }
Error invalid(std::string field, std::string detail) {
  return Error{ErrorCode::kInvalidArgument, std::move(field), std::move(detail)};
}
Error above_limit(std::string field, std::uint64_t limit) {
  return invalid(std::move(field), "at most " + std::to_string(limit));
}

// The earlier of two times, where 0 means "never".
std::uint64_t earlier(std::uint64_t a, std::uint64_t b) { return a == 0 ? b : b == 0 ? a : std::min(a, b); }

}  // namespace

struct Session::Impl {
  Impl(SessionOptions session_options, SessionHost& session_host, std::shared_ptr<ClientPort> client_port,
       std::shared_ptr<SessionPort> self_port, std::shared_ptr<const Router> the_router, Random source)
      : options(with_defaults(std::move(session_options))),
        host(session_host),
        client(std::move(client_port)),
        self(std::move(self_port)),
        router(std::move(the_router)),
        random(std::move(source)),
        home(shard_of(options.user, router->shard_count())),
        requests(options.request_timeout_ms),
        sends(router->shard_count(), *options.counters, options.takes_altered_bodies),
        acks(Sequence{}) {}

  static SessionOptions with_defaults(SessionOptions options) {
    if (!options.counters) options.counters = std::make_shared<SessionCounters>();
    if (!options.windows) options.windows = std::make_shared<ByteBudget>(limits::kWindowsBytesMax);
    return options;
  }
  // Few sessions ever need these, and an idle one should take little: made when first asked for.
  ManageDesk& desk() {
    if (!made_desk) made_desk = std::make_unique<ManageDesk>(options.user, options.role, router->shard_count());
    return *made_desk;
  }
  AttemptNotes& attempts() {
    if (!made_attempts) made_attempts = std::make_unique<AttemptNotes>();
    return *made_attempts;
  }

  // ---- the session's own life

  void log_in(std::uint64_t now_ms) {
    const LoginRequest& login_request = options.request;
    if (login_request.protocol_max < kProtocolMin || login_request.protocol_min > kProtocolMax) {
      const std::string range = std::to_string(kProtocolMin) + ".." + std::to_string(kProtocolMax);
      return fail_login(Error{ErrorCode::kUnsupportedVersion, "protocolMax", "this server speaks " + range});
    }
    const RequestId request = requests.open(RequestKind::kLogin, now_ms);
    router->shard(home).post(
        ShardLogin{self, request,
                   LoginCommand{options.user, login_request.device, login_request.producer, login_request.epoch,
                                login_request.last_received, login_request.start_at, login_request.order}});
  }

  void logged_in(Result<LoginOutcome> outcome) {
    if (!outcome) return fail_login(std::move(outcome.error()));
    phase = Phase::kOpen;
    login = *outcome;
    acks = AckMerger(login.cursor, login.acked_above);
    acked = login.cursor;
    register_at_home();
    Welcome welcome;
    welcome.protocol = std::min(options.request.protocol_max, kProtocolMax);
    welcome.user = options.user;
    welcome.shard_count = router->shard_count();
    welcome.login = login;
    welcome.node = options.node;
    welcome.role = options.role;
    count(options.counters->logins);
    client->logged_in(std::move(welcome));
  }

  void fail_login(Error error) {
    client->logged_in(fail(std::move(error)));
    end();
  }

  // From the moment that the shard knows of the session, an earlier session of the device is out, and this one will be
  // told when a later one comes.
  void register_at_home() {
    router->shard(home).post(ShardRegister{self, options.id, options.user, options.request.device, window != nullptr,
                                           options.request.order, login.producer});
  }

  void unregister_at_home() {
    router->shard(home).post(ShardUnregister{options.id, options.user, options.request.device});
  }

  void close(Error reason) {
    client->closed(std::move(reason));
    end();
  }

  void leave(ClientGone gone) {
    if (phase == Phase::kOpen) {
      if (!gone.by_node) tell_last_attempts();
      unregister_at_home();
    }
    end();
  }

  void end() {
    phase = Phase::kEnded;
    if (asked_wake_ms != 0) host.wake_at(0);
    host.end();
  }

  // ---- sends

  void send(ClientSend call, std::uint64_t now_ms) {
    if (phase != Phase::kOpen) return answer(sends.refuse(call, not_logged_in()));
    answer(sends.start(std::move(call), [this, now_ms](ShardId shard, std::vector<SendItem> items) {
      const RequestId request = requests.open(RequestKind::kSend, now_ms);
      router->shard(shard).post(ShardSend{
          self, request, SendCommand{login.producer, options.user, options.request.device, std::move(items)}});
      return request;
    }));
  }

  void answer(std::optional<SendTracker::Answers> done) {
    if (done) client->answered(done->call, std::move(done->answers));
  }

  // ---- delivery

  Status subscribe(const ClientSubscribe& call) {
    if (phase != Phase::kOpen) return fail(not_logged_in());
    if (window) return fail(invalid("subscribe", "this session is subscribed already"));
    if (call.window_messages > limits::kWindowMessagesMax) {
      return fail(above_limit("windowMessages", limits::kWindowMessagesMax));
    }
    const std::size_t messages = call.window_messages != 0 ? call.window_messages : limits::kWindowMessagesDefault;
    const OutstandingContext context{options.retransmit, random, *options.counters, *options.windows};
    switch (call.mode) {
      case DeliveryMode::kOrdered: window = make_ordered(messages, context); break;
      case DeliveryMode::kUnordered: window = make_unordered(messages, context); break;
      case DeliveryMode::kSequenceOnly: window = make_sequence_only(messages, context); break;
    }
    if (!window) return fail(invalid("mode", "unknown delivery mode"));
    mode = call.mode;
    // First the registration, then the read from the cursor: what is committed between the two is pushed, and what was
    // committed before is read.
    register_at_home();
    feed.emplace(acked, login.last_sequence, std::move(login.parked));
    return {};
  }

  // What an earlier session of this device acked beyond the cursor does not go out again, unless the device came
  // without its database: then it has nothing to fill its holes with.
  void skip_acked(std::uint64_t now_ms) {
    if (login.acked_above.empty() || mode != DeliveryMode::kUnordered || options.request.epoch != login.epoch) return;
    window->acked(AckRequest{acked, login.acked_above}, now_ms);
    std::erase_if(login.acked_above, [this](Sequence sequence) { return sequence <= feed->taken(); });
  }

  void pushed(const MailboxPush& push, std::uint64_t now_ms) {
    if (window && feed->push(push, *window)) window->new_came(now_ms);
  }

  void read_mailbox(std::uint64_t now_ms) {
    const auto read = feed->next_read(*window, now_ms);
    if (!read) return;
    count(options.counters->mailbox_reads);
    const RequestId request = requests.open(RequestKind::kMailbox, now_ms);
    router->shard(home).post(ShardFetch{self, request, options.user, read->after, read->limit, read->bytes_max});
  }

  void mailbox_read(Result<Batch> batch, std::uint64_t now_ms) {
    if (batch && batch->epoch != login.epoch) {
      unregister_at_home();
      return close(
          Error{ErrorCode::kUnavailable, "epoch", "the mailbox was restored: log in again", limits::kRetryAfterMs});
    }
    feed->read_answered(std::move(batch), *window, random, now_ms);
  }

  void deliver(std::uint64_t now_ms) {
    while (auto delivery = window->next_delivery(now_ms)) {
      delivery->epoch = login.epoch;
      delivery->last_sequence = feed->last_known();
      count(options.counters->deliveries);
      count(options.counters->messages_delivered, delivery->items.size());
      const auto waited_in_mailbox = [this](const DeliveryItem& item) {
        return item.attempt == 1 && item.message->sequence <= login.last_sequence;
      };
      const auto waited = std::ranges::count_if(delivery->items, waited_in_mailbox);
      if (waited > 0)
        count(options.counters->retransmits_of(RetransmitCause::kReconnect), static_cast<std::uint64_t>(waited));
      client->deliver(std::move(*delivery));
    }
  }

  [[nodiscard]] RequestTag tag() const { return {options.node, RequestTag::Door::kSession, options.id}; }

  void tell_eviction(const Error& reason) const {
    if (!spdlog::should_log(spdlog::level::debug)) return;
    spdlog::debug("{}: evicted, {}", tag().to_string(), reason.to_string());
  }

  // The others need the memory that this window has held for too long. Nothing is lost: the device goes on from its
  // cursor when it logs in again.
  void make_room() {
    count(options.counters->windows_given_up);
    if (spdlog::should_log(spdlog::level::debug))
      spdlog::debug("{}: ended, its window makes room for those of others", tag().to_string());
    unregister_at_home();
    close(Error{ErrorCode::kOverloaded, "window",
                "not acked for " + std::to_string(limits::kWindowPressedMs) + " ms while the node is short of memory",
                limits::kRetryAfterMs});
  }

  // ---- what ends and what is in vain

  void ended(const MessagesEnded& message, std::uint64_t now_ms) const {
    if (!window) return;
    for (const LostRange& range : message.ranges) window->ended(range, now_ms);
  }

  void tell_attempts(std::uint64_t now_ms) {
    const std::vector<Sequence> in_vain = window->take_in_vain();
    if (deliveries_max == 0) return;
    for (const Sequence sequence : in_vain) attempts().add(sequence);
    auto notes = attempts().next();
    if (!notes) return;
    const RequestId request = requests.open(RequestKind::kAttempts, now_ms);
    router->shard(home).post(
        ShardAttempts{self, request, AttemptsCommand{options.user, options.request.device, std::move(*notes)}});
  }

  // A client that goes, or dies, over a message does not ack it: that counts too, or it would come back to it for ever.
  void tell_last_attempts() {
    if (!window || deliveries_max == 0) return;
    for (const Sequence sequence : window->left_unacked()) attempts().add(sequence);
    std::vector<AttemptNotes::Note> notes = attempts().rest();
    if (notes.empty()) return;
    router->shard(home).post(
        ShardAttempts{nullptr, 0, AttemptsCommand{options.user, options.request.device, std::move(notes)}});
  }

  // ---- management

  void manage(ClientManage call, std::uint64_t now_ms) {
    if (phase != Phase::kOpen) return client->answered(call.call, Result<ManageAnswer>(fail(not_logged_in())));
    answer(desk().start(std::move(call), [this, now_ms](ShardId shard, ManageRequest request) {
      const RequestId id = requests.open(RequestKind::kManage, now_ms);
      router->shard(shard).post(ShardManage{self, id, std::move(request)});
      return id;
    }));
  }

  void answer(std::optional<ManageDesk::Answer> done) {
    if (done) client->answered(done->call, std::move(done->answer));
  }

  void explain(const SessionExplain& question, std::uint64_t now_ms) const {
    DeviceFate fate;
    fate.device = options.request.device;
    fate.connected = true;
    const OutstandingEntry* entry = window ? window->entry_of(question.sequence) : nullptr;
    if (entry != nullptr && entry->attempts > 0) {
      const auto wall_of = [&](std::uint64_t ms) { return host.wall_ms() - std::min(host.wall_ms(), now_ms - ms); };
      fate.attempts = entry->attempts;
      fate.first_delivered_ms = wall_of(entry->first_delivered_ms);
      fate.last_delivered_ms = wall_of(entry->last_delivered_ms);
    }
    question.from->post(SessionExplained{question.request, std::move(fate)});
  }

  // ---- acks and nacks

  // The newest sequence that the client can have: delivered or fetched here, or anything that was in the mailbox at
  // login, stored by an earlier session. It may say so before this one has delivered anything.
  [[nodiscard]] Sequence newest_ackable() const {
    return std::max({fetched, acked, login.last_sequence, window ? window->delivered() : Sequence{}});
  }

  Status check(const AckRequest& ack) const {
    const Sequence newest = newest_ackable();
    const std::string beyond = "the newest message of this session is " + std::to_string(newest.value);
    if (ack.up_to > newest) return fail(invalid("upTo", beyond));
    if (ack.above.empty()) return {};
    if (window && mode != DeliveryMode::kUnordered) {
      return fail(invalid("above", "only in unordered mode: acks are cumulative"));
    }
    if (ack.above.size() > limits::kSelectiveAcksMax) return fail(above_limit("above", limits::kSelectiveAcksMax));
    if (std::ranges::adjacent_find(ack.above, std::ranges::greater_equal{}) != ack.above.end()) {
      return fail(invalid("above", "must ascend"));
    }
    if (ack.above.back() > newest) return fail(invalid("above", beyond));
    return {};
  }

  void ack(const ClientAck& call, std::uint64_t now_ms) {
    const auto answer_now = [&](Result<Sequence> cursor) { client->answered(call.call, std::move(cursor)); };
    if (phase != Phase::kOpen) return answer_now(fail(not_logged_in()));
    if (Status status = check(call.ack); !status) return answer_now(fail(status.error()));
    count(options.counters->acks);
    // It will not be sent again, whatever becomes of the commit: the client has it.
    acked = std::max(acked, call.ack.up_to);
    if (window) {
      window->acked(call.ack, now_ms);
      feed->skip_to(call.ack.up_to);
    }
    if (acks.is_committed(call.ack)) return answer_now(acks.committed());
    if (Status status = acks.add(call.call, call.ack); !status) return answer_now(fail(status.error()));
    commit_acks(now_ms);
  }

  void commit_acks(std::uint64_t now_ms) {
    auto next = acks.next();
    if (!next) return;
    const RequestId request = requests.open(RequestKind::kAck, now_ms);
    router->shard(home).post(
        ShardAck{self, request, AckCommand{options.user, options.request.device, next->up_to, std::move(next->above)}});
  }

  void acks_answered(Result<Sequence> cursor, std::uint64_t now_ms) {
    const AckMerger::Answers done = acks.answered(std::move(cursor));
    for (const CallId call : done.calls) client->answered(call, done.cursor);
    commit_acks(now_ms);
  }

  Status nack(const NackRequest& nack, std::uint64_t now_ms) const {
    if (phase != Phase::kOpen) return fail(not_logged_in());
    if (nack.delay_ms > limits::kNackDelayMsMax) return fail(above_limit("delayMs", limits::kNackDelayMsMax));
    if (nack.sequences.empty()) return fail(invalid("sequences", "names no message"));
    if (!window) return fail(invalid("sequences", "nothing was delivered: subscribe first"));
    return window->nacked(nack, now_ms);
  }

  // ---- the client's own reads

  // The request's id, when a read of this size may start; else the client is answered.
  std::optional<RequestId> start_read(CallId call, std::uint32_t& limit, std::uint64_t now_ms) {
    const auto refuse = [&](Error error) {
      client->answered(call, Result<Batch>(fail(std::move(error))));
      return std::nullopt;
    };
    if (phase != Phase::kOpen) return refuse(not_logged_in());
    if (limit > limits::kFetchMessagesMax) return refuse(above_limit("limit", limits::kFetchMessagesMax));
    if (reads.size() >= limits::kCallsInFlightMax) {
      return refuse(Error{ErrorCode::kOverloaded, "callsInFlight",
                          "at most " + std::to_string(limits::kCallsInFlightMax) + " reads", limits::kRetryAfterMs});
    }
    if (limit == 0) limit = limits::kFetchMessagesMax;
    const RequestId request = requests.open(RequestKind::kRead, now_ms);
    reads.emplace(request, call);
    return request;
  }

  void fetch(ClientFetch call, std::uint64_t now_ms) {
    const auto request = start_read(call.call, call.limit, now_ms);
    if (!request) return;
    count(options.counters->refetches_of(call.cause));
    fetches.push_back(*request);
    router->shard(home).post(ShardFetch{self, *request, options.user, call.after, call.limit, limits::kBatchBytesMax});
  }

  void history(ClientHistory call, std::uint64_t now_ms) {
    const auto request = start_read(call.call, call.limit, now_ms);
    if (!request) return;
    router->shard(home).post(
        ShardHistory{self, *request, options.user, call.before, call.limit, limits::kBatchBytesMax});
  }

  void read_answered(RequestId request, Result<Batch> batch) {
    const auto read = reads.extract(request);
    // What a fetch brought may be acked. History may not: it leaves out what lies before it.
    if (std::erase(fetches, request) > 0 && batch) {
      if (!batch->messages.empty()) fetched = std::max(fetched, batch->messages.back().sequence);
      if (!batch->lost.empty()) fetched = std::max(fetched, batch->lost.back().last);
    }
    client->answered(read.mapped(), std::move(batch));
  }

  // ---- time

  void expire(std::uint64_t now_ms) {
    while (phase != Phase::kEnded) {
      const auto expired = requests.expire(now_ms);
      if (!expired) return;
      switch (expired->kind) {
        case RequestKind::kLogin: fail_login(late()); break;
        case RequestKind::kSend: answer(sends.failed(expired->id, late())); break;
        case RequestKind::kAck: acks_answered(fail(late()), now_ms); break;
        case RequestKind::kRead: read_answered(expired->id, fail(late())); break;
        case RequestKind::kMailbox: mailbox_read(fail(late()), now_ms); break;
        case RequestKind::kManage: answer(desk().answered(ManageAnswered{expired->id, fail(late())}, now_ms)); break;
        // Whether they were counted is not known; a delivery too few is the smaller harm.
        case RequestKind::kAttempts: attempts().answered(false); break;
      }
    }
  }

  // Does what has become possible and asks for the next wake-up. Every event ends here.
  void settle(std::uint64_t now_ms) {
    if (phase == Phase::kEnded) return;
    std::uint64_t wake_ms = requests.next_deadline_ms();
    if (window) {
      skip_acked(now_ms);
      if (pressure.is_over(window->is_in_the_way(), window->bytes(), now_ms)) return make_room();
      deliver(now_ms);
      tell_attempts(now_ms);
      read_mailbox(now_ms);
      wake_ms = earlier(requests.next_deadline_ms(), earlier(window->wake_at(), feed->wake_at()));
      wake_ms = earlier(wake_ms, pressure.wake_at());
    }
    if (made_desk) wake_ms = earlier(wake_ms, made_desk->wake_at());
    if (wake_ms == asked_wake_ms) return;
    asked_wake_ms = wake_ms;
    host.wake_at(wake_ms);
  }

  const SessionOptions options;
  SessionHost& host;
  const std::shared_ptr<ClientPort> client;
  const std::shared_ptr<SessionPort> self;
  const std::shared_ptr<const Router> router;
  Random random;
  const ShardId home;  // of the user: mailbox, cursors, registrations

  Phase phase = Phase::kLoggingIn;
  LoginOutcome login;
  Requests requests;
  SendTracker sends;
  AckMerger acks;
  std::unique_ptr<ManageDesk> made_desk;
  std::unique_ptr<AttemptNotes> made_attempts;
  std::uint32_t deliveries_max = 0;            // the mailbox's rule; 0: deliveries in vain are of no interest
  Sequence acked;                              // the client said that it has everything up to here
  Sequence fetched;                            // the newest that a fetch has brought
  std::map<RequestId, CallId> reads;           // fetches and histories of the client
  std::vector<RequestId> fetches;              // those of them that are fetches
  DeliveryMode mode = DeliveryMode::kOrdered;  // with a window
  std::unique_ptr<Outstanding> window;         // null until subscribed
  std::optional<MailboxFeed> feed;             // with a window
  WindowPressure pressure;                     // of the window
  std::uint64_t asked_wake_ms = 0;
};

Session::Session(SessionOptions options, SessionHost& host, std::shared_ptr<ClientPort> client,
                 std::shared_ptr<SessionPort> self, std::shared_ptr<const Router> router, Random random)
    : impl_(std::make_unique<Impl>(std::move(options), host, std::move(client), std::move(self), std::move(router),
                                   std::move(random))) {}
Session::~Session() = default;

void Session::start(std::uint64_t now_ms) {
  impl_->log_in(now_ms);
  impl_->settle(now_ms);
}

void Session::handle(ClientSend message, std::uint64_t now_ms) {
  if (impl_->phase == Phase::kEnded) return;
  impl_->send(std::move(message), now_ms);
  impl_->settle(now_ms);
}

void Session::handle(ClientSubscribe message, std::uint64_t now_ms) {
  if (impl_->phase == Phase::kEnded) return;
  impl_->client->answered(message.call, impl_->subscribe(message));
  impl_->settle(now_ms);
}

void Session::handle(const ClientAck& message, std::uint64_t now_ms) {
  if (impl_->phase == Phase::kEnded) return;
  impl_->ack(message, now_ms);
  impl_->settle(now_ms);
}

void Session::handle(const ClientNack& message, std::uint64_t now_ms) {
  if (impl_->phase == Phase::kEnded) return;
  impl_->client->answered(message.call, impl_->nack(message.nack, now_ms));
  impl_->settle(now_ms);
}

void Session::handle(ClientFetch message, std::uint64_t now_ms) {
  if (impl_->phase == Phase::kEnded) return;
  impl_->fetch(message, now_ms);
  impl_->settle(now_ms);
}

void Session::handle(ClientHistory message, std::uint64_t now_ms) {
  if (impl_->phase == Phase::kEnded) return;
  impl_->history(message, now_ms);
  impl_->settle(now_ms);
}

void Session::handle(ClientDelivered message, std::uint64_t now_ms) {
  if (impl_->phase == Phase::kEnded || !impl_->window) return;
  impl_->window->taken_in(message.number, now_ms);
  impl_->settle(now_ms);
}

void Session::handle(ClientManage message, std::uint64_t now_ms) {
  if (impl_->phase == Phase::kEnded) return;
  impl_->manage(std::move(message), now_ms);
  impl_->settle(now_ms);
}

void Session::handle(ClientGone message, std::uint64_t) {
  if (impl_->phase != Phase::kEnded) impl_->leave(message);
}

void Session::handle(SendsAnswered message, std::uint64_t now_ms) {
  if (impl_->phase == Phase::kEnded || !impl_->requests.close(message.request, RequestKind::kSend)) return;
  impl_->answer(impl_->sends.answered(message.request, std::move(message.answers)));
  impl_->settle(now_ms);
}

void Session::handle(LoginAnswered message, std::uint64_t now_ms) {
  if (impl_->phase == Phase::kEnded || !impl_->requests.close(message.request, RequestKind::kLogin)) return;
  impl_->logged_in(std::move(message.outcome));
  impl_->settle(now_ms);
}

void Session::handle(AckAnswered message, std::uint64_t now_ms) {
  if (impl_->phase == Phase::kEnded || !impl_->requests.close(message.request, RequestKind::kAck)) return;
  impl_->acks_answered(std::move(message.cursor), now_ms);
  impl_->settle(now_ms);
}

void Session::handle(FetchAnswered message, std::uint64_t now_ms) {
  if (impl_->phase == Phase::kEnded) return;
  if (impl_->requests.close(message.request, RequestKind::kMailbox)) {
    impl_->mailbox_read(std::move(message.batch), now_ms);
  } else if (impl_->requests.close(message.request, RequestKind::kRead)) {
    impl_->read_answered(message.request, std::move(message.batch));
  }
  impl_->settle(now_ms);
}

void Session::handle(const MailboxPush& message, std::uint64_t now_ms) {
  if (impl_->phase == Phase::kEnded) return;
  impl_->pushed(message, now_ms);
  impl_->settle(now_ms);
}

void Session::handle(ManageAnswered message, std::uint64_t now_ms) {
  if (impl_->phase == Phase::kEnded || !impl_->requests.close(message.request, RequestKind::kManage)) return;
  impl_->answer(impl_->desk().answered(std::move(message), now_ms));
  impl_->settle(now_ms);
}

void Session::handle(SessionExplained message, std::uint64_t now_ms) {
  if (impl_->phase == Phase::kEnded) return;
  impl_->answer(impl_->desk().explained(std::move(message)));
  impl_->settle(now_ms);
}

void Session::handle(const SessionExplain& message, std::uint64_t now_ms) {
  if (impl_->phase != Phase::kEnded) impl_->explain(message, now_ms);
}

void Session::handle(AttemptsAnswered message, std::uint64_t now_ms) {
  if (impl_->phase == Phase::kEnded || !impl_->requests.close(message.request, RequestKind::kAttempts)) return;
  impl_->attempts().answered(!message.status && message.status.error().is_temporary());
  impl_->settle(now_ms);
}

void Session::handle(const MessagesEnded& message, std::uint64_t now_ms) {
  if (impl_->phase == Phase::kEnded) return;
  impl_->ended(message, now_ms);
  impl_->settle(now_ms);
}

void Session::handle(ParkingRule message, std::uint64_t) { impl_->deliveries_max = message.deliveries_max; }

void Session::handle(SessionEvicted message, std::uint64_t) {
  if (impl_->phase == Phase::kEnded) return;
  count(impl_->options.counters->evicted);
  impl_->tell_eviction(message.reason);
  if (impl_->phase == Phase::kLoggingIn) return impl_->fail_login(std::move(message.reason));
  impl_->close(std::move(message.reason));
}

void Session::handle(LeaderAnnounced message, std::uint64_t now_ms) {
  if (impl_->phase != Phase::kOpen || message.shard != impl_->home) return;
  impl_->register_at_home();
  if (impl_->feed) impl_->feed->doubt();
  impl_->settle(now_ms);
}

void Session::wake(std::uint64_t now_ms) {
  impl_->asked_wake_ms = 0;  // that timer is spent
  impl_->expire(now_ms);
  while (impl_->made_desk) {
    auto done = impl_->made_desk->expire(now_ms);
    if (!done) break;
    impl_->answer(std::move(done));
  }
  impl_->settle(now_ms);
}

}  // namespace earshot::actors
