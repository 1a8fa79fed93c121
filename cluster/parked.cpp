#include "cluster/parked.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "base/limits.hpp"
#include "cluster/readable.hpp"
#include "storage/keys.hpp"

namespace earshot::cluster {

namespace keys = storage::keys;

namespace {

// Visits the parked records of a device with sequence > after.
Status scan_parked(storage::ShardState& state, const UserId& user, const DeviceId& device, Sequence after,
                   const storage::ShardState::Visit& visit) {
  if (after == Sequence(UINT64_MAX)) return {};
  std::string to = keys::parked(user, device, Sequence(UINT64_MAX));
  to.push_back('\0');
  return state.scan(keys::parked(user, device, after.next()), to, visit);
}

// What a record says, no value: a damaged one. Nothing: it is not believed.
std::optional<ParkedRecord> believed(std::optional<std::string_view> value, const CursorRecord& cursor,
                                     Sequence sequence) {
  if (value.has_value()) {
    if (const auto record = decode_parked_record(*value)) return *record;
  }
  return is_acked(cursor, sequence) ? std::optional(ParkedRecord{}) : std::nullopt;
}

}  // namespace

std::uint32_t count_parked(storage::ShardState& state, const UserId& user, const DeviceId& device,
                           std::uint64_t& damaged_met) {
  std::uint32_t count = 0;
  const auto visit = [&count](std::string_view, std::optional<std::string_view>) {
    ++count;
    return true;
  };
  require_readable(scan_parked(state, user, device, Sequence(), visit), damaged_met);
  return count;
}

Parked::Parked(storage::ShardState& state, Mailboxes& mailboxes, Cursors& cursors, const MachineLimits& limits)
    : state_(state),
      mailboxes_(mailboxes),
      cursors_(cursors),
      attempts_kept_max_(limits.attempts_kept_max),
      parked_max_(limits.parked_per_device_max),
      messages_max_(limits.mailbox_messages_max) {}

std::vector<Sequence> Parked::note(const AttemptsCommand& command, std::uint32_t deliveries_max, const EndRules& rules,
                                   std::uint64_t now_ms) {
  std::vector<Sequence> told;
  const auto head = mailboxes_.head(command.user);
  CursorRecord* cursor = cursors_.edit(command.user, command.device);
  if (!head.has_value() || cursor == nullptr) return told;

  std::erase_if(cursor->attempts, [&head](const auto& attempt) { return attempt.sequence < head->first; });
  const auto parked =
      cursor->parked > 0 ? sequences(command.user, command.device, cursor->up_to) : std::vector<Sequence>{};
  for (const AttemptsCommand::Note& note : command.notes) count(note, *head, parked, *cursor, told);
  std::ranges::sort(told);
  told.erase(std::ranges::unique(told).begin(), told.end());

  if (deliveries_max == 0) return told;
  std::vector<CursorRecord::Attempt> kept;
  for (const CursorRecord::Attempt& attempt : cursor->attempts) {
    if (attempt.count < deliveries_max) {
      kept.push_back(attempt);
      continue;
    }
    if (!living(command.user, attempt.sequence, rules).has_value()) continue;  // nothing is left to set aside
    if (cursor->parked >= parked_max_) {
      kept.push_back(attempt);
      continue;
    }
    const std::string key = keys::parked(command.user, command.device, attempt.sequence);
    if (!has_record(key)) ++cursor->parked;  // a damaged one was not believed, but is counted
    state_.put(key, encode(ParkedRecord{attempt.count, now_ms}));
    told.push_back(attempt.sequence);
  }
  cursor->attempts = std::move(kept);
  std::ranges::sort(told);
  return told;
}

void Parked::count(const AttemptsCommand::Note& note, const MailboxHead& head, const std::vector<Sequence>& parked,
                   CursorRecord& cursor, std::vector<Sequence>& met) const {
  auto& attempts = cursor.attempts;
  const auto is_in = [](const std::vector<Sequence>& all, Sequence one) {
    return std::binary_search(all.begin(), all.end(), one);
  };
  const Sequence last = std::min(note.last, head.last);
  for (Sequence s = std::max({note.first, head.first, cursor.up_to.next()}); s <= last; s = s.next()) {
    if (attempts.size() == attempts_kept_max_ && s > attempts.back().sequence) break;
    if (is_in(cursor.above, s)) continue;
    if (is_in(parked, s)) {
      met.push_back(s);
      continue;
    }
    auto place = std::lower_bound(attempts.begin(), attempts.end(), s,
                                  [](const CursorRecord::Attempt& a, Sequence b) { return a.sequence < b; });
    if (place == attempts.end() || place->sequence != s) place = attempts.insert(place, CursorRecord::Attempt{s, 0});
    place->count += std::min(note.count, UINT32_MAX - place->count);
    if (attempts.size() > attempts_kept_max_) attempts.pop_back();
  }
}

Status Parked::check_replay(const ReplayCommand& command, const Policy& policy, const EndRules& rules) {
  const auto head = mailboxes_.head(command.user);
  if (!head.has_value()) return fail(head.error());
  if (cursors_.find(command.user, command.device) == nullptr) {
    return fail(ErrorCode::kNotFound, "device", "the user has no such device");
  }
  std::uint64_t messages = 0;
  std::size_t bytes = 0;
  for (const Sequence sequence : command.sequences) {
    const auto message = copy(command.user, command.device, sequence, rules);
    if (!message.has_value()) continue;
    ++messages;
    bytes += message->body.size();
    if (messages > 1 && bytes > limits::kBatchBytesMax) {
      return fail(ErrorCode::kTooLarge, "sequences",
                  "have more bytes of bodies than batch_bytes_max (" + std::to_string(limits::kBatchBytesMax) + ")");
    }
  }
  const bool makes_room = policy.retention_messages != 0 && policy.retention_messages <= messages_max_;
  if (!makes_room && head->last.next().value - head->first.value + messages > messages_max_) {
    return fail(ErrorCode::kMailboxFull, "sequences",
                "mailbox_messages_max (" + std::to_string(messages_max_) + ") messages would be exceeded");
  }
  return {};
}

std::optional<MailboxRecord> Parked::copy(const UserId& user, const DeviceId& device, Sequence sequence,
                                          const EndRules& rules) {
  const CursorRecord* cursor = cursors_.find(user, device);
  if (cursor == nullptr) return std::nullopt;
  const auto stored = state_.get(keys::parked(user, device, sequence));
  const bool is_sound = stored.has_value() && (!stored->has_value() || decode_parked_record(**stored).has_value());
  if (!is_sound) ++doubts_;
  const auto parked = find(user, device, *cursor, sequence);
  if (!parked.has_value() || !parked->has_value()) return std::nullopt;
  auto record = living(user, sequence, rules);
  if (!record.has_value()) return std::nullopt;
  record->expires_at_ms = 0;
  record->replay_of = sequence;
  return record;
}

std::optional<MailboxRecord> Parked::living(const UserId& user, Sequence sequence, const EndRules& rules) {
  auto record = mailboxes_.message(user, sequence);
  if (!record.has_value()) {
    if (record.error().code != ErrorCode::kNotFound) {
      require_readable(fail(record.error()), damaged_met_);
    } else if (const auto head = mailboxes_.head(user); head && sequence >= head->first && sequence <= head->last) {
      ++missed_;  // one that has ended left a tombstone, or is below
    }
    return std::nullopt;
  }
  if (ended_reason(*record, rules).has_value()) return std::nullopt;
  return std::move(*record);
}

bool Parked::has_record(const std::string& key) {
  const auto stored = state_.get(key);
  require_readable(stored.map([](const auto&) {}), damaged_met_);
  return !stored.has_value() || stored->has_value();
}

bool Parked::take(const UserId& user, const DeviceId& device, Sequence sequence) {
  const std::string key = keys::parked(user, device, sequence);
  if (!has_record(key)) return false;
  state_.erase(key);
  CursorRecord* cursor = cursors_.edit(user, device);
  if (cursor != nullptr && cursor->parked > 0) --cursor->parked;
  return true;
}

void Parked::take_all(const UserId& user, const DeviceId& device) {
  std::vector<std::string> all;
  const auto visit = [&all](std::string_view key, std::optional<std::string_view>) {
    all.emplace_back(key);
    return true;
  };
  require_readable(scan_parked(state_, user, device, Sequence(), visit), damaged_met_);
  for (const std::string& key : all) state_.erase(key);
  if (CursorRecord* cursor = cursors_.edit(user, device)) cursor->parked = 0;
}

std::vector<Sequence> Parked::beyond_cursor(const UserId& user, const DeviceId& device) {
  const CursorRecord* cursor = cursors_.find(user, device);
  return cursor != nullptr && cursor->parked > 0 ? sequences(user, device, cursor->up_to) : std::vector<Sequence>{};
}

std::vector<Sequence> Parked::sequences(const UserId& user, const DeviceId& device, Sequence after) {
  std::vector<Sequence> all;
  const auto visit = [&](std::string_view key, std::optional<std::string_view> value) {
    // Damage may have made it another message's key. That is not lost to the device, so this one is delivered again.
    if (value.has_value()) {
      all.push_back(keys::sequence_of(key));
    } else {
      ++damaged_met_;
    }
    return true;
  };
  require_readable(scan_parked(state_, user, device, after, visit), damaged_met_);
  return all;
}

Result<std::optional<ParkedRecord>> Parked::find(const UserId& user, const DeviceId& device, const CursorRecord& cursor,
                                                 Sequence sequence) {
  const auto stored = state_.get(keys::parked(user, device, sequence));
  if (!stored.has_value() && stored.error().code != ErrorCode::kCorrupt) return fail(stored.error());
  if (stored.has_value() && !stored->has_value()) return std::optional<ParkedRecord>{};
  return believed(stored.value_or(std::nullopt), cursor, sequence);
}

Result<std::vector<ParkedMessage>> Parked::list(const UserId& user, const DeviceId& device, const CursorRecord& cursor,
                                                Sequence after, std::size_t limit) {
  std::vector<ParkedMessage> all;
  const auto visit = [&](std::string_view key, std::optional<std::string_view> value) {
    if (all.size() == limit) return false;
    const Sequence sequence = keys::sequence_of(key);
    if (key != keys::parked(user, device, sequence)) return true;
    const auto record = believed(value, cursor, sequence);
    if (!record.has_value()) return true;
    all.push_back(ParkedMessage{device, sequence, record->deliveries, record->parked_at_ms, std::nullopt});
    return true;
  };
  auto scanned = scan_parked(state_, user, device, after, visit);
  if (!scanned.has_value()) return fail(std::move(scanned.error()));
  return all;
}

}  // namespace earshot::cluster
