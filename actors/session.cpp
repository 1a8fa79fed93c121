#include "actors/session.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include <spdlog/spdlog.h>

#include "actors/ack_checks.hpp"
#include "actors/ack_merger.hpp"
#include "actors/client_reads.hpp"
#include "actors/earlier.hpp"
#include "actors/live_fate.hpp"
#include "actors/manage_desk.hpp"
#include "actors/send_tracker.hpp"
#include "actors/session_login.hpp"
#include "actors/session_refusals.hpp"
#include "actors/shard_refusals.hpp"
#include "actors/shard_requests.hpp"
#include "actors/subscription.hpp"
#include "base/request_tag.hpp"

namespace earshot::actors {
namespace {

enum class Phase : std::uint8_t { kLoggingIn, kOpen, kEnded };  // kDelivering is kOpen with a subscription

}  // namespace

struct Session::Impl {
  Impl(SessionOptions session_options, SessionHost& session_host, std::shared_ptr<ClientPort> client_port,
       std::shared_ptr<SessionPort> self, std::shared_ptr<const Router> router, Random source)
      : options(std::move(session_options).with_defaults()),
        host(session_host),
        client(std::move(client_port)),
        random(std::move(source)),
        shards(options, std::move(self), std::move(router)),
        sends(shards.shard_count(), *options.counters, options.takes_altered_bodies),
        acks(Sequence{}) {}

  // ---- the session's own life

  void log_in(std::uint64_t now_ms) {
    if (Status status = check_protocol(options.request); !status) return fail_login(std::move(status.error()));
    shards.log_in(now_ms);
  }

  void take(LoginAnswered& answered, std::uint64_t now_ms) {
    if (is_put_off(answered.request, RequestKind::kLogin, answered.outcome, now_ms)) return;
    if (!is_awaited(answered.request, RequestKind::kLogin)) return;
    if (!answered.outcome) return fail_login(std::move(answered.outcome.error()));
    phase = Phase::kOpen;
    login = std::move(*answered.outcome);
    acks = AckMerger(login.cursor, login.acked_above);
    acked = login.cursor;
    shards.logged_in(login.number);
    register_at_home();
    count(options.counters->logins);
    client->logged_in(welcome_of(options, login, shards.shard_count()));
  }

  void fail_login(Error error) {
    client->logged_in(fail(std::move(error)));
    end();
  }

  void register_at_home() { shards.register_session(subscription != nullptr, login.producer); }

  void take(SessionEvicted& evicted, std::uint64_t) {
    count(options.counters->evicted);
    tell_eviction(evicted.reason);
    if (phase == Phase::kLoggingIn) return fail_login(std::move(evicted.reason));
    close(std::move(evicted.reason));
  }

  void take(SentAway& sent, std::uint64_t) {
    if (phase == Phase::kOpen) client->go_away(std::move(sent.request));
  }

  void take(LeaderAnnounced& leader, std::uint64_t) {
    if (leader.shard != shards.home() || leader.term < home_term) return;
    if (leader.term == home_term && !leader.again) return;
    home_term = leader.term;
    if (phase != Phase::kOpen) return;  // it registers with whoever leads when it is logged in
    register_at_home();
    if (subscription) subscription->doubt();
  }

  void close(Error reason) {
    client->closed(std::move(reason));
    end();
  }

  void take(ClientGone& gone, std::uint64_t) {
    if (phase == Phase::kOpen) {
      if (subscription && !gone.by_node) {
        if (auto notes = subscription->last_attempts(); !notes.empty()) shards.last_attempts(std::move(notes));
      }
      shards.unregister_session();
    }
    end();
  }

  void end() {
    phase = Phase::kEnded;
    if (asked_wake_ms != 0) host.wake_at(0);
    host.end();
  }

  // Whether an answer is to a request that is under way; it is under way no more.
  bool is_awaited(RequestId request, RequestKind kind) { return shards.requests().close(request, kind); }

  // Whether an answer says no more than that the shard's leader has changed; the request is asked again, then.
  template <class Answer>
  bool is_put_off(RequestId request, RequestKind kind, const Result<Answer>& answer, std::uint64_t now_ms) {
    if (answer || !refusals::is_leader_change(answer.error())) return false;
    return shards.requests().put_off(request, kind, now_ms, random);
  }

  // ---- sends

  void take(ClientSend& call, std::uint64_t now_ms) {
    if (phase != Phase::kOpen) return answer(sends.refuse(call, refusals::not_logged_in()));
    const CallId id = call.call;
    answer(sends.start(std::move(call), [this, id, now_ms](ShardId shard, std::vector<SendItem> items) {
      return shards.send(id, shard, login.producer, std::move(items), now_ms);
    }));
  }

  void take(SendsAnswered& answered, std::uint64_t) {
    if (!is_awaited(answered.request, RequestKind::kSend)) return;
    answer(sends.answered(answered.request, std::move(answered.answers)));
  }

  void answer(std::optional<SendTracker::Answers> done) {
    if (done) client->answered(done->call, std::move(done->answers));
  }

  // ---- delivery

  void take(ClientSubscribe& call, std::uint64_t) { client->answered(call.call, subscribe(call)); }

  Status subscribe(const ClientSubscribe& call) {
    if (phase != Phase::kOpen) return fail(refusals::not_logged_in());
    if (subscription) return fail(refusals::invalid("subscribe", "this session is subscribed already"));
    Subscription::Start start{login.epoch, acked, {}, login.last_sequence, login.parked};
    // A device that came without its database has nothing to fill its holes with.
    if (options.request.epoch == login.epoch) start.acked_above = login.acked_above;
    const OutstandingContext context{options.retransmit, random, *options.counters, *options.windows};
    auto opened = Subscription::open(call, context, std::move(start));
    if (!opened) return fail(std::move(opened.error()));
    subscription = std::move(*opened);
    login.parked = {};
    login.acked_above = {};
    // First the registration, then the read from the cursor: what is committed between the two is pushed, and what was
    // committed before is read.
    register_at_home();
    return {};
  }

  void take(ClientDelivered& delivered, std::uint64_t now_ms) const {
    if (subscription) subscription->taken_in(delivered.number, now_ms);
  }
  void take(MailboxPush& push, std::uint64_t now_ms) const {
    if (subscription) subscription->pushed(push, now_ms);
  }
  void take(MessagesEnded& ended, std::uint64_t now_ms) const {
    if (subscription) subscription->ended(ended, now_ms);
  }
  void take(ParkingRule& rule, std::uint64_t) const {
    if (subscription) subscription->take(rule);
  }
  void take(AttemptsAnswered& answered, std::uint64_t) {
    if (!is_awaited(answered.request, RequestKind::kAttempts)) return;
    // When a change of leader left open whether they were counted, a delivery too few is the smaller harm.
    const bool again = !answered.status && answered.status.error().is_temporary() &&
                       !refusals::is_leader_change(answered.status.error());
    subscription->attempts_answered(again);
  }

  void mailbox_read(Result<Batch> batch, std::uint64_t now_ms) {
    if (subscription->read_answered(std::move(batch), now_ms)) return;
    shards.unregister_session();
    close(refusals::restored());
  }

  // Does what has become possible for a subscribed session.
  void deliver(std::uint64_t now_ms) {
    subscription->skip_acked(now_ms);
    if (subscription->must_make_room(now_ms)) return make_room();
    while (auto delivery = subscription->next_delivery(now_ms)) client->deliver(std::move(*delivery));
    if (auto notes = subscription->next_attempts()) shards.attempts(std::move(*notes), now_ms);
    if (const auto read = subscription->next_read(now_ms)) {
      count(options.counters->mailbox_reads);
      shards.read_mailbox(*read, now_ms);
    }
  }

  [[nodiscard]] RequestTag tag() const { return {options.node, RequestTag::Door::kSession, options.id}; }

  void tell_eviction(const Error& reason) const {
    if (!spdlog::should_log(spdlog::level::debug)) return;
    spdlog::debug("{}: evicted, {}", tag().to_string(), reason.to_string());
  }

  // Nothing is lost: the device goes on from its cursor when it logs in again.
  void make_room() {
    count(options.counters->windows_given_up);
    if (spdlog::should_log(spdlog::level::debug))
      spdlog::debug("{}: ended, its window makes room for those of others", tag().to_string());
    shards.unregister_session();
    close(refusals::window_held());
  }

  // ---- management

  // Few sessions ever look after mailboxes, and an idle one should take little: made when first asked for.
  ManageDesk& desk() {
    if (!made_desk) made_desk = std::make_unique<ManageDesk>(options.user, options.role, shards.shard_count());
    return *made_desk;
  }

  void take(ClientManage& call, std::uint64_t now_ms) {
    if (phase != Phase::kOpen) return answer(ManageDesk::Answer{call.call, fail(refusals::not_logged_in())});
    const CallId id = call.call;
    answer(desk().start(std::move(call), [this, id, now_ms](ShardId shard, ManageRequest request) {
      return shards.manage(id, shard, std::move(request), now_ms);
    }));
  }

  void take(ManageAnswered& answered, std::uint64_t now_ms) {
    if (is_put_off(answered.request, RequestKind::kManage, answered.answer, now_ms)) return;
    if (!is_awaited(answered.request, RequestKind::kManage)) return;
    answer(desk().answered(std::move(answered), now_ms));
  }

  void take(SessionExplained& explained, std::uint64_t) {
    if (made_desk) answer(made_desk->explained(std::move(explained)));
  }

  void take(SessionExplain& question, std::uint64_t now_ms) {
    const OutstandingEntry* entry = subscription ? subscription->entry_of(question.sequence) : nullptr;
    DeviceFate fate = live_fate_of(options.request.device, entry, now_ms, host.wall_ms());
    question.from->post(SessionExplained{question.request, std::move(fate)});
  }

  void answer(std::optional<ManageDesk::Answer> done) {
    if (done) client->answered(done->call, std::move(done->answer));
  }

  // ---- acks and nacks

  // The newest sequence that the client can have: delivered or fetched here, or anything that was in the mailbox at
  // login, stored by an earlier session. It may say so before this one has delivered anything.
  [[nodiscard]] Sequence newest_ackable() const {
    return std::max(
        {reads.fetched(), acked, login.last_sequence, subscription ? subscription->delivered() : Sequence{}});
  }

  void take(ClientAck& call, std::uint64_t now_ms) {
    const auto answer_now = [&](Result<Sequence> cursor) { client->answered(call.call, std::move(cursor)); };
    if (phase != Phase::kOpen) return answer_now(fail(refusals::not_logged_in()));
    const bool is_cumulative = subscription && subscription->is_cumulative();
    if (Status status = check_ack(call.ack, newest_ackable(), is_cumulative); !status) {
      return answer_now(fail(std::move(status.error())));
    }
    count(options.counters->acks);
    // It will not be sent again, whatever becomes of the commit: the client has it.
    acked = std::max(acked, call.ack.up_to);
    if (subscription) subscription->acked(call.ack, now_ms);
    if (acks.is_committed(call.ack)) return answer_now(acks.committed());
    if (Status status = acks.add(call.call, call.ack); !status) return answer_now(fail(std::move(status.error())));
    commit_acks(now_ms);
  }

  void commit_acks(std::uint64_t now_ms) {
    if (auto next = acks.next()) shards.ack(std::move(*next), now_ms);
  }

  void take(AckAnswered& answered, std::uint64_t now_ms) {
    if (is_put_off(answered.request, RequestKind::kAck, answered.cursor, now_ms)) return;
    if (is_awaited(answered.request, RequestKind::kAck)) acks_answered(std::move(answered.cursor), now_ms);
  }

  void acks_answered(Result<Sequence> cursor, std::uint64_t now_ms) {
    const AckMerger::Answers done = acks.answered(std::move(cursor));
    for (const CallId call : done.calls) client->answered(call, done.cursor);
    commit_acks(now_ms);
  }

  void take(ClientNack& call, std::uint64_t now_ms) { client->answered(call.call, nack(call.nack, now_ms)); }

  Status nack(const NackRequest& nack, std::uint64_t now_ms) const {
    if (phase != Phase::kOpen) return fail(refusals::not_logged_in());
    if (Status status = check_nack(nack); !status) return status;
    if (!subscription) return fail(refusals::invalid("sequences", "nothing was delivered: subscribe first"));
    return subscription->nacked(nack, now_ms);
  }

  // ---- the client's own reads

  void take(ClientFetch& call, std::uint64_t now_ms) {
    if (read({call.call, ClientReads::Kind::kFetch, call.after, call.limit}, now_ms)) {
      count(options.counters->refetches_of(call.cause));
    }
  }
  void take(ClientHistory& call, std::uint64_t now_ms) {
    read({call.call, ClientReads::Kind::kHistory, call.before, call.limit}, now_ms);
  }

  // Whether it was forwarded; else it is answered.
  bool read(const ClientReads::Read& read, std::uint64_t now_ms) {
    auto refused =
        phase != Phase::kOpen
            ? ClientReads::Answer{read.call, fail(refusals::not_logged_in())}
            : reads.start(read, [this, now_ms](const ClientReads::Read& one) { return shards.read(one, now_ms); });
    const bool is_forwarded = !refused;
    answer(std::move(refused));
    return is_forwarded;
  }

  void take(FetchAnswered& answered, std::uint64_t now_ms) {
    if (is_awaited(answered.request, RequestKind::kMailbox)) return mailbox_read(std::move(answered.batch), now_ms);
    if (is_put_off(answered.request, RequestKind::kRead, answered.batch, now_ms)) return;
    if (!is_awaited(answered.request, RequestKind::kRead)) return;
    answer(reads.answered(answered.request, std::move(answered.batch)));
  }

  void answer(std::optional<ClientReads::Answer> done) {
    if (done) client->answered(done->call, std::move(done->batch));
  }

  // ---- time

  void expire(std::uint64_t now_ms) {
    const auto late = [] { return fail(refusals::late()); };
    while (phase != Phase::kEnded) {
      const auto expired = shards.requests().expire(now_ms);
      if (!expired) break;
      switch (expired->kind) {
        case RequestKind::kLogin: fail_login(refusals::late()); break;
        case RequestKind::kSend: answer(sends.failed(expired->id, refusals::late())); break;
        case RequestKind::kAck: acks_answered(late(), now_ms); break;
        case RequestKind::kRead: answer(reads.answered(expired->id, late())); break;
        case RequestKind::kMailbox: mailbox_read(late(), now_ms); break;
        case RequestKind::kManage: answer(desk().answered(ManageAnswered{expired->id, late()}, now_ms)); break;
        // The same when nobody answers.
        case RequestKind::kAttempts: subscription->attempts_answered(false); break;
      }
    }
    while (made_desk) {
      auto done = made_desk->expire(now_ms);
      if (!done) break;
      answer(std::move(done));
    }
  }

  // Does what has become possible and asks for the next wake-up. Every event ends here.
  void settle(std::uint64_t now_ms) {
    if (phase != Phase::kEnded && subscription) deliver(now_ms);
    if (phase == Phase::kEnded) return;
    std::uint64_t wake_ms = shards.requests().wake_at();
    if (subscription) wake_ms = earlier(wake_ms, subscription->wake_at());
    if (made_desk) wake_ms = earlier(wake_ms, made_desk->wake_at());
    if (wake_ms == asked_wake_ms) return;
    asked_wake_ms = wake_ms;
    host.wake_at(wake_ms);
  }

  const SessionOptions options;
  SessionHost& host;
  const std::shared_ptr<ClientPort> client;
  Random random;

  Phase phase = Phase::kLoggingIn;
  LoginOutcome login;
  Term home_term;  // of the newest leader of the home shard that was announced
  ShardRequests shards;
  SendTracker sends;
  AckMerger acks;
  Sequence acked;  // the client said that it has everything up to here
  ClientReads reads;
  std::unique_ptr<ManageDesk> made_desk;
  std::unique_ptr<Subscription> subscription;  // null until subscribed
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

void Session::handle(SessionEvent&& event, std::uint64_t now_ms) {
  if (impl_->phase == Phase::kEnded) return;
  std::visit([&](auto& one) { impl_->take(one, now_ms); }, event);
  impl_->settle(now_ms);
}

void Session::wake(std::uint64_t now_ms) {
  impl_->asked_wake_ms = 0;  // that timer is spent
  impl_->expire(now_ms);
  if (impl_->phase == Phase::kEnded) return;
  impl_->shards.ask_again(impl_->acks, impl_->reads, impl_->made_desk.get(), now_ms);
  impl_->settle(now_ms);
}

}  // namespace earshot::actors
