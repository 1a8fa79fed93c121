#include "actors/shard.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <spdlog/spdlog.h>

#include "actors/shard_impl.hpp"
#include "actors/shard_refusals.hpp"
#include "cluster/group_view.hpp"
#include "cluster/membership.hpp"
#include "storage/seed_mark.hpp"
#include "storage/table_sums.hpp"

namespace earshot::actors {

using namespace refusals;

namespace {

constexpr std::uint64_t kGatherAgainMs = 50;  // what the replica did not take
constexpr std::uint64_t kLeaveDiskEveryMs = 2'000;

}  // namespace

Status ShardImpl::start(const ShardOptions& options, storage::LoadedLog log) {
  const auto is_whole = storage::is_whole(environment_, id_);
  if (!is_whole) return fail(is_whole.error());
  std::optional<LogIndex> applied;
  Status opened;
  if (*is_whole) {
    // What is missing would not show otherwise; of a node alone that is looked at before.
    const auto membership = cluster::Membership::of(cluster::members_in(log), node_);
    if (options.feeds) opened = storage::check_sums(environment_, id_, !membership.others_have_state());
    if (opened) opened = begin_life();
    if (!opened && opened.error().code != ErrorCode::kCorrupt) return opened;
    if (opened) applied = life_->machine->applied_index();
    if (opened && options.faults.machine.applies_again) applied = log.snapshot ? log.snapshot->index : LogIndex{};
  }
  const std::uint64_t now_ms = clock_.monotonic_ms();
  auto replica = cluster::Replica::start(options.replica, *this, std::move(log), applied, now_ms);
  if (!replica.has_value()) return fail(std::move(replica.error()));
  replica_ = std::move(*replica);
  // Nobody else has the state.
  if (!opened && !cluster::Membership::of(replica_->members(), node_).others_have_state()) return opened;
  if (!opened) spdlog::error("shard {}: its state is damaged: {}", id_.value, opened.error().to_string());
  // Without a state, or with one that stands below its log.
  if (replica_->is_passive()) {
    begin_fetching(!opened.has_value());
  } else if (!life_) {
    return opened ? fail(ErrorCode::kCorrupt, "state", "it is not there, and nobody else has it") : opened;
  }
  settle(now_ms);
  return {};
}

Status ShardImpl::begin_life() {
  auto life = ShardLife::open(options_, host_, environment_, budgets_, feeds_ ? &*feeds_ : nullptr);
  if (!life) return fail(std::move(life.error()));
  life_ = std::move(*life);
  if (!feeds_) host_.scan_soon();
  return {};
}

void ShardImpl::join(std::shared_ptr<const Router> router) {
  router_ = std::move(router);
  const std::uint64_t now_ms = clock_.monotonic_ms();
  begin_draining(now_ms);
  settle(now_ms);
}

void ShardImpl::want_members(std::vector<cluster::WantedMember> wanted) {
  wanted_ = std::move(wanted);
  members_are_news_ = true;
  settle(clock_.monotonic_ms());
}

void ShardImpl::keep_members(std::uint64_t now_ms) {
  if (!leads_ || stopping_ || wanted_.empty()) return;
  const std::uint64_t look_at_ms = keeper_.look_at_ms();
  if (!std::exchange(members_are_news_, false) && (look_at_ms == 0 || now_ms < look_at_ms)) return;
  const auto is_up = [this](NodeId node) { return host_.is_up(node); };
  const auto step = keeper_.next(cluster::view_of(*replica_, node_, is_up, now_ms), wanted_, now_ms);
  if (!step) return;
  if (const Status done = cluster::do_step(*replica_, *step, now_ms); !done)
    spdlog::debug("shard {}: its members stay as they are for now: {}", id_.value, done.error().to_string());
}

// ---- into the log

void ShardImpl::ask_gather() {
  if (gather_asked_ || !entries_.may_submit()) return;
  if (gather_again_at_ms_ > clock_.monotonic_ms()) return;
  if (entries_.nothing_gathers() && !(life_ && life_->drain->has_confirms()) && !is_tick_due()) return;
  gather_asked_ = true;
  host_.gather_soon();
}

bool ShardImpl::is_tick_due() {
  if (!life_) return false;
  const std::uint64_t due_ms = life_->machine->next_due_ms();
  return due_ms != 0 && is_quiet() && ticks_.wait_ms(next_tick_ms(due_ms, life_->machine->tick_ms())) == 0;
}

void ShardImpl::touch(std::uint64_t now_ms) {
  if (!leads_ || life_->audience->wake_at() == 0 || now_ms < life_->audience->wake_at()) return;
  if (refusal(TouchCommand{})) return life_->audience->put_off_touches(now_ms);
  if (auto command = life_->audience->next_touches(now_ms)) admit(std::move(*command), NobodyWaits{});
}

void ShardImpl::gather() {
  gather_asked_ = false;
  if (leads_) {
    ticks_.compare(life_->machine->tick_ms());
    add_confirms();
  }
  const std::uint64_t now_ms = clock_.monotonic_ms();
  const auto submitted = entries_.submit(*replica_, ticks_, is_tick_due(), now_ms);
  if (submitted == ShardEntries::Submitted::kNothing) return;
  // While leadership is handed over nothing is taken, and the time stays due.
  if (submitted == ShardEntries::Submitted::kRefused) gather_again_at_ms_ = now_ms + kGatherAgainMs;
  settle(now_ms);
}

void ShardImpl::scan_positions() {
  const std::uint64_t now_ms = clock_.monotonic_ms();
  if (!life_) return;
  life_->places->scan(now_ms);
  settle(now_ms);
}

// A replica that stops has stored what it has acknowledged; more would keep it from ending.
void ShardImpl::receive(const cluster::PeerMessage& message) {
  if (stopping_ && !leads_) return;
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

// What a damaged state makes of an entry is not what the others make of it: nobody hears of it.
void ShardImpl::apply(const storage::LogEntry& entry) {
  if (state_is_lost_ || !life_) return;
  cluster::Effects effects = life_->machine->apply(entry.index, entry.term, *entry.data);
  if (!is_alone() && (effects.damaged > 0 || effects.is_doubtful || (effects.misses_messages && has_lost_messages()))) {
    state_is_lost_ = true;
    return report_.note(effects);
  }
  // When a log is applied again nobody waits and nobody listens: keep no bodies for them.
  if (!entries_.expects(entry.index, entry.term)) effects.results.clear();
  if (life_->audience->presence().empty()) effects.delivered.clear();
  applied_.push_back(Applied{entry.index, entry.term, std::move(effects)});
}

// ---- what has come up

void ShardImpl::settle(std::uint64_t now_ms) {
  go_on_fetching(now_ms);
  act_on_applied(now_ms);
  act_on_damage(now_ms);
  act_on_lost_state(now_ms);
  act_on_role(now_ms);
  tell_leader();
  keep_members(now_ms);
  begin_wheres();
  leave_tight_disk(now_ms);
  go_on_reading(now_ms);
  if (life_) life_->places->tell_taken_back(now_ms);
  go_on_feeding(now_ms);
  if (life_) {
    if (life_->places->waits_for_ticks()) life_->places->say_if_all_is_told(ticks_.now().tick_ms);
    life_->feeder.forget_idle(now_ms);
    life_->flusher->flush_if_due(stopping_, now_ms);
    ask_gather();
  } else {
    go_on_fetching(now_ms);
  }
  report_.say_if_due(now_ms);
  set_timer();
  show_gauge();
}

void ShardImpl::show_gauge() {
  show(gauge_->log_writes, log_writes_under_way_);
  show(gauge_->leader, replica_->leader().value);
  show(gauge_->term, replica_->term().value);
  show(gauge_->voters, cluster::Membership::of(replica_->members(), node_).voters);
  show(gauge_->lag_entries, lag_entries());
  show(gauge_->commit_index, replica_->commit_index().value);
  show(gauge_->fetching, life_ ? 0 : 1);
  show(gauge_->held_answers, feeds_ ? feeds_->held() : 0);
  gauge_->members.show(replica_->members(), [this](NodeId member) {
    if (!leads_) return LogIndex();
    return member == node_ ? replica_->synced_index() : replica_->match_index(member);
  });
  if (!life_) return show(gauge_->applied_index, 0);
  show(gauge_->applied_index, life_->machine->applied_index().value);
  show(gauge_->overlay_bytes, life_->machine->unflushed_bytes());
  show(gauge_->registrations, life_->audience->presence().size());
}

// One that nothing is known of lags by all that is committed.
std::uint64_t ShardImpl::lag_entries() const {
  if (!leads_ || replica_->members().size() <= 1) return 0;
  const std::uint64_t end = replica_->commit_index().value;
  std::uint64_t least = end;
  for (const auto& member : replica_->members())
    if (member.node != node_) least = std::min(least, replica_->match_index(member.node).value);
  return end - least;
}

void ShardImpl::act_on_applied(std::uint64_t now_ms) {
  add(gauge_->entries_applied, applied_.size());
  for (Applied& applied : applied_) {
    auto waiters = entries_.take_applied(applied.index, applied.term);
    if (waiters) number_settled(*waiters, applied.effects);
    // Before it is answered, so that whoever has the answer finds everybody where that says.
    if (!tells_moves_late_) life_->places->tell(applied.effects, now_ms);
    if (waiters) answer_all(*waiters, applied.effects.results);
    if (tells_moves_late_) life_->places->tell(applied.effects, now_ms);
    life_->audience->tell(applied.effects);
    report_.note(applied.effects);
    if (!drains()) continue;
    for (const ShardId target : applied.effects.outbox_targets) life_->drain->written(target, *router_, now_ms);
  }
  applied_.clear();
}

// The moves that settle what was told ahead stand in the order of its commands, one for each member.
void ShardImpl::number_settled(const std::vector<Waiter>& waiters, cluster::Effects& effects) const {
  EARSHOT_INVARIANT(effects.results.size() == waiters.size(), "every command of an entry has its result");
  auto move = effects.moves.begin();
  for (std::size_t i = 0; i < waiters.size(); ++i) {
    const auto* ahead = std::get_if<AheadWaiter>(&waiters[i]);
    if (ahead == nullptr || !std::get<cluster::PositionsResult>(effects.results[i]).outcomes) continue;
    for (std::size_t left = ahead->members.size(); left > 0; ++move) {
      EARSHOT_INVARIANT(move != effects.moves.end(), "every accepted move is told of");
      if (!move->settles) continue;
      move->ahead_number = ahead->number;
      --left;
    }
  }
}

void ShardImpl::answer_all(std::vector<Waiter>& waiters, std::vector<cluster::CommandResult>& results) {
  for (std::size_t i = 0; i < results.size(); ++i) {
    life_->audience->tell_result(waiters[i], results[i]);
    if (auto* ahead = std::get_if<AheadWaiter>(&waiters[i]); ahead != nullptr) {
      aheads_.settle(ahead->number);
      if (!std::get<cluster::PositionsResult>(results[i]).outcomes) life_->places->take_back(std::move(*ahead));
    }
    if (!feeds_ || !std::holds_alternative<PositionsWaiter>(waiters[i])) {
      answer(waiters[i], std::move(results[i]), id_, router_.get());
      continue;
    }
    when_told([waiter = std::move(waiters[i]), result = std::move(results[i]), self = id_] {
      answer(waiter, result, self, nullptr);
    });
  }
}

void ShardImpl::act_on_role(std::uint64_t now_ms) {
  const auto change = std::exchange(role_change_, std::nullopt);
  if (!change.has_value()) return;
  leads_ = change->role == cluster::Role::kLeader;
  keeper_.reset();
  members_are_news_ = true;
  entries_.leave_other_terms(leads_ ? change->term : Term{});
  if (leads_) {
    read_floor_ = replica_->last_index();
    if (feeds_) feeds_->lead(change->term, now_ms);
    begin_draining(now_ms);
    return;
  }
  if (feeds_) feeds_->end();
  entries_.refuse_all(lost());
  if (!life_) return;
  life_->drain->end();
  life_->audience->clear();
  life_->feeder.clear();
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
  const auto begun = life_->drain->begin(*router_, now_ms, is_alone());
  if (!begun.has_value()) spdlog::error("shard {}: outbox is not drained: {}", id_.value, begun.error().to_string());
}

// Others have what is damaged here, and tell it when one of them leads.
void ShardImpl::act_on_damage(std::uint64_t now_ms) {
  if (!life_) return;
  const bool is_outbox_damaged = life_->drain->met_damage();
  if (!is_alone() && (is_outbox_damaged || life_->places->met_damage())) state_is_lost_ = true;
  if (is_alone() && is_outbox_damaged) begin_draining(now_ms);
}

// ---- flushing and time

void ShardImpl::flushed(FlushOutcome outcome) {
  const std::uint64_t now_ms = clock_.monotonic_ms();
  if (flush_is_orphan_) {
    flush_is_orphan_ = false;
  } else if (life_) {
    EARSHOT_INVARIANT(
        outcome != FlushOutcome::kRefused || !is_alone(),
        "shard " + std::to_string(id_.value) + ": the sums are damaged that tell how many records there should be");
    const LogIndex flushed = life_->flusher->flushed();
    if (outcome != FlushOutcome::kRefused) replica_->snapshot_flushed(flushed, now_ms);
    if (outcome != FlushOutcome::kWritten && !is_alone()) state_is_lost_ = true;
  } else {
    fetch_->written();
  }
  settle(now_ms);
}

void ShardImpl::set_timer() {
  std::uint64_t at_ms = replica_wake_at_ms_;
  const auto no_later_than = [&at_ms](std::uint64_t other_ms) {
    if (other_ms != 0 && (at_ms == 0 || other_ms < at_ms)) at_ms = other_ms;
  };
  for (const std::uint64_t report_at_ms : report_.wake_times()) no_later_than(report_at_ms);
  const std::uint64_t now_ms = clock_.monotonic_ms();
  const bool gathers_later = gather_again_at_ms_ > now_ms;
  if (gathers_later) no_later_than(gather_again_at_ms_);
  no_later_than(gate_.wake_at());
  if (leads_ && !stopping_) no_later_than(keeper_.look_at_ms());
  if (fetch_ && !flush_is_orphan_) no_later_than(fetch_->wake_at());
  if (feeds_) no_later_than(feeds_->wake_at());
  if (life_) {
    no_later_than(life_->drain->wake_at());
    no_later_than(life_->flusher->due_at());
    no_later_than(life_->audience->wake_at());
    no_later_than(life_->places->wake_at());
    no_later_than(life_->feeder.due_at_ms());
    const std::uint64_t due_ms = life_->machine->next_due_ms();
    if (due_ms != 0 && is_quiet() && !gather_asked_ && !gathers_later)
      no_later_than(now_ms + ticks_.wait_ms(next_tick_ms(due_ms, life_->machine->tick_ms())));
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
  if (drains()) life_->drain->wake(*router_, now_ms);
  if (life_) {
    touch(now_ms);
    life_->places->wake(now_ms);
  }
  settle(now_ms);
}

// With others in the group it is a change of leader, and a pause for whoever asks: they are led to the new one.
void ShardImpl::stop() {
  stopping_ = true;
  const std::uint64_t now_ms = clock_.monotonic_ms();
  entries_.refuse_who_waits(is_alone() ? stopping() : lost());
  if (life_) life_->drain->end();
  if (leads_ && life_) gather();  // what was accepted: while leadership is handed over nothing is taken
  hand_over(now_ms);
  settle(now_ms);
}

// Where the disk takes no more, a leader could only refuse, or not even sync what it has let in: another node leads,
// while this one follows as well as it can. It may get leadership back before there is room, from a node that cannot
// know, or whose disk is no better.
void ShardImpl::leave_tight_disk(std::uint64_t now_ms) {
  if (!leads_ || stopping_ || !budgets_->disk.is_tight() || now_ms < leaves_disk_not_before_ms_) return;
  leaves_disk_not_before_ms_ = now_ms + kLeaveDiskEveryMs;
  hand_over(now_ms);
}

// To the voter that has most of the log, if one was heard of lately. One that does not take it over is followed by an
// election, as if this node had died.
void ShardImpl::hand_over(std::uint64_t now_ms) {
  if (!leads_ || is_alone()) return;
  const cluster::Member* best = nullptr;
  for (const cluster::Member& member : replica_->members()) {
    if (!member.voter || member.node == node_) continue;
    if (now_ms - replica_->heard_ms(member.node) > options_.replica.election_timeout_ms) continue;
    if (best == nullptr || replica_->match_index(member.node) > replica_->match_index(best->node)) best = &member;
  }
  if (best != nullptr) (void)replica_->transfer(best->node, now_ms);
}

bool ShardImpl::drained() const {
  const bool nothing_is_written = life_ ? life_->flusher->is_done() : !fetch_->is_writing();
  const bool nobody_waits = !feeds_ || feeds_->held() == 0;
  return stopping_ && nobody_waits && entries_.empty() && log_writes_under_way_ == 0 && !flush_is_orphan_ &&
         nothing_is_written;
}

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
