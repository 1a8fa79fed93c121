#include "cluster/sweep.hpp"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "cluster/readable.hpp"
#include "storage/keys.hpp"

namespace earshot::cluster {

namespace keys = storage::keys;

namespace {

// The first keys of the kinds that a round passes, in its order.
constexpr char kCursors = 'C';
constexpr char kForgottenProducers = 'F';
constexpr char kMailboxes = 'H';
constexpr char kPolicies = 'P';

constexpr std::uint64_t kRoundsPerTime = 16;  // what ends after some time ends at most this part of it late

// A shard at work ticks once an interval, or more often. When more passes between two ticks nobody was served
// meanwhile, and who was connected may have been seen a touch interval before that: together less than any idle time.
// Who comes back then has as long to do so as the devices that stayed have to be touched.
constexpr std::uint64_t kLeapMs = 2 * limits::kSweepIntervalMs;
constexpr std::uint64_t kSparedMs = limits::kTouchIntervalMs;
static_assert(limits::kTouchIntervalMs + kLeapMs < limits::kDeviceIdleMsMin);

// The first key behind a kind.
std::string end_of(char kind) { return std::string(1, static_cast<char>(kind + 1)); }

bool is_idle(std::uint64_t last_seen_ms, std::uint64_t idle_ms_max, std::uint64_t tick_ms) {
  return idle_ms_max != 0 && last_seen_ms <= tick_ms && tick_ms - last_seen_ms >= idle_ms_max;
}

}  // namespace

Status Sweep::load() {
  head_.interval_ms = limits_.sweep_interval_ms;
  auto stored = parts_.state.get(keys::sweep_head());
  if (!stored.has_value() && stored.error().code != ErrorCode::kCorrupt) return fail(std::move(stored.error()));
  if (stored.has_value() && !stored->has_value()) return {};
  auto head = stored.has_value() ? decode_sweep_head(**stored) : fail(std::move(stored.error()));
  if (head.has_value()) {
    head_ = std::move(*head);
  } else {
    ++damaged_met_;  // nothing is lost with it: a round begins anew
  }
  return {};
}

void Sweep::step(std::uint64_t previous_ms, std::uint64_t tick_ms, Effects& effects) {
  if (previous_ms != 0 && tick_ms - previous_ms > kLeapMs) {
    head_.spares_until_ms = tick_ms + kSparedMs;
    is_dirty_ = true;
  }
  if (head_.position.empty()) {
    if (tick_ms < next_due_ms()) return;
    head_ = SweepHead{std::string(1, kCursors), tick_ms, limits_.sweep_interval_ms, head_.spares_until_ms};
    shorten_interval(parts_.policies.of(UserId()));
  }
  is_dirty_ = true;
  tick_ms_ = tick_ms;
  records_left_ = limits_.sweep_records_per_entry_max;
  while (records_left_ > 0 && !head_.position.empty()) {
    switch (head_.position.front()) {
      case kCursors:
        if (!sweep_cursors(effects)) return;
        head_.position = kForgottenProducers;
        break;
      case kForgottenProducers:
        if (!sweep_forgotten_producers(effects)) return;
        head_.position = kMailboxes;
        break;
      case kMailboxes:
        if (!sweep_mailboxes(effects)) return;
        head_.position = kPolicies;
        break;
      default:
        if (!sweep_policies()) return;
        head_.position.clear();
        break;
    }
  }
}

void Sweep::policy_changed(const Policy& policy) {
  shorten_interval(policy);
  head_.started_ms = 0;  // long ago
  is_dirty_ = true;
}

std::uint64_t Sweep::next_due_ms() const {
  return head_.position.empty() ? head_.started_ms + head_.interval_ms : std::max(tick_ms_, postponed_until_ms_);
}

void Sweep::write_back() {
  if (std::exchange(is_dirty_, false)) parts_.state.put(keys::sweep_head(), encode(head_));
}

template <class Visit>
bool Sweep::take(std::string_view kind_end, Visit&& visit) {
  std::string next = head_.position;
  bool is_cut = false;
  const auto look = [&](std::string_view key, std::optional<std::string_view> value) {
    if (records_left_ == 0) {
      is_cut = true;
      return false;
    }
    --records_left_;
    next = key;
    next.push_back('\0');
    visit(key, value);
    return true;
  };
  require_readable(parts_.state.scan(head_.position, kind_end, look), damaged_met_);
  head_.position = std::move(next);
  return !is_cut;
}

bool Sweep::sweep_cursors(Effects& effects) {
  struct Seen {
    UserId user;
    DeviceId device;
    CursorRecord cursor;
  };
  std::vector<Seen> seen;
  parts_.cursors.write_back();
  const bool is_end = take(end_of(kCursors), [&](std::string_view key, std::optional<std::string_view> value) {
    auto cursor = value.has_value() ? decode_cursor_record(*value) : fail(ErrorCode::kCorrupt, "cursor", "");
    if (!cursor.has_value()) {  // it is mended at the device's next login
      ++damaged_met_;
      return;
    }
    const UserId user = keys::user_of(key);
    seen.push_back(Seen{user, keys::device_of(key, user), std::move(*cursor)});
  });
  for (const Seen& one : seen) end_idle(one.user, one.device, one.cursor, effects);
  return is_end;
}

void Sweep::end_idle(const UserId& user, const DeviceId& device, const CursorRecord& cursor, Effects& effects) {
  if (cursor.last_seen_ms == 0) {  // from before the first tick: counts from now
    if (CursorRecord* changed = parts_.cursors.edit(user, device)) changed->last_seen_ms = tick_ms_;
    return;
  }
  if (tick_ms_ < head_.spares_until_ms) return;
  if (is_idle(cursor.last_seen_ms, parts_.policies.of(user).device_idle_ms, tick_ms_)) {
    parts_.devices.remove(user, device, tick_ms_, effects);
  } else if (cursor.producer != ProducerId() && is_idle(cursor.last_seen_ms, limits_.producer_idle_ms_max, tick_ms_)) {
    parts_.cursors.forget_producer(user, device, tick_ms_);
  }
}

bool Sweep::sweep_forgotten_producers(Effects& effects) {
  std::vector<ProducerId> producers;
  const std::string position = head_.position;
  const bool is_end =
      take(end_of(kForgottenProducers), [&](std::string_view key, std::optional<std::string_view> value) {
        // Damage may have made it another producer's key, one that is in use.
        if (value.has_value() && value->empty()) {  // as it was written at first: since long ago
          producers.push_back(keys::producer_of(key));
          return;
        }
        const auto record = value.has_value() ? decode_forgotten_producer(*value) : fail(ErrorCode::kCorrupt, "", "");
        if (!record.has_value()) {
          ++damaged_met_;
        } else if (record->since_ms + limits_.forgotten_producer_ms <= tick_ms_) {
          producers.push_back(keys::producer_of(key));
        }
      });
  if (producers.empty()) return is_end;
  if (!parts_.outbox.has_room(shard_count_ - 1u)) {
    head_.position = position;
    postponed_until_ms_ = tick_ms_ + limits::kSweepIntervalMsMin;
    return false;
  }
  for (std::uint16_t n = 0; n < shard_count_; ++n) {
    const ShardId target(n);
    if (target == shard_) continue;
    parts_.outbox.push(target, OutboxRecord{OutboxCause::kForgetProducers, {}, {}, producers});
    effects.outbox_targets.push_back(target);
  }
  for (const ProducerId producer : producers) {
    parts_.lanes.forget(producer);
    parts_.state.erase(keys::forgotten_producer(producer));
  }
  return is_end;
}

bool Sweep::sweep_mailboxes(Effects& effects) {
  std::vector<UserId> users;
  parts_.mailboxes.write_back();
  // Half of the records are left for what is in the mailboxes.
  const std::size_t kept_back = records_left_ / 2;
  records_left_ -= kept_back;
  const bool is_end = take(end_of(kMailboxes), [&](std::string_view key, std::optional<std::string_view>) {
    users.push_back(keys::user_of(key));
  });
  records_left_ += kept_back;
  for (const UserId& user : users) {
    const auto trimmed = parts_.retention.trim(user, tick_ms_, records_left_, effects);
    records_left_ -= trimmed.looked;
    // A front of nothing but damaged records would hold the round for ever.
    const bool is_stuck = &user == &users.front() && trimmed.looked > 0 && !trimmed.has_moved;
    if (trimmed.is_done || is_stuck) continue;
    head_.position = keys::mailbox_head(user);
    return false;
  }
  return is_end;
}

bool Sweep::sweep_policies() {
  parts_.policies.write_back();
  return take(end_of(kPolicies), [this](std::string_view, std::optional<std::string_view> value) {
    const auto policy = value.has_value() ? decode_policy_record(*value) : fail(ErrorCode::kCorrupt, "policy", "");
    if (!policy.has_value()) {
      ++doubts_;
      return;
    }
    shorten_interval(*policy);
  });
}

void Sweep::shorten_interval(const Policy& policy) {
  for (const std::uint64_t time_ms : {policy.retention_age_ms, policy.device_idle_ms, limits_.producer_idle_ms_max}) {
    if (time_ms == 0) continue;
    const std::uint64_t wanted_ms = std::max(time_ms / kRoundsPerTime, limits::kSweepIntervalMsMin);
    head_.interval_ms = std::min(head_.interval_ms, wanted_ms);
  }
}

}  // namespace earshot::cluster
