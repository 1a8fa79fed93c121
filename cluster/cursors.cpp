#include "cluster/cursors.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "cluster/parked.hpp"
#include "storage/keys.hpp"

namespace earshot::cluster {
namespace {

// Moves `up_to` over what stands directly above it and drops from `above` (ascending, without repeats) what it has
// passed.
void fold(Sequence& up_to, std::vector<Sequence>& above) {
  auto kept = above.begin();
  while (kept != above.end() && *kept <= up_to.next()) up_to = std::max(up_to, *kept++);
  above.erase(above.begin(), kept);
}

// Both, ascending and without repeats; of `given` (any order) only what lies in (up_to, last].
std::vector<Sequence> merged(const std::vector<Sequence>& known, std::vector<Sequence> given, Sequence up_to,
                             Sequence last) {
  std::erase_if(given, [&](Sequence s) { return s <= up_to || s > last; });
  given.insert(given.end(), known.begin(), known.end());
  std::sort(given.begin(), given.end());
  given.erase(std::unique(given.begin(), given.end()), given.end());
  return given;
}

// What is acked needs no counting of its deliveries.
void forget_attempts(CursorRecord& cursor) {
  if (cursor.attempts.empty()) return;
  std::erase_if(cursor.attempts, [&cursor](const auto& attempt) { return is_acked(cursor, attempt.sequence); });
}

// A producer id is unique in the cluster: the shard that gave it stands in its low 16 bits.
ProducerId new_producer(ShardId shard, ShardHead& head) {
  return ProducerId((head.next_producer++ << 16) | shard.value);
}

}  // namespace

bool is_acked(const CursorRecord& cursor, Sequence sequence) {
  return sequence <= cursor.up_to || std::binary_search(cursor.above.begin(), cursor.above.end(), sequence);
}

std::string CursorTraits::key_of(const DeviceKey& key) { return storage::keys::cursor(key.user, key.device); }

std::size_t CursorTraits::bytes_of(const CursorRecord& cursor) {
  return sizeof(CursorRecord) + cursor.above.size() * sizeof(Sequence) +
         cursor.attempts.size() * sizeof(CursorRecord::Attempt) + cursor.marks.size() * sizeof(CursorRecord::AckMark);
}

Cursors::Cursors(storage::ShardState& state, Mailboxes& mailboxes, LastLogins& last_logins, const MachineLimits& limits)
    : state_(state),
      mailboxes_(mailboxes),
      last_logins_(last_logins),
      cache_(state, limits.cache_bytes_max),
      devices_max_(limits.devices_per_user_max),
      selective_acks_max_(limits.selective_acks_max),
      ack_marks_max_(limits.ack_marks_max) {
  EARSHOT_INVARIANT(limits.attempts_kept_max <= limits::kAttemptsKeptMax && ack_marks_max_ <= limits::kAckMarksMax,
                    "a cursor fits its record");
}

Result<LoginOutcome> Cursors::login(const LoginCommand& command, ShardId shard, ShardHead& head) {
  const auto mailbox = mailboxes_.head(command.user);
  if (!mailbox.has_value()) return fail(mailbox.error());

  const DeviceKey key{command.user, command.device};
  auto& entry = cache_.require(key);
  const CursorRecord* before = entry.get();
  const bool is_absent = before == nullptr;
  const bool is_late = is_absent ? last_logins_.has_removed_later(command.user, command.device, command.order)
                                 : command.order.is_before(before->last_login);
  if (is_late) return fail(ErrorCode::kSessionReplaced, "loginNumber", "a later login of this store came first");
  const bool is_damaged = entry.is_damaged();
  const bool is_new = is_absent && !is_damaged;
  if (is_new && mailbox->devices >= devices_max_) {
    return fail(ErrorCode::kTooLarge, "device",
                "the user has devices_per_user_max (" + std::to_string(devices_max_) + ") devices");
  }
  CursorRecord& cursor = cache_.edit(entry);
  if (is_new) mailboxes_.count_device(command.user);
  if (is_absent) {
    const bool wants_newest = is_new && command.start_at == StartAt::kNewest;
    cursor.up_to = wants_newest ? mailbox->last : mailbox->first.previous();
    mark(cursor, head.now_ms);
  }
  if (is_damaged) cursor.parked = count_parked(state_, command.user, command.device, damaged_met_);
  const Sequence reported = std::min(command.last_received, mailbox->last);
  if (command.epoch == head.epoch && reported > cursor.up_to) {
    cursor.up_to = reported;
    fold(cursor.up_to, cursor.above);
    forget_attempts(cursor);
    mark(cursor, head.now_ms);
  }
  // One that comes again, because its answer was lost, gets the producer that it got before.
  const bool is_repeat = !is_absent && command.order.store != 0 && command.order == cursor.last_login;
  const bool knows_producer = command.producer != ProducerId() && command.producer == cursor.producer;
  if (!knows_producer && !(is_repeat && cursor.producer != ProducerId())) {
    note_forgotten(cursor.producer, head.now_ms);
    cursor.producer = new_producer(shard, head);
  }
  cursor.last_seen_ms = head.now_ms;
  cursor.last_login = command.order;
  return LoginOutcome{cursor.producer, !knows_producer, head.epoch,  mailbox->last,
                      cursor.up_to,    mailbox->last,   cursor.above};
}

Result<Sequence> Cursors::ack(const AckCommand& command, std::uint64_t now_ms) {
  const auto mailbox = mailboxes_.head(command.user);
  if (!mailbox.has_value()) return fail(mailbox.error());
  const DeviceKey key{command.user, command.device};
  auto& entry = cache_.require(key);
  if (entry.is_damaged()) return fail(ErrorCode::kCorrupt, "cursor", "the device's cursor is damaged: log in again");
  const CursorRecord* before = entry.get();
  if (before == nullptr) return fail(ErrorCode::kNotFound, "device", "this device never logged in");
  if (command.up_to > mailbox->last) {
    return fail(ErrorCode::kInvalidArgument, "upTo",
                "the mailbox's last sequence is " + std::to_string(mailbox->last.value));
  }

  Sequence up_to = std::max(before->up_to, command.up_to);
  std::vector<Sequence> above = merged(before->above, command.above, up_to, mailbox->last);
  fold(up_to, above);
  if (above.size() > selective_acks_max_) {
    return fail(
        ErrorCode::kTooLarge, "above",
        "selective_acks_max (" + std::to_string(selective_acks_max_) + ") sequences are acked beyond the cursor");
  }
  if (up_to == before->up_to && above == before->above) return up_to;
  CursorRecord& cursor = cache_.edit(entry);
  const bool has_moved = up_to != cursor.up_to;
  cursor.up_to = up_to;
  cursor.above = std::move(above);
  cursor.last_seen_ms = now_ms;
  forget_attempts(cursor);
  if (has_moved) mark(cursor, now_ms);
  return up_to;
}

const CursorRecord* Cursors::find(const UserId& user, const DeviceId& device) {
  return cache_.require(DeviceKey{user, device}).get();
}

bool Cursors::has(const UserId& user, const DeviceId& device) {
  const auto& entry = cache_.require(DeviceKey{user, device});
  return entry.get() != nullptr || entry.is_damaged();
}

CursorRecord* Cursors::edit(const UserId& user, const DeviceId& device) {
  auto& entry = cache_.require(DeviceKey{user, device});
  return entry.get() != nullptr ? &cache_.edit(entry) : nullptr;
}

void Cursors::remove(const UserId& user, const DeviceId& device, std::uint64_t now_ms) {
  if (const CursorRecord* cursor = find(user, device)) {
    note_forgotten(cursor->producer, now_ms);
    last_logins_.note_removed(user, device, cursor->last_login, now_ms);
  }
  cache_.erase(DeviceKey{user, device});
}

void Cursors::forget_producer(const UserId& user, const DeviceId& device, std::uint64_t now_ms) {
  if (CursorRecord* cursor = edit(user, device)) note_forgotten(std::exchange(cursor->producer, ProducerId()), now_ms);
}

void Cursors::note_forgotten(ProducerId producer, std::uint64_t now_ms) {
  if (producer == ProducerId()) return;
  state_.put(storage::keys::forgotten_producer(producer), encode(ForgottenProducer{now_ms}));
}

// Notes when the cursor got here. Of more marks than may be kept the newer half stays exact and of the older half every
// other one goes: the longer ago, the coarser, and the first one stays.
void Cursors::mark(CursorRecord& cursor, std::uint64_t now_ms) const {
  auto& marks = cursor.marks;
  if (!marks.empty() && marks.back().at_ms == now_ms) {
    marks.back().up_to = cursor.up_to;
    return;
  }
  marks.push_back({cursor.up_to, now_ms});
  if (marks.size() <= ack_marks_max_) return;
  std::vector<CursorRecord::AckMark> kept;
  const std::size_t older = (marks.size() + 1) / 2;
  for (std::size_t i = 0; i < marks.size(); ++i) {
    if (i >= older || i % 2 == 0) kept.push_back(marks[i]);
  }
  marks = std::move(kept);
}

}  // namespace earshot::cluster
