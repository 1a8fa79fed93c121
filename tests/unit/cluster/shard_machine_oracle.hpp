#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
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
    now_ = std::max({now_, tick_, batch.now_ms});
    Effects effects;
    if (batch.tick_ms != 0) {
      end_due(effects);
      sweep(effects);
      std::erase_if(last_logins_, [this](const auto& one) { return one.second.until <= tick_; });
    }
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
    auto found = mailboxes_.find(user);
    if (found == mailboxes_.end()) return batch;
    const Mailbox& box = found->second;
    batch.last_sequence = Sequence(box.all.size());
    for (std::uint64_t n = 1; n <= box.all.size(); ++n) {
      const auto reason = n < box.first ? std::optional(box.gone) : over(user, box.all[n - 1]);
      if (!reason) {
        batch.messages.push_back(box.all[n - 1].content);
      } else if (!batch.lost.empty() && batch.lost.back().last.value + 1 == n && batch.lost.back().reason == *reason) {
        batch.lost.back().last = Sequence(n);
      } else {
        batch.lost.push_back({Sequence(n), Sequence(n), *reason});
      }
    }
    return batch;
  }
  // As a drain gets them: with the time that is left to live.
  std::vector<OutboxRecord> outbox(ShardId target) const {
    std::vector<OutboxRecord> records;
    auto found = outboxes_.find(target);
    if (found == outboxes_.end()) return records;
    for (const auto& [number, record] : found->second.records) {
      records.push_back(record);
      std::uint64_t& expires = records.back().message.expires_at_ms;
      if (expires != 0) expires = expires > now_ ? expires - now_ : 1;
    }
    return records;
  }
  std::vector<DeviceInfo> devices(const UserId& user) const {
    std::vector<DeviceInfo> infos;
    auto found = cursors_.find(user);
    if (found == cursors_.end()) return infos;
    for (const auto& [name, cursor] : found->second) {
      std::uint64_t unacked = 0;
      for (std::uint64_t n = first(user); n <= last(user); ++n) unacked += cursor.has_acked(n) ? 0 : 1;
      infos.push_back({name, Sequence(cursor.up_to), unacked, cursor.parked.size(), cursor.last_seen, false});
    }
    return infos;
  }
  std::vector<ParkedMessage> parked(const UserId& user, const DeviceId& device) const {
    std::vector<ParkedMessage> all;
    const Cursor* cursor = find(user, device);
    if (cursor == nullptr) return all;
    for (const auto& [n, record] : cursor->parked) {
      all.push_back({device, Sequence(n), record.deliveries, record.parked_at_ms, std::nullopt});
      if (lives(user, n)) all.back().message = mailboxes_.at(user).all[n - 1].content;
    }
    return all;
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
    return found == mailboxes_.end() ? 0 : found->second.all.size();
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
    std::uint64_t last_seen = 0;
    std::map<std::uint64_t, std::uint32_t> attempts;
    std::map<std::uint64_t, ParkedRecord> parked;

    bool has_acked(std::uint64_t n) const { return n <= up_to || above.contains(n); }
  };
  struct LastLogin {
    std::uint64_t login = 0;
    std::uint64_t until = 0;
  };
  struct Message {
    IncomingMessage content;
    bool is_tombstone = false;
  };
  struct Mailbox {
    std::uint64_t first = 1;
    LostReason gone = LostReason::kUnknown;
    std::vector<Message> all;  // those that are gone too
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
    const auto retry = limits::kRetryAfterMs;
    if (item.refusal) return SendAnswer{SendAnswer::Refused{*item.refusal}};
    if (!ours(m.recipient)) return hold(Error{ErrorCode::kUnavailable, "shard", "", retry});
    if (m.expired) return SendAnswer{SendAnswer::Refused{Error{ErrorCode::kExpired, "ttlMs", ""}}};
    if (m.ttl_ms != 0 && now_ == 0) return hold(Error{ErrorCode::kUnavailable, "ttlMs", "", retry});
    const bool wants_copy = m.copy_to_self && m.recipient != command.user;
    if (wants_copy && !ours(command.user) && waiting() >= limits_.outbox_records_max) {
      return hold(Error{ErrorCode::kOverloaded, "copyToSelf", "", retry});
    }
    const std::uint64_t expires = m.ttl_ms != 0 ? now_ + m.ttl_ms : 0;
    IncomingMessage message{Sequence(), command.user, command.device, m.id,      m.body, m.checksum, m.sent_at_ms, now_,
                            1,          UserId(),     expires,        Sequence()};
    if (!put(m.recipient, message, effects)) {
      return SendAnswer{SendAnswer::Refused{Error{ErrorCode::kMailboxFull, "recipient", ""}}};
    }
    const Stored stored{Sequence(last(m.recipient)), Epoch(1)};
    if (wants_copy && ours(command.user)) {
      message.copy_of = m.recipient;
      if (!put(command.user, message, effects)) ++effects.dropped;
    } else if (wants_copy) {
      MailboxRecord copy{command.user, command.device, m.id, m.body, m.checksum, m.sent_at_ms, 0, m.recipient};
      copy.expires_at_ms = expires;
      push(shard_of(command.user, kTestShards), OutboxRecord{OutboxCause::kCopyToSelf, {command.user}, copy, {}},
           effects);
    }
    return SendAnswer{stored};
  }

  std::size_t waiting() const {
    std::size_t waiting = 0;
    for (const auto& [target, stream] : outboxes_) waiting += stream.records.size();
    return waiting;
  }
  void push(ShardId target, const OutboxRecord& record, Effects& effects) {
    Stream& stream = outboxes_[target];
    stream.records[stream.next++] = record;
    effects.outbox_targets.push_back(target);
  }

  bool put(const UserId& user, IncomingMessage message, Effects& effects) {
    Mailbox& box = mailboxes_[user];
    const Policy policy = policy_of(user);
    if (policy.retention_age_ms != 0 || policy.retention_messages != 0) trim(user, 1, effects);
    if (box.all.size() + 1 - box.first >= limits_.mailbox_messages_max) return false;
    message.sequence = Sequence(last(user) + 1);
    box.all.push_back({message});
    effects.delivered.push_back({user, std::make_shared<const IncomingMessage>(message)});
    return true;
  }

  // ---- what ends

  std::uint64_t first(const UserId& user) const {
    auto found = mailboxes_.find(user);
    return found == mailboxes_.end() ? 1 : found->second.first;
  }
  Policy policy_of(const UserId& user) const {
    for (const UserId& whose : {user, UserId()}) {
      if (auto found = policies_.find(whose); found != policies_.end()) return found->second;
    }
    return Policy{};
  }
  std::optional<LostReason> over(const UserId& user, const Message& message) const {
    const IncomingMessage& m = message.content;
    if (message.is_tombstone || (m.expires_at_ms != 0 && m.expires_at_ms <= tick_)) return LostReason::kExpired;
    const std::uint64_t age = policy_of(user).retention_age_ms;
    if (age != 0 && m.stored_at_ms != 0 && m.stored_at_ms + age <= tick_) return LostReason::kTrimmed;
    return std::nullopt;
  }
  bool lives(const UserId& user, std::uint64_t n) const {
    return n >= first(user) && n <= last(user) && !over(user, mailboxes_.at(user).all[n - 1]);
  }

  static void note_ended(const UserId& user, std::uint64_t n, LostReason reason, Effects& effects) {
    if (!effects.ended.empty()) {
      auto& [whose, range] = effects.ended.back();
      if (whose == user && range.reason == reason && range.last.value + 1 == n) {
        range.last = Sequence(n);
        return;
      }
    }
    effects.ended.push_back({user, {Sequence(n), Sequence(n), reason}});
  }

  void end_due(Effects& effects) {
    std::set<std::tuple<std::uint64_t, UserId, std::uint64_t>> due;
    for (const auto& [user, box] : mailboxes_) {
      for (std::uint64_t n = box.first; n <= box.all.size(); ++n) {
        const std::uint64_t expires = box.all[n - 1].content.expires_at_ms;
        if (expires != 0 && expires <= tick_ && !box.all[n - 1].is_tombstone) due.insert({expires, user, n});
      }
    }
    for (const auto& [expires, user, n] : due) {
      Mailbox& box = mailboxes_[user];
      if (n < box.first) continue;
      box.all[n - 1].is_tombstone = true;
      note_ended(user, n, LostReason::kExpired, effects);
      if (n == box.first) trim(user, 0, effects);
    }
  }

  void trim(const UserId& user, std::uint64_t incoming, Effects& effects) {
    Mailbox& box = mailboxes_[user];
    const std::uint64_t kept_max = policy_of(user).retention_messages;
    const std::uint64_t from = box.first;
    bool all_expired = true;
    for (; box.first <= box.all.size(); ++box.first) {
      const Message& message = box.all[box.first - 1];
      auto reason = over(user, message);
      if (!reason && kept_max != 0 && box.all.size() + incoming - box.first >= kept_max) reason = LostReason::kTrimmed;
      if (!reason) break;
      if (!message.is_tombstone) note_ended(user, box.first, *reason, effects);
      all_expired = all_expired && *reason == LostReason::kExpired;
    }
    if (box.first == from) return;
    const bool still_expired = all_expired && (from == 1 || box.gone == LostReason::kExpired);
    box.gone = still_expired ? LostReason::kExpired : LostReason::kTrimmed;
  }

  // A round that stops half way only where the outbox has no room.
  void sweep(Effects& effects) {
    if (!is_round_half_done_) {
      if (tick_ < round_started_ + round_interval_) return;
      round_started_ = tick_;
      round_interval_ = limits_.sweep_interval_ms;
      shorten_interval(policy_of(UserId()));
      sweep_devices(effects);
    }
    std::vector<ProducerId> producers;
    for (const auto& [producer, since] : forgotten_)
      if (since + limits_.forgotten_producer_ms <= tick_) producers.push_back(producer);
    is_round_half_done_ = !producers.empty() && waiting() + kTestShards - 1 > limits_.outbox_records_max;
    if (is_round_half_done_) return;
    if (!producers.empty()) {
      for (std::uint16_t n = 0; n < kTestShards; ++n) {
        if (ShardId(n) == shard_) continue;
        push(ShardId(n), OutboxRecord{OutboxCause::kForgetProducers, {}, {}, producers}, effects);
      }
      for (const ProducerId producer : producers) lanes_.erase(producer), forgotten_.erase(producer);
    }
    for (const auto& [user, box] : mailboxes_) trim(user, 0, effects);
    for (const auto& [user, policy] : policies_) shorten_interval(policy);
  }

  void sweep_devices(Effects& effects) {
    for (auto& [user, devices] : cursors_) {
      const std::uint64_t idle_max = policy_of(user).device_idle_ms;
      for (auto device = devices.begin(); device != devices.end();) {
        Cursor& cursor = device->second;
        const std::uint64_t idle = tick_ - std::min(tick_, cursor.last_seen);
        if (cursor.last_seen == 0) {
          cursor.last_seen = tick_;
        } else if (idle_max != 0 && idle >= idle_max) {
          forget(cursor, tick_);
          effects.removed_devices.push_back({user, device->first});
          device = devices.erase(device);
          continue;
        } else if (idle >= limits_.producer_idle_ms_max) {
          forget(cursor, tick_);
        }
        ++device;
      }
    }
  }

  void forget(Cursor& cursor, std::uint64_t at) {
    if (cursor.producer != 0) forgotten_[ProducerId(cursor.producer)] = at;
    cursor.producer = 0;
  }

  void shorten_interval(const Policy& policy) {
    for (const std::uint64_t time : {policy.retention_age_ms, policy.device_idle_ms, limits_.producer_idle_ms_max}) {
      if (time != 0) round_interval_ = std::min(round_interval_, std::max<std::uint64_t>(time / 16, 1000));
    }
  }

  // ---- devices

  const Cursor* find(const UserId& user, const DeviceId& device) const {
    auto found = cursors_.find(user);
    if (found == cursors_.end()) return nullptr;
    auto cursor = found->second.find(device);
    return cursor == found->second.end() ? nullptr : &cursor->second;
  }
  Cursor* find(const UserId& user, const DeviceId& device) {
    return const_cast<Cursor*>(std::as_const(*this).find(user, device));
  }

  CommandResult run(const LoginCommand& command, Effects&) {
    if (!ours(command.user)) return LoginResult{fail(wrong_shard())};
    auto& devices = cursors_[command.user];
    const std::uint64_t newest = last(command.user);
    if (!devices.contains(command.device)) {
      if (devices.size() >= limits_.devices_per_user_max) {
        return LoginResult{fail(ErrorCode::kTooLarge, "device", "")};
      }
      devices[command.device].up_to = command.start_at == StartAt::kNewest ? newest : first(command.user) - 1;
    }
    Cursor& cursor = devices[command.device];
    if (command.epoch == Epoch(1)) advance(cursor, std::min(command.last_received.value, newest));
    const bool keeps = command.producer.value != 0 && command.producer.value == cursor.producer;
    if (!keeps) {
      forget(cursor, now_);
      cursor.producer = (next_producer_++ << 16) + shard_.value;
    }
    cursor.last_seen = now_;
    LoginOutcome outcome{ProducerId(cursor.producer), !keeps,           Epoch(1), Sequence(newest),
                         Sequence(cursor.up_to),      Sequence(newest), {},       {}};
    for (const auto& [n, record] : cursor.parked) {
      if (n > cursor.up_to) outcome.parked.push_back(Sequence(n));
    }
    return LoginResult{outcome};
  }

  CommandResult run(const TouchCommand& command, Effects&) {
    for (const auto& name : command.devices) {
      if (Cursor* cursor = find(name.user, name.device)) cursor->last_seen = now_;
    }
    return TouchResult{};
  }

  CommandResult run(const RemoveDeviceCommand& command, Effects& effects) {
    if (!ours(command.user)) return StatusResult{fail(wrong_shard())};
    Cursor* cursor = find(command.user, command.device);
    if (cursor == nullptr) return StatusResult{fail(ErrorCode::kNotFound, "device", "")};
    forget(*cursor, now_);
    cursors_[command.user].erase(command.device);
    effects.removed_devices.push_back({command.user, command.device});
    return StatusResult{};
  }

  // Positions have tests of their own: they meet nothing else that a shard keeps.
  CommandResult run(const SetPositionsCommand&, Effects&) { return ClearedResult{0}; }
  CommandResult run(const ClearPositionsCommand&, Effects&) { return ClearedResult{0}; }
  CommandResult run(const ClearLayersCommand&, Effects&) { return LayersClearedResult{}; }
  CommandResult run(const SetLayerPrivacyCommand&, Effects&) { return StatusResult{}; }
  // A later session of the device has been here lately.
  bool is_overtaken(const Mover& mover) {
    if (mover.login == 0) return false;
    LastLogin& last = last_logins_[{mover.user, mover.device}];
    if (mover.login > last.login) last = {mover.login, now_ + limits_.last_login_ms};
    return mover.login < last.login;
  }
  CommandResult run(const SetPolicyCommand& command, Effects&) {
    if (!command.user.empty() && !ours(command.user)) return StatusResult{fail(wrong_shard())};
    if (is_overtaken(command.mover)) return StatusResult{fail(ErrorCode::kSessionReplaced, "login", "")};
    policies_.erase(command.user);
    if (command.policy) policies_[command.user] = *command.policy;
    shorten_interval(policy_of(command.user));
    round_started_ = 0;
    return StatusResult{};
  }

  // ---- what is parked

  CommandResult run(const AttemptsCommand& command, Effects&) {
    Cursor* cursor = find(command.user, command.device);
    if (cursor == nullptr) return AttemptsResult();
    std::set<Sequence> told;
    auto& attempts = cursor->attempts;
    attempts.erase(attempts.begin(), attempts.lower_bound(first(command.user)));
    for (const auto& note : command.notes) {
      for (std::uint64_t n = note.first.value; n <= std::min(note.last.value, last(command.user)); ++n) {
        const bool is_low = attempts.size() < limits_.attempts_kept_max || n <= attempts.rbegin()->first;
        if (n < first(command.user) || cursor->has_acked(n) || !is_low) continue;
        if (cursor->parked.contains(n)) {
          told.insert(Sequence(n));
          continue;
        }
        attempts[n] += note.count;
        if (attempts.size() > limits_.attempts_kept_max) attempts.erase(std::prev(attempts.end()));
      }
    }
    const std::uint32_t deliveries_max = policy_of(command.user).deliveries_max;
    if (deliveries_max == 0) return AttemptsResult{{told.begin(), told.end()}};
    for (const auto& [n, count] : std::map(attempts)) {
      if (count < deliveries_max) continue;
      const bool is_alive = lives(command.user, n);
      if (is_alive && cursor->parked.size() >= limits_.parked_per_device_max) continue;
      attempts.erase(n);
      if (!is_alive) continue;
      cursor->parked[n] = ParkedRecord{count, now_};
      told.insert(Sequence(n));
    }
    return AttemptsResult{{told.begin(), told.end()}};
  }

  CommandResult run(const ReplayCommand& command, Effects& effects) {
    if (!ours(command.user)) return ReplayResult{fail(wrong_shard())};
    Cursor* cursor = find(command.user, command.device);
    if (cursor == nullptr) return ReplayResult{fail(ErrorCode::kNotFound, "device", "")};
    const auto can_go = [&](Sequence s) { return cursor->parked.contains(s.value) && lives(command.user, s.value); };
    const auto count = std::count_if(command.sequences.begin(), command.sequences.end(), can_go);
    const std::uint64_t kept_max = policy_of(command.user).retention_messages;
    const std::uint64_t after = last(command.user) + 1 - first(command.user) + static_cast<std::uint64_t>(count);
    const bool makes_room = kept_max != 0 && kept_max <= limits_.mailbox_messages_max;
    if (!makes_room && after > limits_.mailbox_messages_max) {
      return ReplayResult{fail(ErrorCode::kMailboxFull, "sequences", "")};
    }
    std::vector<Sequence> sequences;
    for (const Sequence s : command.sequences) {
      sequences.emplace_back();
      if (!can_go(s)) continue;
      IncomingMessage copy = mailboxes_[command.user].all[s.value - 1].content;
      copy.stored_at_ms = now_, copy.expires_at_ms = 0, copy.replay_of = s;
      if (!put(command.user, copy, effects)) continue;
      cursor->parked.erase(s.value);
      sequences.back() = Sequence(last(command.user));
    }
    return ReplayResult{sequences};
  }

  CommandResult run(const DropParkedCommand& command, Effects&) {
    if (!ours(command.user)) return StatusResult{fail(wrong_shard())};
    Cursor* cursor = find(command.user, command.device);
    if (cursor == nullptr) return StatusResult{fail(ErrorCode::kNotFound, "device", "")};
    for (const Sequence s : command.sequences) cursor->parked.erase(s.value);
    return StatusResult{};
  }

  static void advance(Cursor& cursor, std::uint64_t to) {
    cursor.up_to = std::max(cursor.up_to, to);
    while (cursor.above.contains(cursor.up_to + 1)) ++cursor.up_to;
    cursor.above.erase(cursor.above.begin(), cursor.above.upper_bound(cursor.up_to));
    std::erase_if(cursor.attempts, [&](const auto& attempt) { return cursor.has_acked(attempt.first); });
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
    const Cursor& before = user->second[command.device];
    if (moved.up_to != before.up_to || moved.above != before.above) moved.last_seen = now_;
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
      if (command.records[i].cause == OutboxCause::kLost) ++effects.dropped;
      for (const ProducerId producer : command.records[i].producers) lanes_.erase(producer);
      const MailboxRecord& r = command.records[i].message;
      const std::uint64_t expires = r.expires_at_ms != 0 && now_ != 0 ? now_ + r.expires_at_ms : 0;
      for (const UserId& user : command.records[i].recipients) {
        const IncomingMessage message{Sequence(), r.sender,   r.sender_device, r.id,
                                      r.body,     r.checksum, r.sent_at_ms,    now_,
                                      1,          r.copy_of,  expires,         r.replay_of};
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
  std::uint64_t now_ = 0;  // not before the tick
  std::uint64_t next_producer_ = 1;
  std::map<ProducerId, Lane> lanes_;
  std::map<UserId, Mailbox> mailboxes_;
  std::map<UserId, Policy> policies_;              // of nobody: the default
  std::map<ProducerId, std::uint64_t> forgotten_;  // and when
  std::uint64_t round_started_ = 0;
  std::uint64_t round_interval_ = limits_.sweep_interval_ms;
  bool is_round_half_done_ = false;
  std::map<UserId, std::map<DeviceId, Cursor>> cursors_;
  std::map<std::pair<UserId, DeviceId>, LastLogin> last_logins_;
  std::map<ShardId, Stream> outboxes_;
  std::map<ShardId, std::pair<std::uint64_t, std::uint64_t>> inbound_;  // epoch, last
};

}  // namespace earshot::cluster
