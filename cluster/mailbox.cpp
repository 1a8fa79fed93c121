#include "cluster/mailbox.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "cluster/batch_reader.hpp"
#include "storage/keys.hpp"

namespace earshot::cluster {
namespace {

Error damaged_head() { return Error{ErrorCode::kCorrupt, "mailbox", "the mailbox's head is damaged"}; }

}  // namespace

LostReason gone_reason(const MailboxHead& head) {
  return head.gone_reason == LostReason::kUnknown ? LostReason::kTrimmed : head.gone_reason;
}

std::string MailboxHeadTraits::key_of(const UserId& user) { return storage::keys::mailbox_head(user); }

Mailboxes::Mailboxes(storage::ShardState& state, const MachineLimits& limits)
    : state_(state),
      heads_(state, limits.cache_bytes_max),
      messages_max_(limits.mailbox_messages_max),
      lost_ranges_max_(limits.lost_ranges_max) {}

Result<MailboxHead> Mailboxes::head_of(const UserId& user, const Entry& entry) {
  if (entry.is_damaged()) return fail(damaged_head());
  if (entry.get() != nullptr) return *entry.get();
  // A user never heard of, or one whose head is lost: damage to its key makes it another's.
  const auto left = is_left_without_head(user);
  if (!left.has_value()) return fail(left.error());
  if (*left) return fail(ErrorCode::kCorrupt, "mailbox", "the mailbox's head is lost");
  return MailboxHead();
}

Result<bool> Mailboxes::is_left_without_head(const UserId& user) {
  bool left = false;
  const auto visit = [&left](std::string_view, std::optional<std::string_view>) {
    left = true;
    return false;
  };
  namespace keys = storage::keys;
  auto scanned = state_.scan(keys::message(user, Sequence()), keys::message(user, Sequence(UINT64_MAX)), visit);
  if (scanned.has_value() && !left) scanned = state_.scan(keys::cursors_from(user), keys::cursors_to(user), visit);
  if (!scanned.has_value()) return fail(std::move(scanned.error()));
  return left;
}

Result<MailboxHead> Mailboxes::require_head(const UserId& user, const Entry& entry) {
  auto head = head_of(user, entry);
  if (!head.has_value() && !entry.is_damaged()) ++missing_met_;  // a damaged one was counted when it was met
  return head;
}

Result<MailboxHead> Mailboxes::head(const UserId& user) { return require_head(user, heads_.require(user)); }

void Mailboxes::count_device(const UserId& user) { ++heads_.edit(heads_.require(user)).devices; }

void Mailboxes::discount_device(const UserId& user) {
  std::uint32_t& devices = heads_.edit(heads_.require(user)).devices;
  if (devices > 0) --devices;
}

void Mailboxes::move_first(const UserId& user, Sequence first, LostReason reason) {
  MailboxHead& head = heads_.edit(heads_.require(user));
  const bool is_new = head.first == Sequence(1);
  head.gone_reason = is_new || head.gone_reason == reason ? reason : LostReason::kTrimmed;
  head.first = first;
}

Result<std::shared_ptr<const IncomingMessage>> Mailboxes::append(const UserId& user, MailboxRecord record) {
  Entry& entry = heads_.require(user);
  const Result<MailboxHead> before = require_head(user, entry);
  if (!before.has_value()) return fail(before.error());
  if (before->last.value + 1 - before->first.value >= messages_max_) {
    return fail(ErrorCode::kMailboxFull, "recipient",
                "mailbox_messages_max (" + std::to_string(messages_max_) + ") messages are kept");
  }
  const Sequence sequence = before->last.next();
  heads_.edit(entry).last = sequence;
  state_.put(storage::keys::message(user, sequence), encode(record));
  return std::make_shared<const IncomingMessage>(incoming_of(sequence, std::move(record)));
}

Result<MailboxHead> Mailboxes::head_for_reading(const UserId& user) {
  auto entry = heads_.load(user);
  if (!entry.has_value()) return fail(std::move(entry.error()));
  return head_of(user, **entry);
}

Result<MailboxRecord> Mailboxes::message(const UserId& user, Sequence sequence) {
  auto stored = state_.get(storage::keys::message(user, sequence));
  if (!stored.has_value() && stored.error().code != ErrorCode::kCorrupt) return fail(std::move(stored.error()));
  if (stored.has_value() && !stored->has_value()) return fail(ErrorCode::kNotFound, "sequence", "the message is gone");
  auto record = sound_record(stored.has_value() ? std::optional<std::string_view>(**stored) : std::nullopt);
  if (!record.has_value()) return fail(ErrorCode::kCorrupt, "sequence", "the stored message is damaged");
  return std::move(*record);
}

// Damage inside the tree of records ends a scan, but what hangs beside it is still found by its key.
Result<bool> Mailboxes::take_by_key(const UserId& user, Sequence sequence, BatchReader& reader) {
  const auto stored = state_.get(storage::keys::message(user, sequence));
  if (!stored.has_value() && stored.error().code != ErrorCode::kCorrupt) return fail(stored.error());
  std::optional<std::string_view> value;
  if (stored.has_value() && stored->has_value()) value = **stored;
  return reader.take(sequence, value, {sequence.next(), sequence, LostReason::kUnknown});
}

Result<Batch> Mailboxes::fetch(const UserId& user, Sequence after, BatchBounds bounds, const EndRules& rules,
                               Epoch epoch) {
  const auto head = head_for_reading(user);
  if (!head.has_value()) return fail(head.error());
  Batch batch{epoch, {}, {}, head->last};
  if (bounds.records_max == 0 || after >= head->last) return batch;

  Sequence next = after.next();
  if (next < head->first) {
    add_lost(batch.lost, {next, head->first.previous(), gone_reason(*head)});
    next = head->first;
  }
  bounds.lost_ranges_max = lost_ranges_max_;
  BatchReader reader(batch, bounds, rules);
  const auto visit = [&](std::string_view key, std::optional<std::string_view> value) {
    const auto sequence = sequence_at(user, key, value);
    if (!sequence.has_value()) return true;
    if (!reader.take(*sequence, value, {next, sequence->previous(), LostReason::kUnknown})) return false;
    next = sequence->next();
    return true;
  };
  auto scanned =
      state_.scan(storage::keys::message(user, next), storage::keys::message(user, head->last.next()), visit);
  if (!scanned.has_value() && scanned.error().code != ErrorCode::kCorrupt) return fail(std::move(scanned.error()));
  while (!scanned.has_value() && !reader.is_full() && next <= head->last) {
    const auto taken = take_by_key(user, next, reader);
    if (!taken.has_value()) return fail(taken.error());
    if (*taken) next = next.next();
  }
  if (!reader.is_full() && next <= head->last) add_lost(batch.lost, {next, head->last, LostReason::kUnknown});
  return batch;
}

Result<Batch> Mailboxes::history(const UserId& user, Sequence before, BatchBounds bounds, const EndRules& rules,
                                 Epoch epoch) {
  const auto head = head_for_reading(user);
  if (!head.has_value()) return fail(head.error());
  Batch batch{epoch, {}, {}, head->last};
  if (bounds.records_max == 0) return batch;

  // Everything above `top` is taken or not asked for.
  Sequence top = before == Sequence() ? head->last : std::min(before.previous(), head->last);
  bounds.lost_ranges_max = lost_ranges_max_ > 1 ? lost_ranges_max_ - 1 : 1;  // two ranges may follow the last record
  BatchReader reader(batch, bounds, rules);
  const auto visit = [&](std::string_view key, std::optional<std::string_view> value) {
    const auto sequence = sequence_at(user, key, value);
    if (!sequence.has_value()) return true;
    if (!reader.take(*sequence, value, {sequence->next(), top, LostReason::kUnknown})) return false;
    top = sequence->previous();
    return true;
  };
  if (top >= head->first) {
    auto scanned =
        state_.scan_back(storage::keys::message(user, head->first), storage::keys::message(user, top.next()), visit);
    if (!scanned.has_value() && scanned.error().code != ErrorCode::kCorrupt) return fail(std::move(scanned.error()));
    while (!scanned.has_value() && !reader.is_full() && top >= head->first) {
      const auto taken = take_by_key(user, top, reader);
      if (!taken.has_value()) return fail(taken.error());
      if (*taken) top = top.previous();
    }
  }
  if (!reader.is_full() && top >= head->first) {
    add_lost(batch.lost, {head->first, top, LostReason::kUnknown});
    top = head->first.previous();
  }
  if (const auto rest = std::min<std::uint64_t>(reader.room(), top.value); top < head->first && rest > 0) {
    add_lost(batch.lost, {Sequence(top.value - rest + 1), top, gone_reason(*head)});
  }
  std::reverse(batch.messages.begin(), batch.messages.end());
  std::reverse(batch.lost.begin(), batch.lost.end());
  return batch;
}

}  // namespace earshot::cluster
