#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cluster/shard_machine.hpp"
#include "tests/unit/cluster/shard_machine_fixture.hpp"

namespace earshot::cluster {

// What a shard has to do, said again as plainly as possible: ordered maps, nothing cached, nothing stored, nothing
// shared with the machine but the types of commands and results.
class ShardOracle {
 public:
  ShardOracle(ShardId shard, MachineLimits limits) : shard_(shard), limits_(limits) {}

  Effects apply(const CommandBatch& batch) {
    tick_ = std::max(tick_, batch.tick_ms);
    Effects effects;
    for (const Command& command : batch.commands) {
      effects.results.push_back(std::visit([&](const auto& c) { return run(c, effects); }, command));
    }
    std::set<ShardId> targets(effects.outbox_targets.begin(), effects.outbox_targets.end());
    effects.outbox_targets.assign(targets.begin(), targets.end());
    return effects;
  }

  // What a read of the whole mailbox shows.
  Batch mailbox(const UserId& user) const {
    Batch batch{Epoch(1), {}, {}, Sequence(0)};
    if (auto found = mailboxes_.find(user); found != mailboxes_.end()) {
      batch.messages = found->second;
      batch.last_sequence = Sequence(found->second.size());
    }
    return batch;
  }
  std::vector<OutboxRecord> outbox(ShardId target) const {
    std::vector<OutboxRecord> records;
    auto found = outboxes_.find(target);
    if (found == outboxes_.end()) return records;
    for (const auto& [number, record] : found->second.records) records.push_back(record);
    return records;
  }
  OutboxHead outbox_head(ShardId target) const {
    auto found = outboxes_.find(target);
    return found == outboxes_.end() ? OutboxHead{} : OutboxHead{found->second.next, found->second.confirmed};
  }
  std::uint64_t expected(ProducerId producer) const {
    auto found = lanes_.find(producer);
    return found == lanes_.end() ? 1 : found->second.expected;
  }
  std::uint64_t inbound_last(ShardId origin) const {
    auto found = inbound_.find(origin);
    return found == inbound_.end() ? 0 : found->second.second;
  }
  std::size_t last(const UserId& user) const {
    auto found = mailboxes_.find(user);
    return found == mailboxes_.end() ? 0 : found->second.size();
  }

 private:
  struct Lane {
    UserId user;
    DeviceId device;
    std::uint64_t expected = 1;
    std::map<std::uint64_t, std::pair<MessageId, SendAnswer>> answers;
  };
  struct Cursor {
    std::uint64_t up_to = 0;
    std::set<std::uint64_t> above;
    std::uint64_t producer = 0;
  };
  struct Stream {
    std::uint64_t next = 1;
    std::uint64_t confirmed = 0;
    std::map<std::uint64_t, OutboxRecord> records;
  };

  static SendAnswer hold(Error error) { return SendAnswer{SendAnswer::Held{std::move(error)}}; }
  bool ours(const UserId& user) const { return shard_of(user, kTestShards) == shard_; }

  CommandResult run(const SendCommand& command, Effects& effects) {
    SendResult result;
    for (const SendItem& item : command.items) result.answers.push_back(answer(command, item, effects));
    return result;
  }

  SendAnswer answer(const SendCommand& command, const SendItem& item, Effects& effects) {
    const OutgoingMessage& m = item.message;
    const Error reset{ErrorCode::kProducerReset, "producer", ""};
    auto existing = lanes_.find(command.producer);
    if (command.producer.value == 0) return hold(reset);
    if (existing != lanes_.end()) {
      Lane& lane = existing->second;
      if (lane.user != command.user || lane.device != command.device) return hold(reset);
      lane.answers.erase(lane.answers.begin(), lane.answers.lower_bound(m.answered_below.value));
    }
    Lane lane = existing != lanes_.end() ? existing->second : Lane{command.user, command.device, 1, {}};
    const std::uint64_t n = m.number.value;
    if (n > lane.expected) return hold(Error{ErrorCode::kOutOfOrder, "number", "", 0, lane.expected});
    if (n < lane.expected) {
      auto known = lane.answers.find(n);
      if (known == lane.answers.end() || known->second.first != m.id) return hold(reset);
      return known->second.second;
    }
    if (lane.answers.size() >= limits_.lane_window_max) {
      return hold(Error{ErrorCode::kOverloaded, "answeredBelow", "", limits::kRetryAfterMs});
    }
    SendAnswer given = store(command, item, effects);
    if (std::holds_alternative<SendAnswer::Held>(given.value)) return given;
    lane.answers[n] = {m.id, given};
    ++lane.expected;
    lanes_[command.producer] = lane;
    return given;
  }

  SendAnswer store(const SendCommand& command, const SendItem& item, Effects& effects) {
    const OutgoingMessage& m = item.message;
    if (item.refusal) return SendAnswer{SendAnswer::Refused{*item.refusal}};
    if (!ours(m.recipient)) return hold(Error{ErrorCode::kUnavailable, "shard", "", limits::kRetryAfterMs});
    const bool wants_copy = m.copy_to_self && m.recipient != command.user;
    if (wants_copy && !ours(command.user)) {
      std::size_t waiting = 0;
      for (const auto& [target, stream] : outboxes_) waiting += stream.records.size();
      if (waiting >= limits_.outbox_records_max) {
        return hold(Error{ErrorCode::kOverloaded, "copyToSelf", "", limits::kRetryAfterMs});
      }
    }
    IncomingMessage message{Sequence(), command.user, command.device, m.id, m.body,
                            m.checksum, m.sent_at_ms, tick_,          1,    UserId()};
    if (!put(m.recipient, message, effects)) {
      return SendAnswer{SendAnswer::Refused{Error{ErrorCode::kMailboxFull, "recipient", ""}}};
    }
    const Stored stored{Sequence(last(m.recipient)), Epoch(1)};
    if (wants_copy && ours(command.user)) {
      message.copy_of = m.recipient;
      if (!put(command.user, message, effects)) ++effects.dropped;
    } else if (wants_copy) {
      const ShardId target = shard_of(command.user, kTestShards);
      Stream& stream = outboxes_[target];
      stream.records[stream.next++] =
          OutboxRecord{OutboxCause::kCopyToSelf,
                       {command.user},
                       {command.user, command.device, m.id, m.body, m.checksum, m.sent_at_ms, 0, m.recipient}};
      effects.outbox_targets.push_back(target);
    }
    return SendAnswer{stored};
  }

  bool put(const UserId& user, IncomingMessage message, Effects& effects) {
    if (last(user) >= limits_.mailbox_messages_max) return false;
    message.sequence = Sequence(last(user) + 1);
    mailboxes_[user].push_back(message);
    effects.delivered.push_back({user, std::make_shared<const IncomingMessage>(message)});
    return true;
  }

  CommandResult run(const LoginCommand& command, Effects&) {
    if (!ours(command.user)) return LoginResult{fail(wrong_shard())};
    auto& devices = cursors_[command.user];
    const std::uint64_t newest = last(command.user);
    if (!devices.contains(command.device)) {
      if (devices.size() >= limits_.devices_per_user_max) {
        return LoginResult{fail(ErrorCode::kTooLarge, "device", "")};
      }
      devices[command.device].up_to = command.start_at == StartAt::kNewest ? newest : 0;
    }
    Cursor& cursor = devices[command.device];
    if (command.epoch == Epoch(1)) advance(cursor, std::min(command.last_received.value, newest));
    const bool keeps = command.producer.value != 0 && command.producer.value == cursor.producer;
    if (!keeps) cursor.producer = (next_producer_++ << 16) + shard_.value;
    return LoginResult{LoginOutcome{ProducerId(cursor.producer), !keeps, Epoch(1), Sequence(newest),
                                    Sequence(cursor.up_to), Sequence(newest)}};
  }

  static void advance(Cursor& cursor, std::uint64_t to) {
    cursor.up_to = std::max(cursor.up_to, to);
    while (cursor.above.contains(cursor.up_to + 1)) ++cursor.up_to;
    cursor.above.erase(cursor.above.begin(), cursor.above.upper_bound(cursor.up_to));
  }

  CommandResult run(const AckCommand& command, Effects&) {
    if (!ours(command.user)) return AckResult{fail(wrong_shard())};
    auto user = cursors_.find(command.user);
    if (user == cursors_.end() || !user->second.contains(command.device)) {
      return AckResult{fail(ErrorCode::kNotFound, "device", "")};
    }
    const std::uint64_t newest = last(command.user);
    if (command.up_to.value > newest) return AckResult{fail(ErrorCode::kInvalidArgument, "upTo", "")};
    Cursor moved = user->second[command.device];
    for (const Sequence s : command.above) {
      if (s.value <= newest) moved.above.insert(s.value);
    }
    advance(moved, command.up_to.value);
    if (moved.above.size() > limits_.selective_acks_max) return AckResult{fail(ErrorCode::kTooLarge, "above", "")};
    user->second[command.device] = moved;
    return AckResult{Sequence(moved.up_to)};
  }

  CommandResult run(const TransferCommand& command, Effects& effects) {
    auto& [epoch, taken] = inbound_[command.origin];
    for (std::size_t i = 0; i < command.records.size(); ++i) {
      const std::uint64_t number = command.first + i;
      if (command.epoch.value < epoch) continue;
      if (command.epoch.value > epoch) {
        if (number != 1) continue;
        epoch = command.epoch.value, taken = 0;
      }
      if (number != taken + 1) continue;
      taken = number;
      const MailboxRecord& r = command.records[i].message;
      for (const UserId& user : command.records[i].recipients) {
        const IncomingMessage message{Sequence(), r.sender,     r.sender_device, r.id, r.body,
                                      r.checksum, r.sent_at_ms, tick_,           1,    r.copy_of};
        if (!ours(user) || !put(user, message, effects)) ++effects.dropped;
      }
    }
    return TransferResult{command.epoch.value > epoch ? 0 : taken};
  }

  CommandResult run(const ConfirmCommand& command, Effects&) {
    Stream& stream = outboxes_[command.target];
    stream.confirmed = std::max(stream.confirmed, std::min(command.up_to, stream.next - 1));
    stream.records.erase(stream.records.begin(), stream.records.upper_bound(stream.confirmed));
    return ConfirmResult{};
  }

  static Error wrong_shard() { return Error{ErrorCode::kUnavailable, "shard", "", limits::kRetryAfterMs}; }

  ShardId shard_;
  MachineLimits limits_;
  std::uint64_t tick_ = 0;
  std::uint64_t next_producer_ = 1;
  std::map<ProducerId, Lane> lanes_;
  std::map<UserId, std::vector<IncomingMessage>> mailboxes_;
  std::map<UserId, std::map<DeviceId, Cursor>> cursors_;
  std::map<ShardId, Stream> outboxes_;
  std::map<ShardId, std::pair<std::uint64_t, std::uint64_t>> inbound_;  // epoch, last
};

}  // namespace earshot::cluster
