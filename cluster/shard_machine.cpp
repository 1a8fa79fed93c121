#include "cluster/shard_machine.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/checksum.hpp"
#include "cluster/cursors.hpp"
#include "cluster/inbound.hpp"
#include "cluster/lanes.hpp"
#include "cluster/mailbox.hpp"
#include "cluster/outbox.hpp"
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

// Where the copy goes that a sender wants for its own devices.
enum class SelfCopy : std::uint8_t { kNone, kHere, kOutbox };

class Machine final : public ShardMachine {
 public:
  Machine(storage::ShardState& state, ShardId shard, std::uint16_t shard_count, const MachineLimits& limits)
      : state_(state),
        shard_(shard),
        shard_count_(shard_count),
        lanes_(state, limits),
        mailboxes_(state, limits),
        cursors_(state, mailboxes_, limits),
        outbox_(state, limits),
        inbound_(state) {}

  Status load();

  Effects apply(LogIndex index, Term term, std::string_view entry) override;
  std::shared_ptr<const storage::FrozenOverlay> freeze() override;
  void flushed() override { state_.flushed(); }

  Result<Batch> fetch(const UserId& user, Sequence after, std::uint32_t limit, std::size_t bytes_max) override {
    return mailboxes_.fetch(user, after, bounded(limit), bytes_max, head_.epoch);
  }
  Result<Batch> history(const UserId& user, Sequence before, std::uint32_t limit, std::size_t bytes_max) override {
    return mailboxes_.history(user, before, bounded(limit), bytes_max, head_.epoch);
  }
  Result<std::vector<OutboxRecord>> outbox(ShardId target, std::uint64_t first, std::uint32_t limit,
                                           std::size_t bytes_max) override {
    return outbox_.records(target, first, std::min<std::uint32_t>(limit, limits::kOutboxWindowMax), bytes_max);
  }
  Result<std::vector<std::pair<ShardId, OutboxHead>>> outbox_heads() override { return outbox_.undrained_heads(); }

  Result<PolicyInfo> policy(const UserId&) override { return PolicyInfo{{}, true}; }
  Result<std::vector<DeviceInfo>> devices(const UserId&) override { return std::vector<DeviceInfo>{}; }
  Result<std::vector<ParkedMessage>> parked(const UserId&, const DeviceId&, Sequence, std::uint32_t,
                                            std::size_t) override {
    return std::vector<ParkedMessage>{};
  }
  Result<Explanation> explain(const UserId&, Sequence, MessageId) override {
    return fail(ErrorCode::kNotFound, "sequence", "");
  }
  [[nodiscard]] std::uint64_t next_due_ms() const override { return 0; }

  [[nodiscard]] LogIndex applied_index() const override { return head_.applied_index; }
  [[nodiscard]] std::uint64_t tick_ms() const override { return head_.tick_ms; }
  [[nodiscard]] Epoch epoch() const override { return head_.epoch; }
  [[nodiscard]] std::size_t unflushed_bytes() const override {
    return state_.overlay_bytes() + lanes_.dirty_bytes() + mailboxes_.dirty_bytes() + cursors_.dirty_bytes();
  }
  [[nodiscard]] Result<std::uint64_t> digest() override;

 private:
  static std::uint32_t bounded(std::uint32_t limit) {
    return std::min<std::uint32_t>(limit, limits::kFetchMessagesMax);
  }

  CommandResult run(SendCommand& command, Effects& effects);
  CommandResult run(LoginCommand& command, Effects& effects);
  CommandResult run(AckCommand& command, Effects& effects);
  CommandResult run(TransferCommand& command, Effects& effects);
  CommandResult run(ConfirmCommand& command, Effects& effects);

  CommandResult run(TouchCommand&, Effects&) { return TouchResult{}; }
  CommandResult run(AttemptsCommand&, Effects&) { return AttemptsResult{}; }
  CommandResult run(RemoveDeviceCommand&, Effects&) { return StatusResult{}; }
  CommandResult run(ReplayCommand&, Effects&) { return ReplayResult{}; }
  CommandResult run(DropParkedCommand&, Effects&) { return StatusResult{}; }
  CommandResult run(SetPolicyCommand&, Effects&) { return StatusResult{}; }

  SendAnswer take(const SendCommand& command, SendItem& item, Lanes::Visit& lane, Effects& effects);
  SendAnswer refuse(Lanes::Visit& lane, MessageId id, Error error);
  [[nodiscard]] SelfCopy self_copy_of(const SendCommand& command, const OutgoingMessage& message) const;
  void deliver_copy(const UserId& user, MailboxRecord record, Effects& effects);
  void send_copy(const UserId& user, MailboxRecord record, Effects& effects);

  [[nodiscard]] bool is_ours(const UserId& user) const { return shard_of(user, shard_count_) == shard_; }
  [[nodiscard]] std::uint64_t damaged_met() const {
    return lanes_.damaged_met() + mailboxes_.damaged_met() + cursors_.damaged_met();
  }
  void write_back();

  storage::ShardState& state_;
  ShardId shard_;
  std::uint16_t shard_count_;
  ShardHead head_;
  bool is_head_dirty_ = false;
  Lanes lanes_;
  Mailboxes mailboxes_;
  Cursors cursors_;
  Outbox outbox_;
  Inbound inbound_;
};

Status Machine::load() {
  auto stored = state_.get(storage::keys::shard_head());
  if (!stored.has_value()) return fail(std::move(stored.error()));
  if (stored->has_value()) {
    auto head = decode_shard_head(**stored);
    if (!head.has_value()) return fail(std::move(head.error()));
    head_ = *head;
  }
  if (auto loaded = outbox_.load(); !loaded.has_value()) return loaded;
  return inbound_.load();
}

Effects Machine::apply(LogIndex index, Term term, std::string_view entry) {
  EARSHOT_INVARIANT(index > head_.applied_index, "entries are applied in log order, each once");
  EARSHOT_INVARIANT(term >= head_.applied_term, "terms never go back along a log");
  auto batch = decode_command_batch(entry);
  EARSHOT_INVARIANT(batch.has_value(), "entry " + std::to_string(index.value) + " of shard " +
                                           std::to_string(shard_.value) + ": " + batch.error().to_string());
  head_.applied_index = index;
  head_.applied_term = term;
  head_.tick_ms = std::max(head_.tick_ms, batch->tick_ms);
  is_head_dirty_ = true;

  Effects effects;
  effects.results.reserve(batch->commands.size());
  const std::uint64_t damaged_before = damaged_met();
  for (Command& command : batch->commands) {
    effects.results.push_back(std::visit([&](auto& each) { return run(each, effects); }, command));
  }
  effects.damaged = damaged_met() - damaged_before;
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
  const SelfCopy self_copy = self_copy_of(command, message);
  if (self_copy == SelfCopy::kOutbox && outbox_.is_full()) {
    return held(ErrorCode::kOverloaded, "copyToSelf", "outbox_records_max records wait for other shards");
  }

  MailboxRecord record{command.user,     command.device,     message.id,    std::move(message.body),
                       message.checksum, message.sent_at_ms, head_.tick_ms, {}};
  MailboxRecord copy;
  if (self_copy != SelfCopy::kNone) {
    copy = record;
    copy.copy_of = message.recipient;
  }
  auto stored = mailboxes_.append(message.recipient, std::move(record));
  if (!stored.has_value()) return refuse(lane, message.id, std::move(stored.error()));

  const Stored answer{(*stored)->sequence, head_.epoch};
  lane.record(message.id, answer, head_.tick_ms);
  effects.delivered.push_back(NewMessage{std::move(message.recipient), std::move(*stored)});
  if (self_copy == SelfCopy::kHere) deliver_copy(command.user, std::move(copy), effects);
  if (self_copy == SelfCopy::kOutbox) send_copy(command.user, std::move(copy), effects);
  return SendAnswer{answer};
}

SendAnswer Machine::refuse(Lanes::Visit& lane, MessageId id, Error error) {
  lane.record(id, error, head_.tick_ms);
  return SendAnswer{SendAnswer::Refused{std::move(error)}};
}

SelfCopy Machine::self_copy_of(const SendCommand& command, const OutgoingMessage& message) const {
  // Who writes to itself has the message already: one copy, not two.
  if (!message.copy_to_self || command.user == message.recipient) return SelfCopy::kNone;
  return is_ours(command.user) ? SelfCopy::kHere : SelfCopy::kOutbox;
}

void Machine::deliver_copy(const UserId& user, MailboxRecord record, Effects& effects) {
  auto stored = mailboxes_.append(user, std::move(record));
  if (stored.has_value()) {
    effects.delivered.push_back(NewMessage{user, std::move(*stored)});
  } else {
    ++effects.dropped;
  }
}

void Machine::send_copy(const UserId& user, MailboxRecord record, Effects& effects) {
  const ShardId target = shard_of(user, shard_count_);
  record.stored_at_ms = 0;  // the target's to say
  outbox_.push(target, OutboxRecord{OutboxCause::kCopyToSelf, {user}, std::move(record)});
  effects.outbox_targets.push_back(target);
}

CommandResult Machine::run(LoginCommand& command, Effects&) {
  if (!is_ours(command.user)) return LoginResult{fail(wrong_shard(command.user))};
  return LoginResult{cursors_.login(command, shard_, head_)};
}

CommandResult Machine::run(AckCommand& command, Effects&) {
  if (!is_ours(command.user)) return AckResult{fail(wrong_shard(command.user))};
  return AckResult{cursors_.ack(command)};
}

CommandResult Machine::run(TransferCommand& command, Effects& effects) {
  std::uint64_t number = command.first;
  for (OutboxRecord& record : command.records) {
    if (!inbound_.take(command.origin, command.epoch, number++)) continue;
    record.message.stored_at_ms = head_.tick_ms;
    for (const UserId& user : record.recipients) {
      if (!is_ours(user)) {
        ++effects.dropped;
        continue;
      }
      const bool is_last = &user == &record.recipients.back();
      deliver_copy(user, is_last ? std::move(record.message) : MailboxRecord(record.message), effects);
    }
  }
  return TransferResult{inbound_.last(command.origin, command.epoch)};
}

CommandResult Machine::run(ConfirmCommand& command, Effects&) {
  outbox_.confirm(command.target, command.up_to);
  return ConfirmResult{};
}

void Machine::write_back() {
  lanes_.write_back();
  mailboxes_.write_back();
  cursors_.write_back();
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
                                                         std::uint16_t shard_count, const MachineLimits& limits) {
  EARSHOT_INVARIANT(shard.value < shard_count, "a shard is one of shard_count");
  auto machine = std::make_unique<Machine>(state, shard, shard_count, limits);
  if (auto loaded = machine->load(); !loaded.has_value()) return fail(std::move(loaded.error()));
  return machine;
}

}  // namespace earshot::cluster
