#include "tests/simulation/history.hpp"

#include <algorithm>
#include <utility>

namespace earshot::simulation {
namespace {

std::string text(Sequence sequence) { return std::to_string(sequence.value); }

constexpr std::size_t kViolationsKept = 20;

// What a read brings is without a hole, and has the end that was asked for: of fetch() the beginning of what comes
// after a place, of history() the end of what comes before one. How much of it that is, is the server's choice; what
// is gone is told of as lost. Nothing: so it is.
std::optional<std::string> flaw_of_read(const Batch& batch, const AskedRead& asked) {
  if (!std::ranges::is_sorted(batch.messages, {}, &IncomingMessage::sequence)) return "messages in disorder";
  std::map<Sequence, Sequence> spans;  // first, last
  for (const IncomingMessage& message : batch.messages) spans.emplace(message.sequence, message.sequence);
  for (const LostRange& range : batch.lost) {
    if (!spans.emplace(range.first, range.last).second) return text(range.first) + ", and that it is lost";
  }
  const bool is_below = asked.from_end && asked.place != Sequence();
  const Sequence end = is_below ? std::min(asked.place.previous(), batch.last_sequence) : batch.last_sequence;
  const bool has_any = asked.from_end ? end != Sequence() : asked.place < end;
  if (spans.empty()) return has_any ? std::optional("nothing of what ends at " + text(end)) : std::nullopt;
  if (!has_any) return text(spans.begin()->first) + ", though nothing is there";
  Sequence last = asked.from_end ? spans.begin()->first.previous() : asked.place;
  for (const auto& [first, span_last] : spans) {
    if (first != last.next() || span_last < first) return text(first) + " after " + text(last);
    last = span_last;
  }
  if (last > end || (asked.from_end && last < end)) return "up to " + text(last) + " of what ends at " + text(end);
  return std::nullopt;
}

}  // namespace

void History::violation(const std::string& what) {
  world_.note("VIOLATION: " + what);
  if (violations_.size() < kViolationsKept)
    violations_.push_back("at " + std::to_string(world_.now_ms()) + " ms: " + what);
}

// ---- sending

void History::accepted(MessageId id, Accepted message) {
  order_[message.from].push_back(id);
  messages_.emplace(id, std::move(message));
}

// Promise 2: a message that is sent again gets its first answer again.
void History::reported(const DeviceName& device, const client::SendReport& report) {
  const auto found = messages_.find(report.id);
  if (found == messages_.end()) return violation(device.text() + " is answered for a message that it never sent");
  const std::string message = device.text() + "'s message " + report.id.to_string();
  if (const auto* stored = std::get_if<Stored>(&report.outcome)) {
    ++answered_;
    auto& answer = found->second.answer;
    if (answer && *answer != *stored)
      violation(message + " is stored at " + text(answer->sequence) + " and again at " + text(stored->sequence));
    answer = *stored;
    know(found->second.to, stored->sequence);
  } else if (const auto* error = std::get_if<Error>(&report.outcome)) {
    ++answered_;
    found->second.expired = error->code == ErrorCode::kExpired;
    if (!found->second.expired || found->second.ttl_ms == 0) violation(message + " is refused: " + error->to_string());
    if (found->second.answer)
      violation(message + " is stored at " + text(found->second.answer->sequence) + ", and expired");
  } else {
    ++answered_;
    found->second.uncertain = true;
    if (!lives_.may_be_removed(device)) violation(message + " is uncertain, though nothing was ever forgotten");
  }
}

// ---- receiving

Received& History::device(const DeviceName& name, DeliveryMode mode) {
  Received& device = devices_[name];
  device.mode = mode;
  return device;
}

void History::welcomed(const DeviceName& name, const Welcome& welcome) {
  Received& device = devices_.at(name);
  const auto [epoch, is_first] = epochs_.try_emplace(name.user, welcome.login.epoch);
  if (!is_first && epoch->second != welcome.login.epoch)
    violation("the mailbox of " + name.user.text() + " has a new epoch");
  know(name.user, welcome.login.last_sequence);
  const Sequence cursor = welcome.login.cursor;
  // Promise 5: nothing is taken for acked that the device has not committed …
  const bool is_new = device.epoch == Epoch() || lives_.may_be_removed(name);
  if (cursor > device.last_received && !is_new)
    violation(name.text() + " has committed " + text(device.last_received) + ", its cursor is " + text(cursor));
  // … and what was answered as acked stays so. With a device that was removed went what it had acked beyond the cursor
  // that it comes back with.
  const bool may_fall_back = device.mode == DeliveryMode::kUnordered && lives_.may_be_removed(name);
  if (cursor < device.cursor_told && !may_fall_back)
    violation(name.text() + " was told that its cursor is " + text(device.cursor_told) + ", now it is " + text(cursor));
}

// A device that is new to the mailbox begins with the oldest message that is kept.
void History::began(const DeviceName& name, const client::InboxHead& head) {
  Received& device = devices_.at(name);
  if (device.epoch == Epoch()) {
    device.began_at = device.last_received = head.last_received;
    for (Sequence s(1); s <= device.began_at; s = s.next()) lives_.gone(name.user, s);
  }
  device.epoch = head.epoch;
}

void History::acked(const DeviceName& name, Sequence cursor) {
  Received& device = devices_.at(name);
  device.cursor_told = std::max(device.cursor_told, cursor);
  if (cursor > device.last_received && !lives_.may_be_removed(name))
    violation(name.text() + " has committed " + text(device.last_received) + ", its ack is answered by " +
              text(cursor));
}

void History::committed(const DeviceName& name, const client::InboxHead& head,
                        std::span<const IncomingMessage> messages, std::span<const LostRange> lost) {
  Received& device = devices_.at(name);
  for (const IncomingMessage& message : messages) check_content(name.user, message);
  for (const LostRange& range : lost) check_lost(name, range);
  if (device.mode != DeliveryMode::kUnordered) commit_in_order(name, device, messages, lost);
  for (const IncomingMessage& message : messages) {
    const bool is_new = device.messages.emplace(message.sequence, message.id).second;
    if (!is_new) violation(name.text() + " is given " + text(message.sequence) + " twice");
  }
  device.lost.insert(device.lost.end(), lost.begin(), lost.end());
  device.epoch = head.epoch;
  device.last_received = head.last_received;
  know(name.user, head.last_received);
  // Everything up to the head is there or said to be lost.
  if (device.mode == DeliveryMode::kUnordered) {
    for (Sequence s = device.began_at.next(); s <= head.last_received; s = s.next()) {
      const bool is_lost = std::any_of(device.lost.begin(), device.lost.end(),
                                       [&](const LostRange& r) { return r.first <= s && s <= r.last; });
      if (!is_lost && !device.messages.contains(s)) violation(name.text() + " has passed over " + text(s));
    }
  }
}

// Promises 3 and 4: what a device stores follows what it has, without a hole that nobody spoke of.
void History::commit_in_order(const DeviceName& name, Received& device, std::span<const IncomingMessage> messages,
                              std::span<const LostRange> lost) {
  Sequence last = device.last_received;
  auto range = lost.begin();
  const auto pass_lost = [&] {
    for (; range != lost.end() && range->first <= last.next(); ++range) last = std::max(last, range->last);
  };
  for (const IncomingMessage& message : messages) {
    pass_lost();
    if (message.sequence != last.next())
      violation(name.text() + " has everything up to " + text(last) + " and is given " + text(message.sequence));
    last = message.sequence;
  }
  pass_lost();
  if (range != lost.end()) violation(name.text() + " is told of a loss beyond what it has");
}

// ---- reading on demand

void History::know(const UserId& user, Sequence sequence) {
  Sequence& end = known_ends_[user];
  end = std::max(end, sequence);
}

Sequence History::known_end(const UserId& user) const {
  const auto known = known_ends_.find(user);
  return known == known_ends_.end() ? Sequence() : known->second;
}

AskedRead History::asks(const UserId& user, bool from_end, Sequence place) const {
  return {from_end, place, known_end(user), lives_.committed_ms_min(user)};
}

void History::read(const DeviceName& name, const Batch& batch, const AskedRead& asked) {
  for (const IncomingMessage& message : batch.messages) check_content(name.user, message);
  for (const LostRange& range : batch.lost) check_lost(name, range);
  if (const auto wrong = lives_.ended_and_shown(batch.messages, asked.committed_ms))
    violation(name.text() + " reads: " + *wrong);
  // A receipt is linearizable: it is not taken back by whoever answers later.
  if (batch.last_sequence < asked.known_end)
    violation(name.text() + " reads a mailbox that ends at " + text(batch.last_sequence) + ", and " +
              text(asked.known_end) + " was told of before it asked");
  if (const auto wrong = flaw_of_read(batch, asked)) violation(name.text() + " reads " + *wrong);
  know(name.user, batch.last_sequence);
}

// Promise 6, and that nothing is made up.
void History::check_content(const UserId& user, const IncomingMessage& message) {
  const std::string where = "mailbox " + user.text() + ", " + text(message.sequence) + ": ";
  const auto found = messages_.find(message.id);
  if (found == messages_.end()) return violation(where + "a message that nobody sent");
  const Accepted& sent = found->second;
  if (message.body != sent.body) violation(where + "the body is not what was sent");
  if (message.sender != sent.from.user || message.sender_device != sent.from.device)
    violation(where + "says it is from " + message.sender.text() + ", it is from " + sent.from.text());
  const bool is_copy = !message.copy_of.empty();
  const bool belongs =
      is_copy ? sent.copy_to_self && user == sent.from.user && message.copy_of == sent.to : user == sent.to;
  if (!belongs) violation(where + "a message for " + sent.to.text());
  if (const auto wrong = lives_.seen(user, message)) violation(where + *wrong);
}

void History::check_lost(const DeviceName& name, const LostRange& range) {
  for (Sequence s = range.first; s <= range.last; s = s.next()) {
    if (const auto wrong = lives_.lost(name.user, &name.device, s, range.reason))
      return violation("mailbox of " + name.text() + ": " + *wrong);
  }
}

// ---- what the server tells of lives

// Whether a device may be said to be done with a message.
bool History::may_have(const DeviceName& name, Sequence sequence) const {
  const auto found = devices_.find(name);
  if (found == devices_.end()) return true;  // one of the checkers'
  const Received& device = found->second;
  const bool is_new = device.epoch == Epoch() || lives_.may_be_removed(name);
  return is_new || sequence <= device.last_received || device.messages.contains(sequence);
}

void History::explained(const Explanation& explanation) {
  const Sequence sequence = explanation.message.sequence;
  const std::string where = "mailbox " + explanation.user.text() + ": " + text(sequence);
  if (!explanation.kept && explanation.ended_reason != LostReason::kUnknown) {
    const auto wrong = lives_.lost(explanation.user, nullptr, sequence, explanation.ended_reason);
    if (wrong) violation("mailbox " + explanation.user.text() + ", explained: " + *wrong);
  }
  if (explanation.kept && !messages_.contains(explanation.message.id)) violation(where + " is not known to its sender");
  for (const DeviceFate& fate : explanation.devices) {
    const DeviceName name{explanation.user, fate.device};
    if (fate.state == DeliveryState::kAcked && !may_have(name, sequence))
      violation(where + " is acked by " + name.text() + ", which does not have it");
  }
}

void History::listed(const UserId& user, const std::vector<DeviceInfo>& devices) {
  for (const DeviceInfo& info : devices) {
    const DeviceName name{user, info.device};
    if (!may_have(name, info.up_to)) violation(name.text() + " is listed with a cursor at " + text(info.up_to));
  }
}

}  // namespace earshot::simulation
