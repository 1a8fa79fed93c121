#include <string>
#include <utility>

#include "actors/asker.hpp"
#include "actors/shard_impl.hpp"
#include "actors/shard_manage.hpp"
#include "actors/shard_reads.hpp"
#include "actors/shard_refusals.hpp"

namespace earshot::actors {

using namespace refusals;

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
  if (auto command = command_of(message)) {
    return admit(std::move(*command), ManageWaiter{std::move(message.from), message.request, std::move(policy_of)});
  }
  read(std::move(message));
}

void ShardImpl::handle(ShardAttempts message) {
  if (gives_back(message)) return;
  AttemptsWaiter waiter{std::move(message.from), message.request, message.command.user, message.command.device};
  admit(std::move(message.command), std::move(waiter));
}

void ShardImpl::handle(ShardRegister message) {
  if (gives_back(message)) return;
  if (auto error = late_registration(message)) {
    life_->audience->remove(ShardUnregister{message.session, message.user, message.device, message.node});
    return message.from->post(SessionEvicted{std::move(*error)});
  }
  life_->audience->add(std::move(message), clock_.monotonic_ms());
  show_gauge();
  set_timer();
}

// The session was not there to be evicted when its device was removed, or logged in again, just after its own login.
// What it sends as a producer that is forgotten would be stored again.
std::optional<Error> ShardImpl::late_registration(const ShardRegister& message) {
  if (message.producer == ProducerId() || replica_->applied_index() < read_floor_) return std::nullopt;
  const ProducerId producer = life_->machine->producer_of(message.user, message.device);
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
  if (auto may = life_->machine->may_move(std::get<SetPositionsCommand>(command).mover); !may)
    return done(fail(std::move(may.error())));
  const auto& accepted = std::get<SetPositionsCommand>(command);
  AheadWaiter waiter = life_->places->tell_ahead(accepted, aheads_.told(), clock_.monotonic_ms());
  PositionsAnswer answer{std::vector(accepted.items.size(), cluster::PositionOutcome::kAccepted), 0};
  enter(std::move(command), std::move(waiter));
  if (!feeds_) return done(std::move(answer));
  when_told([done, answer = std::move(answer)] { done(answer); });
}

void ShardImpl::handle(ShardUnregister message) {
  if (gives_back(message)) return;
  life_->audience->remove(message);
  show_gauge();
}

void ShardImpl::compare(NodeId node, const RegistrationDigest& theirs) {
  if (leads_) return host_.compared(node, !life_->audience->agrees(node, theirs));
  if (replica_->leader() != NodeId()) host_.follows(replica_->leader(), replica_->term(), node);
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
  life_->drain->transferred(message, *router_, now_ms);
  settle(now_ms);
}

void ShardImpl::handle(ShardFetch message) {
  if (!gives_back(message)) read(std::move(message));
}

void ShardImpl::handle(ShardHistory message) {
  if (!gives_back(message)) read(std::move(message));
}

void ShardImpl::handle(ShardWhere message) {
  if (gives_back(message)) return;
  if (aheads_.are_all_settled()) return read(std::move(message));
  if (wheres_.size() >= limits::kShardPendingCommandsMax)
    return message.done(fail(overloaded("the shard has as many requests waiting as it may")));
  wheres_.push_back({aheads_.last(), std::move(message)});
}

// Those that wait for nothing any more.
void ShardImpl::begin_wheres() {
  while (!wheres_.empty() && (!leads_ || wheres_.front().aheads <= aheads_.settled_through())) {
    ShardWhere read = std::move(wheres_.front().read);
    wheres_.pop_front();
    if (!leads_) {
      host_.give_back(std::move(read));
    } else if (is_alone()) {
      ReadGate::Read one(std::move(read));
      answer_read(one);
    } else {
      gate_.add(std::move(read));
    }
  }
}

std::optional<Error> ShardImpl::refusal(const Command& command) const {
  if (stopping_) return stopping();
  if (budgets_->disk.is_log_full()) return storage_full();
  // The reserve is for what is under way, and for what is small or frees room: logins, acks, copies from other shards.
  const bool adds = std::holds_alternative<SendCommand>(command) || std::holds_alternative<ReplayCommand>(command) ||
                    std::holds_alternative<SetPositionsCommand>(command);
  if (adds && !budgets_->has_disk_room()) return storage_full();
  if (feeds_ && feeds_->is_full()) return overloaded("as many answers wait for nodes to be told as may");
  if (!entries_.has_room()) return overloaded("the shard has as many requests waiting as it may");
  if (budgets_->overlay.is_full()) return overloaded("the node holds as much unflushed state as it may");
  if (budgets_->admitted.is_full()) return overloaded("the node's log writer has as much queued as it may");
  return std::nullopt;
}

// Whoever leads a group alone knows that it does.
void ShardImpl::read(ReadGate::Read read) {
  if (is_alone()) return answer_read(read);
  if (gate_.size() >= limits::kShardPendingCommandsMax) {
    ShardRequest request = std::visit([](auto& one) { return ShardRequest(std::move(one)); }, read);
    return refuse(take_asker(request), overloaded("the shard has as many reads waiting as it may"));
  }
  gate_.add(std::move(read));
  settle(clock_.monotonic_ms());
}

void ShardImpl::answer_read(ReadGate::Read& read) {
  if (auto error = read_refusal()) {
    ShardRequest request = std::visit([](auto& one) { return ShardRequest(std::move(one)); }, read);
    return refuse(take_asker(request), *error);
  }
  auto outcome = try_to_answer(read, is_alone() ? Tells::kAll : Tells::kNothing);
  if (outcome == ReadOutcome::kHole && !has_lost_messages()) outcome = try_to_answer(read, Tells::kHoles);
  if (outcome == ReadOutcome::kAnswered) return;
  state_is_lost_ = true;
  std::visit([this](auto& message) { host_.give_back(std::move(message)); }, read);
}

ReadOutcome ShardImpl::try_to_answer(const ReadGate::Read& read, Tells tells) {
  if (const auto* fetch = std::get_if<ShardFetch>(&read))
    return actors::answer_read(*fetch, *life_->machine, budgets_, tells);
  if (const auto* history = std::get_if<ShardHistory>(&read))
    return actors::answer_read(*history, *life_->machine, budgets_, tells);
  if (const auto* where = std::get_if<ShardWhere>(&read)) return actors::answer_read(*where, *life_->machine, tells);
  return answer_question(std::get<ShardManage>(read), node_, *life_->machine, life_->audience->presence(), tells);
}

void ShardImpl::go_on_reading(std::uint64_t now_ms) {
  if (!leads_) {
    for (ReadGate::Read& one : gate_.take_all())
      std::visit([this](auto& message) { host_.give_back(std::move(message)); }, one);
    return;
  }
  if (gate_.empty()) return;
  if (gate_.wants_check(now_ms)) {
    const auto check = replica_->begin_check(now_ms);
    if (check)
      gate_.began(check->number, check->index, now_ms);
    else
      gate_.put_off(now_ms);
    if (check && check->confirmed) gate_.confirmed(check->number);
  }
  for (ReadGate::Read& one : gate_.take_ready(replica_->applied_index())) answer_read(one);
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
  for (ConfirmCommand& confirm : life_->drain->take_confirms()) entries_.add(std::move(confirm), NobodyWaits{});
}

}  // namespace earshot::actors
