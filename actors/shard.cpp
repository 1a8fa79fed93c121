#include "actors/shard.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <spdlog/spdlog.h>

#include "actors/shard_audience.hpp"
#include "actors/shard_entries.hpp"
#include "actors/shard_flusher.hpp"
#include "actors/shard_manage.hpp"
#include "actors/shard_outbox.hpp"
#include "actors/shard_places.hpp"
#include "actors/shard_reads.hpp"
#include "actors/shard_refusals.hpp"
#include "actors/shard_report.hpp"
#include "actors/shard_ticks.hpp"

namespace earshot::actors {
namespace {

using namespace refusals;

// Between shards of one node an answer takes as long as a sync; this leaves room for a slow disk.
constexpr BackoffPolicy kTransferResend{1'000, 30'000};

class ShardImpl final : public Shard, private cluster::ReplicaHost {
 public:
  ShardImpl(const ShardOptions& options, ShardHost& host, storage::Environment& environment,
            std::shared_ptr<NodeBudgets> budgets, const Clock& clock)
      : id_(options.id),
        node_(options.replica.self),
        host_(host),
        budgets_(std::move(budgets)),
        clock_(clock),
        state_(environment, options.id, options.faults.state),
        tells_moves_late_(options.faults.tells_moves_late),
        ticks_(clock, options.id),
        entries_(budgets_, [this](AheadWaiter ahead) { places_->take_back(std::move(ahead)); }) {}

  Status start(const ShardOptions& options, storage::LoadedLog log);

  void join(std::shared_ptr<const Router> router) override;
  void handle(ShardSend message) override;
  void handle(ShardLogin message) override;
  void handle(ShardAck message) override;
  void handle(ShardFetch message) override;
  void handle(ShardHistory message) override;
  void handle(ShardManage message) override;
  void handle(ShardAttempts message) override;
  void handle(ShardRegister message) override;
  void handle(ShardUnregister message) override;
  void handle(ShardPositions message) override;
  void handle(ShardTransfer message) override;
  void handle(ShardTransferred message) override;
  void receive(const cluster::PeerMessage& message) override;
  void gather() override;
  void scan_positions() override;
  void persisted(std::uint64_t ticket) override;
  void flushed() override;
  void wake() override;
  void stop() override;
  [[nodiscard]] bool drained() const override;
  [[nodiscard]] Result<std::uint64_t> digest() override { return machine_->digest(); }

 private:
  struct Applied {
    LogIndex index;
    Term term;
    cluster::Effects effects;
  };
  struct RoleChange {
    cluster::Role role;
    Term term;
  };

  // ReplicaHost: called from inside the replica, which must not be called back; settle() acts afterwards.
  void write_log(storage::LogWrite write) override;
  void send(cluster::PeerMessage message) override { host_.send_to_peer(std::move(message)); }
  void apply(const storage::LogEntry& entry) override;
  void role_changed(cluster::Role role, Term term) override { role_change_ = RoleChange{role, term}; }
  void wake_at(std::uint64_t monotonic_ms) override { replica_wake_at_ms_ = monotonic_ms; }
  Result<std::string> read_snapshot(const storage::SnapshotMetadata& metadata) override;
  void install_snapshot(const storage::SnapshotMetadata& metadata, std::string data) override;

  template <class Message>
  bool gives_back(Message& message) {
    if (leads_) return false;
    host_.give_back(std::move(message));
    return true;
  }
  // A request on its way into the log; refused when it may not come in now.
  void admit(Command command, Waiter waiter);
  void enter(Command command, Waiter waiter) {
    entries_.add(std::move(command), std::move(waiter));
    ask_gather();
  }
  void set_ahead(SetPositionsCommand set, const std::function<void(Result<PositionsAnswer>)>& done);
  [[nodiscard]] std::optional<Error> refusal(const Command& command) const;
  [[nodiscard]] std::optional<Error> read_refusal() const;
  [[nodiscard]] std::optional<Error> late_registration(const ShardRegister& message);
  void add_confirms();
  void ask_gather();
  // Something is due, and no other entry is about to bring the time along.
  bool is_tick_due();
  [[nodiscard]] bool is_quiet() const { return leads_ && !stopping_ && entries_.empty(); }
  void touch(std::uint64_t now_ms);

  // Acts on what the replica's last call brought up: answers, pushes, drains, flushes, sets the timer.
  void settle(std::uint64_t now_ms);
  void act_on_applied(std::uint64_t now_ms);
  void answer_all(std::vector<Waiter>& waiters, std::vector<cluster::CommandResult>& results);
  void act_on_role(std::uint64_t now_ms);
  void tell_leader();
  void begin_draining(std::uint64_t now_ms);
  void set_timer();

  [[nodiscard]] bool drains() const { return leads_ && router_ != nullptr && !stopping_; }

  const ShardId id_;
  const NodeId node_;
  ShardHost& host_;
  const std::shared_ptr<NodeBudgets> budgets_;
  const Clock& clock_;
  storage::ShardState state_;
  const bool tells_moves_late_;  // a planted bug
  std::unique_ptr<cluster::ShardMachine> machine_;
  std::unique_ptr<cluster::Replica> replica_;
  std::shared_ptr<const Router> router_;

  TickSource ticks_;
  std::optional<Audience> audience_;
  ShardReport report_{id_};
  std::optional<ShardFlusher> flusher_;
  std::optional<OutboxDrain> drain_;
  std::optional<ShardPlaces> places_;
  ShardEntries entries_;

  // Brought up by the replica, not acted on yet.
  std::vector<Applied> applied_;
  std::optional<RoleChange> role_change_;

  NodeId told_leader_;
  Term told_term_;

  bool leads_ = false;
  bool stopping_ = false;
  bool gather_asked_ = false;
  LogIndex read_floor_;  // a new leader serves reads once it has applied what its log held
  std::size_t log_writes_under_way_ = 0;
  std::uint64_t replica_wake_at_ms_ = 0;
  std::uint64_t timer_at_ms_ = 0;
};

Status ShardImpl::start(const ShardOptions& options, storage::LoadedLog log) {
  auto machine = cluster::ShardMachine::open(state_, id_, options.shard_count, {}, options.faults.machine);
  if (!machine.has_value()) return fail(std::move(machine.error()));
  machine_ = std::move(*machine);
  flusher_.emplace(*machine_, host_, budgets_,
                   FlushSchedule(options.id, options.flush_interval_ms, options.overlay_flush_bytes));
  audience_.emplace(id_, *machine_);
  places_.emplace(id_, *machine_, host_, Random(options.replica.seed));
  drain_.emplace(id_, *machine_, kTransferResend, Random(options.replica.seed));
  const std::uint64_t now_ms = clock_.monotonic_ms();
  LogIndex applied = machine_->applied_index();
  if (options.faults.machine.applies_again) applied = log.snapshot ? log.snapshot->index : LogIndex{};
  auto replica = cluster::Replica::start(options.replica, *this, std::move(log), applied, now_ms);
  if (!replica.has_value()) return fail(std::move(replica.error()));
  replica_ = std::move(*replica);
  settle(now_ms);
  host_.scan_soon();
  return {};
}

void ShardImpl::join(std::shared_ptr<const Router> router) {
  router_ = std::move(router);
  const std::uint64_t now_ms = clock_.monotonic_ms();
  begin_draining(now_ms);
  settle(now_ms);
}

// ---- requests

void ShardImpl::handle(ShardSend message) {
  if (gives_back(message)) return;
  const std::size_t items = message.command.items.size();
  admit(std::move(message.command), SendWaiter{std::move(message.from), message.request, items});
}

void ShardImpl::handle(ShardLogin message) {
  if (gives_back(message)) return;
  admit(std::move(message.command), LoginWaiter{std::move(message.from), message.request});
}

void ShardImpl::handle(ShardAck message) {
  if (gives_back(message)) return;
  admit(std::move(message.command), AckWaiter{std::move(message.from), message.request});
}

void ShardImpl::handle(ShardManage message) {
  if (gives_back(message)) return;
  const auto* set_policy = std::get_if<SetPolicyRequest>(&message.manage);
  auto policy_of = set_policy != nullptr ? std::optional(set_policy->user) : std::nullopt;
  if (auto command = command_of(message.manage)) {
    return admit(std::move(*command), ManageWaiter{std::move(message.from), message.request, std::move(policy_of)});
  }
  if (auto error = read_refusal()) {
    return message.from->post(ManageAnswered{message.request, fail(std::move(*error)), 0});
  }
  answer_question(message, node_, *machine_, audience_->presence());
}

void ShardImpl::handle(ShardAttempts message) {
  if (gives_back(message)) return;
  AttemptsWaiter waiter{std::move(message.from), message.request, message.command.user, message.command.device};
  admit(std::move(message.command), std::move(waiter));
}

void ShardImpl::handle(ShardRegister message) {
  if (gives_back(message)) return;
  if (auto error = late_registration(message)) {
    audience_->remove(ShardUnregister{message.session, message.user, message.device});
    return message.from->post(SessionEvicted{std::move(*error)});
  }
  audience_->add(std::move(message), clock_.monotonic_ms());
  set_timer();
}

// The session was not there to be evicted when its device was removed, or logged in again, just after its own login.
// What it sends as a producer that is forgotten would be stored again.
std::optional<Error> ShardImpl::late_registration(const ShardRegister& message) {
  if (message.producer == ProducerId() || replica_->applied_index() < read_floor_) return std::nullopt;
  const ProducerId producer = machine_->producer_of(message.user, message.device);
  if (producer == message.producer) return std::nullopt;
  return producer == ProducerId() ? device_removed() : device_replaced();
}

void ShardImpl::handle(ShardPositions message) {
  if (gives_back(message)) return;
  if (auto* set = std::get_if<SetPositionsCommand>(&message.command); set != nullptr && set->accepted)
    return set_ahead(std::move(*set), message.done);
  Command command = std::visit([](auto& one) { return Command(std::move(one)); }, message.command);
  admit(std::move(command), PositionsWaiter{std::move(message.done)});
}

// Told and answered at once: what is admitted gets into the log, or the node with all its views is gone.
void ShardImpl::set_ahead(SetPositionsCommand set, const std::function<void(Result<PositionsAnswer>)>& done) {
  Command command(std::move(set));
  if (const auto error = refusal(command)) return done(fail(*error));
  const auto& accepted = std::get<SetPositionsCommand>(command);
  AheadWaiter waiter = places_->tell_ahead(accepted);
  PositionsAnswer answer{std::vector(accepted.items.size(), cluster::PositionOutcome::kAccepted), 0};
  enter(std::move(command), std::move(waiter));
  done(std::move(answer));
}

void ShardImpl::handle(ShardUnregister message) {
  if (!gives_back(message)) audience_->remove(message);
}

void ShardImpl::handle(ShardTransfer message) {
  if (gives_back(message)) return;
  if (router_ == nullptr) return;  // no way to answer yet; it is sent again
  const TransferWaiter waiter{message.command.origin, message.command.epoch};
  admit(std::move(message.command), waiter);
}

void ShardImpl::handle(ShardTransferred message) {
  if (gives_back(message)) return;
  if (!drains()) return;
  const std::uint64_t now_ms = clock_.monotonic_ms();
  drain_->transferred(message, *router_, now_ms);
  settle(now_ms);
}

void ShardImpl::handle(ShardFetch message) {
  if (gives_back(message)) return;
  if (auto error = read_refusal()) {
    return message.from->post(FetchAnswered{message.request, fail(std::move(*error))});
  }
  answer_read(message, *machine_, budgets_);
}

void ShardImpl::handle(ShardHistory message) {
  if (gives_back(message)) return;
  if (auto error = read_refusal()) {
    return message.from->post(FetchAnswered{message.request, fail(std::move(*error))});
  }
  answer_read(message, *machine_, budgets_);
}

std::optional<Error> ShardImpl::refusal(const Command& command) const {
  if (stopping_) return stopping();
  if (budgets_->disk.is_log_full()) return storage_full();
  // The reserve is for what is under way, and for what is small or frees room: logins, acks, copies from other shards.
  const bool adds = std::holds_alternative<SendCommand>(command) || std::holds_alternative<ReplayCommand>(command) ||
                    std::holds_alternative<SetPositionsCommand>(command);
  if (budgets_->disk.is_tight() && adds) return storage_full();
  if (!entries_.has_room()) return overloaded("the shard has as many requests waiting as it may");
  if (budgets_->overlay.is_full()) return overloaded("the node holds as much unflushed state as it may");
  if (budgets_->admitted.is_full()) return overloaded("the node's log writer has as much queued as it may");
  return std::nullopt;
}

std::optional<Error> ShardImpl::read_refusal() const {
  if (stopping_) return stopping();
  if (replica_->applied_index() < read_floor_) return not_leader();
  if (budgets_->reads.is_full()) return overloaded("the node has as many answers to reads under way as it may");
  return std::nullopt;
}

void ShardImpl::admit(Command command, Waiter waiter) {
  if (const auto error = refusal(command)) return refuse(waiter, *error);
  enter(std::move(command), std::move(waiter));
}

// What other shards have committed goes along with the next entry, merged per shard. Never refused: it frees room.
void ShardImpl::add_confirms() {
  for (ConfirmCommand& confirm : drain_->take_confirms()) entries_.add(std::move(confirm), NobodyWaits{});
}

// ---- into the log

void ShardImpl::ask_gather() {
  if (gather_asked_ || !entries_.may_submit()) return;
  if (entries_.nothing_gathers() && !drain_->has_confirms() && !is_tick_due()) return;
  gather_asked_ = true;
  host_.gather_soon();
}

bool ShardImpl::is_tick_due() {
  const std::uint64_t due_ms = machine_->next_due_ms();
  return due_ms != 0 && is_quiet() && ticks_.wait_ms(next_tick_ms(due_ms, machine_->tick_ms())) == 0;
}

void ShardImpl::touch(std::uint64_t now_ms) {
  if (audience_->wake_at() == 0 || now_ms < audience_->wake_at()) return;
  if (refusal(TouchCommand{})) return audience_->put_off_touches(now_ms);
  if (auto command = audience_->next_touches(now_ms)) admit(std::move(*command), NobodyWaits{});
}

void ShardImpl::gather() {
  gather_asked_ = false;
  if (leads_) {
    ticks_.compare(machine_->tick_ms());
    add_confirms();
  }
  const std::uint64_t now_ms = clock_.monotonic_ms();
  if (entries_.submit(*replica_, ticks_, is_tick_due(), now_ms)) settle(now_ms);
}

void ShardImpl::scan_positions() {
  const std::uint64_t now_ms = clock_.monotonic_ms();
  places_->scan(now_ms);
  settle(now_ms);
}

void ShardImpl::receive(const cluster::PeerMessage& message) {
  const std::uint64_t now_ms = clock_.monotonic_ms();
  replica_->receive(message, now_ms);
  settle(now_ms);
}

void ShardImpl::persisted(std::uint64_t ticket) {
  EARSHOT_INVARIANT(log_writes_under_way_ > 0, "a completion belongs to a write");
  --log_writes_under_way_;
  const std::uint64_t now_ms = clock_.monotonic_ms();
  replica_->persisted(ticket, now_ms);
  settle(now_ms);
}

// ---- ReplicaHost

void ShardImpl::write_log(storage::LogWrite write) {
  ++log_writes_under_way_;
  host_.write_log(std::move(write));
}

void ShardImpl::apply(const storage::LogEntry& entry) {
  cluster::Effects effects = machine_->apply(entry.index, entry.term, *entry.data);
  // When a log is applied again nobody waits and nobody listens: keep no bodies for them.
  if (!entries_.expects(entry.index, entry.term)) effects.results.clear();
  if (audience_->presence().empty()) effects.delivered.clear();
  applied_.push_back(Applied{entry.index, entry.term, std::move(effects)});
}

Result<std::string> ShardImpl::read_snapshot(const storage::SnapshotMetadata&) {
  return fail(ErrorCode::kUnavailable, "", "snapshots are not sent while a group has one voter");
}

void ShardImpl::install_snapshot(const storage::SnapshotMetadata&, std::string) {
  EARSHOT_INVARIANT(false, "nobody can send a snapshot to the only voter of a group");
}

// ---- what has come up

void ShardImpl::settle(std::uint64_t now_ms) {
  act_on_applied(now_ms);
  act_on_role(now_ms);
  tell_leader();
  places_->tell_taken_back();
  if (places_->waits_for_ticks()) places_->say_if_all_is_told(ticks_.now().tick_ms);
  report_.say_if_due(now_ms);
  flusher_->flush_if_due(stopping_, now_ms);
  ask_gather();
  set_timer();
}

void ShardImpl::act_on_applied(std::uint64_t now_ms) {
  for (Applied& applied : applied_) {
    // Before it is answered, so that whoever has the answer finds everybody where that says.
    if (!tells_moves_late_) places_->tell(applied.effects);
    if (auto waiters = entries_.take_applied(applied.index, applied.term))
      answer_all(*waiters, applied.effects.results);
    if (tells_moves_late_) places_->tell(applied.effects);
    audience_->tell(applied.effects);
    report_.note(applied.effects);
    if (!drains()) continue;
    for (const ShardId target : applied.effects.outbox_targets) drain_->written(target, *router_, now_ms);
  }
  applied_.clear();
}

void ShardImpl::answer_all(std::vector<Waiter>& waiters, std::vector<cluster::CommandResult>& results) {
  EARSHOT_INVARIANT(results.size() == waiters.size(), "every command of an entry has its result");
  for (std::size_t i = 0; i < results.size(); ++i) {
    audience_->tell_result(waiters[i], results[i]);
    if (auto* ahead = std::get_if<AheadWaiter>(&waiters[i]);
        ahead != nullptr && !std::get<cluster::PositionsResult>(results[i]).outcomes)
      places_->take_back(std::move(*ahead));
    answer(waiters[i], std::move(results[i]), id_, router_.get());
  }
}

void ShardImpl::act_on_role(std::uint64_t now_ms) {
  const auto change = std::exchange(role_change_, std::nullopt);
  if (!change.has_value()) return;
  leads_ = change->role == cluster::Role::kLeader;
  entries_.leave_other_terms(leads_ ? change->term : Term{});
  if (leads_) {
    read_floor_ = replica_->last_index();
    begin_draining(now_ms);
    return;
  }
  entries_.refuse_all(lost());
  drain_->end();
  audience_->clear();
}

void ShardImpl::tell_leader() {
  if (router_ == nullptr) return;  // nobody asks for it yet
  if (told_leader_ == replica_->leader() && told_term_ == replica_->term()) return;
  told_leader_ = replica_->leader();
  told_term_ = replica_->term();
  host_.leader_is(told_leader_, told_term_);
}

void ShardImpl::begin_draining(std::uint64_t now_ms) {
  if (!drains()) return;
  const auto begun = drain_->begin(*router_, now_ms);
  if (!begun.has_value()) spdlog::error("shard {}: outbox is not drained: {}", id_.value, begun.error().to_string());
}

// ---- flushing and time

void ShardImpl::flushed() {
  const LogIndex flushed = flusher_->flushed();
  const std::uint64_t now_ms = clock_.monotonic_ms();
  replica_->snapshot_flushed(flushed, now_ms);
  settle(now_ms);
}

void ShardImpl::set_timer() {
  std::uint64_t at_ms = replica_wake_at_ms_;
  const auto no_later_than = [&at_ms](std::uint64_t other_ms) {
    if (other_ms != 0 && (at_ms == 0 || other_ms < at_ms)) at_ms = other_ms;
  };
  no_later_than(drain_->wake_at());
  no_later_than(flusher_->due_at());
  no_later_than(audience_->wake_at());
  no_later_than(places_->wake_at());
  for (const std::uint64_t report_at_ms : report_.wake_times()) no_later_than(report_at_ms);
  const std::uint64_t due_ms = machine_->next_due_ms();
  if (due_ms != 0 && is_quiet() && !gather_asked_) {
    no_later_than(clock_.monotonic_ms() + ticks_.wait_ms(next_tick_ms(due_ms, machine_->tick_ms())));
  }
  if (at_ms == timer_at_ms_) return;
  timer_at_ms_ = at_ms;
  host_.wake_at(at_ms);
}

void ShardImpl::wake() {
  const std::uint64_t now_ms = clock_.monotonic_ms();
  timer_at_ms_ = 0;  // it has fired: what is still to come is asked for anew
  if (replica_wake_at_ms_ != 0 && replica_wake_at_ms_ <= now_ms) {
    replica_wake_at_ms_ = 0;
    replica_->tick(now_ms);
  }
  if (drains()) drain_->wake(*router_, now_ms);
  touch(now_ms);
  places_->wake(now_ms);
  settle(now_ms);
}

void ShardImpl::stop() {
  stopping_ = true;
  entries_.refuse_who_waits(stopping());
  drain_->end();
  settle(clock_.monotonic_ms());
}

bool ShardImpl::drained() const {
  return stopping_ && entries_.empty() && log_writes_under_way_ == 0 && flusher_->is_done();
}

}  // namespace

Result<std::unique_ptr<Shard>> Shard::open(const ShardOptions& options, ShardHost& host, storage::Environment& state,
                                           storage::LoadedLog log, std::shared_ptr<NodeBudgets> budgets,
                                           const Clock& clock) {
  auto shard = std::make_unique<ShardImpl>(options, host, state, std::move(budgets), clock);
  auto started = shard->start(options, std::move(log));
  if (!started.has_value()) {
    Error error = std::move(started.error());
    error.detail = "shard " + std::to_string(options.id.value) + ": " + error.detail;
    return fail(std::move(error));
  }
  return shard;
}

}  // namespace earshot::actors
