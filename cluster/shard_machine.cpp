#include "cluster/shard_machine.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/checksum.hpp"
#include "cluster/cursors.hpp"
#include "cluster/devices.hpp"
#include "cluster/expiry.hpp"
#include "cluster/explain.hpp"
#include "cluster/inbound.hpp"
#include "cluster/lanes.hpp"
#include "cluster/last_logins.hpp"
#include "cluster/layer_privacies.hpp"
#include "cluster/mailbox.hpp"
#include "cluster/outbox.hpp"
#include "cluster/parked.hpp"
#include "cluster/policies.hpp"
#include "cluster/positions.hpp"
#include "cluster/retention.hpp"
#include "cluster/sweep.hpp"
#include "storage/keys.hpp"

namespace earshot::cluster {
namespace {

SendAnswer held(ErrorCode code, std::string field, std::string detail) {
  return SendAnswer{SendAnswer::Held{Error{code, std::move(field), std::move(detail), limits::kRetryAfterMs}}};
}

Error wrong_shard(const UserId& user) {
  return Error{ErrorCode::kUnavailable, "shard", "user " + user.text() + " belongs to another shard",
               limits::kRetryAfterMs};
}

Error wrong_shard(const LayerId& layer) {
  return Error{ErrorCode::kUnavailable, "shard", "a member of layer " + layer.text() + " belongs to another shard",
               limits::kRetryAfterMs};
}

Error no_such_device() { return Error{ErrorCode::kNotFound, "device", "the user has no such device"}; }

// A login's number is its place in the log: whatever leaders put into entries, each has one of its own.
static_assert(limits::kEntryCommandsMax <= kCommandPlacesPerEntry);

// Where the copy goes that a sender wants for its own devices.
enum class SelfCopy : std::uint8_t { kNone, kHere, kOutbox };

class Machine final : public ShardMachine {
 public:
  Machine(storage::ShardState& state, ShardId shard, std::uint16_t shard_count, const MachineLimits& limits,
          const MachineFaults& faults)
      : state_(state),
        shard_(shard),
        shard_count_(shard_count),
        limits_(limits),
        faults_(faults),
        lanes_(state, limits, faults),
        mailboxes_(state, limits),
        policies_(state, limits),
        expiries_(state),
        retention_(state, mailboxes_, policies_, expiries_, limits, faults),
        last_logins_(state, limits),
        cursors_(state, mailboxes_, last_logins_, limits),
        parked_(state, mailboxes_, cursors_, limits),
        devices_(state, mailboxes_, cursors_, parked_),
        outbox_(state, limits),
        inbound_(state),
        positions_(state, limits),
        privacies_(state, limits),
        sweep_({state, mailboxes_, policies_, retention_, cursors_, devices_, lanes_, outbox_}, shard, shard_count,
               limits) {}

  Status load();

  Effects apply(LogIndex index, Term term, std::string_view entry) override;
  std::shared_ptr<const storage::FrozenOverlay> freeze() override;
  void flushed() override { state_.flushed(); }

  Result<Batch> fetch(const UserId& user, Sequence after, std::uint32_t limit, std::size_t bytes_max) override {
    const auto rules = rules_for_reading(user);
    if (!rules.has_value()) return fail(rules.error());
    return mailboxes_.fetch(user, after, bounded(limit, bytes_max), *rules, head_.epoch);
  }
  Result<Batch> history(const UserId& user, Sequence before, std::uint32_t limit, std::size_t bytes_max) override {
    const auto rules = rules_for_reading(user);
    if (!rules.has_value()) return fail(rules.error());
    return mailboxes_.history(user, before, bounded(limit, bytes_max), *rules, head_.epoch);
  }
  Result<PolicyInfo> policy(const UserId& user) override { return policies_.info(user); }
  ProducerId producer_of(const UserId& user, const DeviceId& device) override {
    const CursorRecord* cursor = cursors_.find(user, device);
    return cursor != nullptr ? cursor->producer : ProducerId();
  }
  Result<std::vector<DeviceInfo>> devices(const UserId& user) override { return devices_.list(user); }
  Result<std::vector<ParkedMessage>> parked(const UserId& user, const DeviceId& device, Sequence after,
                                            std::uint32_t limit, std::size_t bytes_max) override;
  Result<Explanation> explain(const UserId& user, Sequence sequence, MessageId id) override;
  Status may_move(const Mover& mover) override { return last_logins_.check(mover); }
  [[nodiscard]] std::uint64_t position_version() const override { return head_.position_version; }
  Result<std::optional<Position>> position(const LayerId& layer, std::string_view member) override {
    return positions_.find(layer, member, head_.tick_ms);
  }
  Result<PositionPage> positions(const std::string& from, std::size_t limit) override {
    return positions_.scan(from, std::min(limit, limits::kPositionsPageMax), head_.tick_ms);
  }
  [[nodiscard]] std::uint64_t next_position_end_ms() const override { return positions_.next_end_ms(); }
  Result<std::vector<LayerSize>> layers(const LayerId& after, std::size_t limit) override {
    return positions_.layers(after, limit);
  }
  [[nodiscard]] std::vector<PrivacyChange> privacies() const override { return privacies_.all(); }
  [[nodiscard]] std::uint64_t next_due_ms() const override;
  Result<std::vector<OutboxRecord>> outbox(ShardId target, std::uint64_t first, std::uint32_t limit,
                                           std::size_t bytes_max) override {
    return outbox_.records(target, first, std::min<std::uint32_t>(limit, limits::kOutboxWindowMax), bytes_max,
                           head_.now_ms);
  }
  Result<std::vector<std::pair<ShardId, OutboxHead>>> outbox_heads() override { return outbox_.undrained_heads(); }

  [[nodiscard]] LogIndex applied_index() const override { return head_.applied_index; }
  [[nodiscard]] std::uint64_t tick_ms() const override { return head_.tick_ms; }
  [[nodiscard]] Epoch epoch() const override { return head_.epoch; }
  [[nodiscard]] std::size_t unflushed_bytes() const override {
    return state_.overlay_bytes() + lanes_.dirty_bytes() + mailboxes_.dirty_bytes() + cursors_.dirty_bytes() +
           policies_.dirty_bytes() + positions_.dirty_bytes() + last_logins_.dirty_bytes();
  }
  [[nodiscard]] Result<std::uint64_t> digest() override;

 private:
  static BatchBounds bounded(std::uint32_t limit, std::size_t bytes_max) {
    return BatchBounds{std::min<std::uint32_t>(limit, limits::kFetchMessagesMax), bytes_max};
  }
  Result<EndRules> rules_for_reading(const UserId& user) {
    const auto info = policies_.info(user);
    if (!info.has_value()) return fail(info.error());
    return EndRules{faults_.shows_what_is_due ? 0 : head_.tick_ms, info->policy.retention_age_ms};
  }

  CommandResult run(SendCommand& command, Effects& effects);
  CommandResult run(LoginCommand& command, Effects& effects);
  CommandResult run(AckCommand& command, Effects& effects);
  CommandResult run(TransferCommand& command, Effects& effects);
  CommandResult run(ConfirmCommand& command, Effects& effects);

  CommandResult run(TouchCommand& command, Effects& effects);
  CommandResult run(AttemptsCommand& command, Effects& effects);
  CommandResult run(RemoveDeviceCommand& command, Effects& effects);
  CommandResult run(ReplayCommand& command, Effects& effects);
  CommandResult run(DropParkedCommand& command, Effects& effects);
  CommandResult run(SetPolicyCommand& command, Effects& effects);
  CommandResult run(SetPositionsCommand& command, Effects& effects);
  CommandResult run(ClearPositionsCommand& command, Effects& effects);
  CommandResult run(ClearLayersCommand& command, Effects& effects);
  CommandResult run(SetLayerPrivacyCommand& command, Effects& effects);

  SendAnswer take(const SendCommand& command, SendItem& item, Lanes::Visit& lane, Effects& effects);
  SendAnswer refuse(Lanes::Visit& lane, MessageId id, Error error) const;
  [[nodiscard]] SelfCopy self_copy_of(const SendCommand& command, const OutgoingMessage& message) const;
  Result<Sequence> store(const UserId& user, MailboxRecord record, Effects& effects);
  void deliver_copy(const UserId& user, MailboxRecord record, Effects& effects);
  void send_copy(const UserId& user, MailboxRecord record, Effects& effects);
  void take_transferred(OutboxRecord& record, Effects& effects);
  [[nodiscard]] std::uint64_t later_by(std::uint64_t span_ms) const;

  [[nodiscard]] bool is_ours(const UserId& user) const { return shard_of(user, shard_count_) == shard_; }
  [[nodiscard]] bool is_ours(const LayerId& layer, std::string_view member) const {
    return shard_of(layer, member, shard_count_) == shard_;
  }
  [[nodiscard]] std::uint64_t damaged_met() const {
    return lanes_.damaged_met() + mailboxes_.damaged_met() + cursors_.damaged_met() + policies_.damaged_met() +
           retention_.damaged_met() + expiries_.damaged_met() + parked_.damaged_met() + sweep_.damaged_met() +
           positions_.damaged_met() + privacies_.damaged_met() + last_logins_.damaged_met();
  }
  [[nodiscard]] std::uint64_t missed() const { return retention_.missed() + parked_.missed(); }
  [[nodiscard]] std::uint64_t doubts() const { return retention_.doubts() + parked_.doubts() + sweep_.doubts(); }
  void write_back();

  storage::ShardState& state_;
  ShardId shard_;
  std::uint16_t shard_count_;
  ShardHead head_;
  bool is_head_dirty_ = false;
  std::uint64_t command_number_ = 0;  // of the one that runs, by its place in the log: ascends
  std::uint64_t damaged_told_ = 0;    // of damaged_met(), in effects; what load() met is told with the first entry
  std::uint64_t doubts_told_ = 0;
  std::uint64_t missed_told_ = 0;
  MachineLimits limits_;
  const MachineFaults faults_;
  Lanes lanes_;
  Mailboxes mailboxes_;
  Policies policies_;
  MessageExpiryIndex expiries_;
  Retention retention_;
  LastLogins last_logins_;
  Cursors cursors_;
  Parked parked_;
  Devices devices_;
  Outbox outbox_;
  Inbound inbound_;
  Positions positions_;
  LayerPrivacies privacies_;
  Sweep sweep_;
};

Status Machine::load() {
  auto stored = state_.get(storage::keys::shard_head());
  if (!stored.has_value()) return fail(std::move(stored.error()));
  if (stored->has_value()) {
    auto head = decode_shard_head(**stored);
    if (!head.has_value()) return fail(std::move(head.error()));
    head_ = *head;
    head_.now_ms = std::max(head_.now_ms, head_.tick_ms);
  }
  if (auto loaded = policies_.load(); !loaded.has_value()) return loaded;
  if (auto loaded = expiries_.load(); !loaded.has_value()) return loaded;
  if (auto loaded = sweep_.load(); !loaded.has_value()) return loaded;
  if (auto loaded = outbox_.load(); !loaded.has_value()) return loaded;
  if (auto loaded = positions_.load(); !loaded.has_value()) return loaded;
  if (auto loaded = privacies_.load(); !loaded.has_value()) return loaded;
  if (auto loaded = last_logins_.load(); !loaded.has_value()) return loaded;
  return inbound_.load();
}

Effects Machine::apply(LogIndex index, Term term, std::string_view entry) {
  EARSHOT_INVARIANT(index > head_.applied_index || faults_.applies_again,
                    "entries are applied in log order, each once");
  EARSHOT_INVARIANT(term >= head_.applied_term || faults_.applies_again, "terms never go back along a log");
  auto batch = decode_command_batch(entry);
  EARSHOT_INVARIANT(batch.has_value(), "entry " + std::to_string(index.value) + " of shard " +
                                           std::to_string(shard_.value) + ": " + batch.error().to_string());
  head_.applied_index = index;
  head_.applied_term = term;
  const std::uint64_t previous_ms = head_.tick_ms;
  head_.tick_ms = std::max(head_.tick_ms, batch->tick_ms);
  head_.now_ms = std::max({head_.now_ms, head_.tick_ms, batch->now_ms});
  is_head_dirty_ = true;

  Effects effects;
  effects.results.reserve(batch->commands.size());
  if (batch->tick_ms != 0) {
    if (!faults_.shows_what_is_due) retention_.end_due(head_.tick_ms, effects);
    sweep_.step(previous_ms, head_.tick_ms, effects);
    positions_.step(head_.tick_ms, head_.position_version, effects);
    last_logins_.step(head_.tick_ms);
  }
  command_number_ = index.value * kCommandPlacesPerEntry;
  for (Command& command : batch->commands) {
    ++command_number_;
    effects.results.push_back(std::visit([&](auto& each) { return run(each, effects); }, command));
  }
  expiries_.refresh(head_.tick_ms);
  positions_.refresh(head_.tick_ms);
  last_logins_.refresh(head_.tick_ms);
  effects.damaged = damaged_met() - std::exchange(damaged_told_, damaged_met());
  effects.is_doubtful = doubts() != std::exchange(doubts_told_, doubts());
  effects.misses_messages = missed() != std::exchange(missed_told_, missed());
  auto& targets = effects.outbox_targets;
  std::sort(targets.begin(), targets.end());
  targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
  return effects;
}

CommandResult Machine::run(SendCommand& command, Effects& effects) {
  SendResult result;
  result.answers.reserve(command.items.size());
  Lanes::Visit lane = lanes_.visit(command.producer, command.user, command.device);
  for (SendItem& item : command.items) {
    auto answer = lane.judge(item.message);
    result.answers.push_back(answer.has_value() ? std::move(*answer) : take(command, item, lane, effects));
  }
  return result;
}

// The expected item of its lane. Either it gets its final answer, or it is held and nothing at all has changed.
SendAnswer Machine::take(const SendCommand& command, SendItem& item, Lanes::Visit& lane, Effects& effects) {
  OutgoingMessage& message = item.message;
  if (item.refusal.has_value()) return refuse(lane, message.id, std::move(*item.refusal));
  if (!is_ours(message.recipient)) return SendAnswer{SendAnswer::Held{wrong_shard(message.recipient)}};
  if (message.expired) {
    return refuse(lane, message.id, Error{ErrorCode::kExpired, "ttlMs", "its time had passed before it was sent"});
  }
  if (message.ttl_ms != 0 && head_.now_ms == 0) {
    // Counted from no known time, it would end at the first tick.
    return held(ErrorCode::kUnavailable, "ttlMs", "the shard does not know the time yet");
  }
  const SelfCopy self_copy = self_copy_of(command, message);
  if (self_copy == SelfCopy::kOutbox && outbox_.is_full()) {
    return held(ErrorCode::kOverloaded, "copyToSelf", "outbox_records_max records wait for other shards");
  }

  MailboxRecord record{command.user,     command.device,     message.id,   std::move(message.body),
                       message.checksum, message.sent_at_ms, head_.now_ms, {}};
  if (message.ttl_ms != 0) record.expires_at_ms = later_by(message.ttl_ms);
  MailboxRecord copy;
  if (self_copy != SelfCopy::kNone) {
    copy = record;
    copy.copy_of = message.recipient;
  }
  auto stored = store(message.recipient, std::move(record), effects);
  if (!stored.has_value()) return refuse(lane, message.id, std::move(stored.error()));

  const Stored answer{*stored, head_.epoch};
  lane.record(message.id, answer, head_.now_ms);
  if (self_copy == SelfCopy::kHere) {
    deliver_copy(command.user, std::move(copy), effects);
  } else if (self_copy == SelfCopy::kOutbox) {
    send_copy(command.user, std::move(copy), effects);
  }
  return SendAnswer{answer};
}

SendAnswer Machine::refuse(Lanes::Visit& lane, MessageId id, Error error) const {
  lane.record(id, error, head_.now_ms);
  return SendAnswer{SendAnswer::Refused{std::move(error)}};
}

SelfCopy Machine::self_copy_of(const SendCommand& command, const OutgoingMessage& message) const {
  // Who writes to itself has the message already: one copy, not two.
  if (!message.copy_to_self || command.user == message.recipient) return SelfCopy::kNone;
  return is_ours(command.user) ? SelfCopy::kHere : SelfCopy::kOutbox;
}

// A moment so many ms from now, which no limit of the sender keeps from being beyond all time. Not from the tick: that
// stands still while the leader doubts its clock, and what is stored meanwhile would end early.
std::uint64_t Machine::later_by(std::uint64_t span_ms) const {
  return span_ms < UINT64_MAX - head_.now_ms ? head_.now_ms + span_ms : UINT64_MAX;
}

Result<Sequence> Machine::store(const UserId& user, MailboxRecord record, Effects& effects) {
  retention_.make_room(user, head_.tick_ms, effects);
  const std::uint64_t expires_at_ms = record.expires_at_ms;
  auto stored = mailboxes_.append(user, std::move(record));
  if (!stored.has_value()) return fail(std::move(stored.error()));
  const Sequence sequence = (*stored)->sequence;
  if (expires_at_ms != 0) expiries_.add({expires_at_ms, user, sequence});
  effects.delivered.push_back(NewMessage{user, std::move(*stored)});
  return sequence;
}

void Machine::deliver_copy(const UserId& user, MailboxRecord record, Effects& effects) {
  if (!store(user, std::move(record), effects).has_value()) ++effects.dropped;
}

void Machine::send_copy(const UserId& user, MailboxRecord record, Effects& effects) {
  const ShardId target = shard_of(user, shard_count_);
  record.stored_at_ms = 0;  // the target's to say
  outbox_.push(target, OutboxRecord{OutboxCause::kCopyToSelf, {user}, std::move(record), {}});
  effects.outbox_targets.push_back(target);
}

CommandResult Machine::run(LoginCommand& command, Effects&) {
  if (!is_ours(command.user)) return LoginResult{fail(wrong_shard(command.user))};
  auto outcome = cursors_.login(command, shard_, head_);
  if (outcome.has_value()) {
    outcome->parked = parked_.beyond_cursor(command.user, command.device);
    outcome->number = command_number_;
  }
  return LoginResult{std::move(outcome)};
}

CommandResult Machine::run(AckCommand& command, Effects&) {
  if (!is_ours(command.user)) return AckResult{fail(wrong_shard(command.user))};
  return AckResult{cursors_.ack(command, head_.now_ms)};
}

CommandResult Machine::run(TransferCommand& command, Effects& effects) {
  std::uint64_t number = command.first;
  for (OutboxRecord& record : command.records) {
    const bool is_next = inbound_.take(command.origin, command.epoch, number++);
    if (is_next || faults_.takes_any_transfer) take_transferred(record, effects);
  }
  return TransferResult{inbound_.last(command.origin, command.epoch)};
}

void Machine::take_transferred(OutboxRecord& record, Effects& effects) {
  if (record.cause == OutboxCause::kLost) ++effects.dropped;
  for (const ProducerId producer : record.producers) lanes_.forget(producer);
  record.message.stored_at_ms = head_.now_ms;
  if (record.message.expires_at_ms != 0) {
    // It cannot be held as a send is: counted from no known time it would end at the first tick, so it does not end.
    record.message.expires_at_ms = head_.now_ms == 0 ? 0 : later_by(record.message.expires_at_ms);
  }
  for (const UserId& user : record.recipients) {
    if (!is_ours(user)) {
      ++effects.dropped;
      continue;
    }
    const bool is_last = &user == &record.recipients.back();
    deliver_copy(user, is_last ? std::move(record.message) : MailboxRecord(record.message), effects);
  }
}

CommandResult Machine::run(ConfirmCommand& command, Effects&) {
  outbox_.confirm(command.target, command.up_to);
  return ConfirmResult{};
}

CommandResult Machine::run(TouchCommand& command, Effects&) {
  devices_.touch(command, head_.now_ms);
  return TouchResult{};
}

CommandResult Machine::run(AttemptsCommand& command, Effects&) {
  Policy policy = policies_.of(command.user);
  if (faults_.parks_without_count && policy.deliveries_max != 0) policy.deliveries_max = 1;
  return AttemptsResult{
      parked_.note(command, policy.deliveries_max, {head_.tick_ms, policy.retention_age_ms}, head_.now_ms)};
}

CommandResult Machine::run(RemoveDeviceCommand& command, Effects& effects) {
  if (!is_ours(command.user)) return StatusResult{fail(wrong_shard(command.user))};
  return StatusResult{devices_.remove(command.user, command.device, head_.now_ms, effects)};
}

CommandResult Machine::run(ReplayCommand& command, Effects& effects) {
  if (!is_ours(command.user)) return ReplayResult{fail(wrong_shard(command.user))};
  const Policy policy = policies_.of(command.user);
  const EndRules rules{head_.tick_ms, policy.retention_age_ms};
  if (auto allowed = parked_.check_replay(command, policy, rules); !allowed.has_value()) {
    return ReplayResult{fail(std::move(allowed.error()))};
  }
  std::vector<Sequence> sequences;
  sequences.reserve(command.sequences.size());
  for (const Sequence sequence : command.sequences) {
    auto copy = parked_.copy(command.user, command.device, sequence, rules);
    if (!copy.has_value()) {
      sequences.emplace_back();
      continue;
    }
    copy->stored_at_ms = head_.now_ms;
    auto stored = store(command.user, std::move(*copy), effects);
    if (stored.has_value()) parked_.take(command.user, command.device, sequence);
    sequences.push_back(stored.value_or(Sequence()));
  }
  return ReplayResult{std::move(sequences)};
}

CommandResult Machine::run(DropParkedCommand& command, Effects&) {
  if (!is_ours(command.user)) return StatusResult{fail(wrong_shard(command.user))};
  if (cursors_.find(command.user, command.device) == nullptr) return StatusResult{fail(no_such_device())};
  for (const Sequence sequence : command.sequences) parked_.take(command.user, command.device, sequence);
  return StatusResult{};
}

CommandResult Machine::run(SetPolicyCommand& command, Effects&) {
  if (!command.user.empty() && !is_ours(command.user)) return StatusResult{fail(wrong_shard(command.user))};
  if (auto admitted = last_logins_.admit(command.mover, head_.now_ms); !admitted) return StatusResult{admitted};
  policies_.set(command.user, command.policy);
  sweep_.policy_changed(policies_.of(command.user));
  return StatusResult{};
}

CommandResult Machine::run(SetPositionsCommand& command, Effects& effects) {
  for (const auto& item : command.items) {
    if (!is_ours(command.layer, item.member)) return PositionsResult{fail(wrong_shard(command.layer))};
    if (item.ttl_ms != 0 && head_.now_ms == 0)  // counted from no known time, it would end at the first tick
      return PositionsResult{
          fail(Error{ErrorCode::kUnavailable, "ttlMs", "the shard does not know the time yet", limits::kRetryAfterMs})};
  }
  if (auto admitted = last_logins_.admit(command.mover, head_.now_ms); !admitted)
    return PositionsResult{fail(std::move(admitted.error()))};
  return PositionsResult{positions_.set(command, head_.tick_ms, head_.now_ms, head_.position_version, effects)};
}

CommandResult Machine::run(ClearPositionsCommand& command, Effects& effects) {
  for (const std::string& member : command.members)
    if (!is_ours(command.layer, member)) return ClearedResult{fail(wrong_shard(command.layer))};
  if (auto admitted = last_logins_.admit(command.mover, head_.now_ms); !admitted)
    return ClearedResult{fail(std::move(admitted.error()))};
  return ClearedResult{positions_.clear(command, head_.tick_ms, head_.position_version, effects)};
}

CommandResult Machine::run(ClearLayersCommand& command, Effects& effects) {
  if (auto admitted = last_logins_.admit(command.mover, head_.now_ms); !admitted)
    return LayersClearedResult{fail(std::move(admitted.error()))};
  std::vector<std::uint64_t> members;
  members.reserve(command.layers.size());
  for (const LayerId& layer : command.layers)
    members.push_back(positions_.clear_layer(layer, head_.position_version, effects));
  return LayersClearedResult{std::move(members)};
}

CommandResult Machine::run(SetLayerPrivacyCommand& command, Effects& effects) {
  if (shard_of(command.layer.text(), shard_count_) != shard_) return StatusResult{fail(wrong_shard(command.layer))};
  if (auto admitted = last_logins_.admit(command.mover, head_.now_ms); !admitted) return StatusResult{admitted};
  return StatusResult{privacies_.set(command.layer, command.privacy, effects)};
}

Result<std::vector<ParkedMessage>> Machine::parked(const UserId& user, const DeviceId& device, Sequence after,
                                                   std::uint32_t limit, std::size_t bytes_max) {
  const auto rules = rules_for_reading(user);
  if (!rules.has_value()) return fail(rules.error());
  const std::size_t bounded = std::clamp<std::size_t>(limit, 1, limits::kParkedPageMax);
  return devices_.parked(user, device, after, bounded, bytes_max, *rules);
}

Result<Explanation> Machine::explain(const UserId& user, Sequence sequence, MessageId id) {
  const auto rules = rules_for_reading(user);
  if (!rules.has_value()) return fail(rules.error());
  if (sequence == Sequence()) {
    const auto head = mailboxes_.head_for_reading(user);
    if (!head.has_value()) return fail(head.error());
    auto found = find_message(state_, user, *head, id, limits_.explain_messages_max);
    if (!found.has_value()) return fail(std::move(found.error()));
    sequence = *found;
  }
  auto explanation = cluster::explain(mailboxes_, devices_, user, sequence, *rules);
  if (explanation.has_value()) explanation->epoch = head_.epoch, explanation->shard = shard_;
  return explanation;
}

std::uint64_t Machine::next_due_ms() const {
  if (head_.tick_ms == 0) return 0;
  std::uint64_t due_ms = std::max(sweep_.next_due_ms(), head_.tick_ms);
  for (const std::uint64_t next_ms :
       {expiries_.next_ms(), positions_.next_due_ms(head_.tick_ms), last_logins_.next_due_ms()})
    if (next_ms != 0) due_ms = std::min(due_ms, next_ms);
  return due_ms;
}

void Machine::write_back() {
  lanes_.write_back();
  mailboxes_.write_back();
  cursors_.write_back();
  policies_.write_back();
  positions_.write_back();
  last_logins_.write_back();
  sweep_.write_back();
  outbox_.write_back();
  inbound_.write_back();
  if (std::exchange(is_head_dirty_, false)) state_.put(storage::keys::shard_head(), encode(head_));
}

std::shared_ptr<const storage::FrozenOverlay> Machine::freeze() {
  if (state_.is_flushing()) return nullptr;
  write_back();
  return state_.freeze(head_.applied_index);
}

Result<std::uint64_t> Machine::digest() {
  write_back();
  std::uint64_t digest = 0;
  std::string damaged_key;
  const auto visit = [&](std::string_view key, std::optional<std::string_view> value) {
    if (!value.has_value()) {
      damaged_key = key;
      return false;
    }
    digest = checksum_of(*value, checksum_of(key, digest));
    return true;
  };
  // Every key begins with a letter (storage/keys.hpp).
  auto scanned = state_.scan("", "\x7f", visit);
  if (!scanned.has_value()) return fail(std::move(scanned.error()));
  if (!damaged_key.empty()) return fail(ErrorCode::kCorrupt, "state", "a record of kind " + damaged_key.substr(0, 1));
  return digest;
}

}  // namespace

Result<std::unique_ptr<ShardMachine>> ShardMachine::open(storage::ShardState& state, ShardId shard,
                                                         std::uint16_t shard_count, const MachineLimits& limits,
                                                         const MachineFaults& faults) {
  EARSHOT_INVARIANT(shard.value < shard_count, "a shard is one of shard_count");
  auto machine = std::make_unique<Machine>(state, shard, shard_count, limits, faults);
  if (auto loaded = machine->load(); !loaded.has_value()) return fail(std::move(loaded.error()));
  return machine;
}

}  // namespace earshot::cluster
