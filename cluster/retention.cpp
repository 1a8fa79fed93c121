#include "cluster/retention.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cluster/batch_reader.hpp"
#include "cluster/readable.hpp"
#include "storage/keys.hpp"

namespace earshot::cluster {

namespace keys = storage::keys;

namespace {

void add_ended(Effects& effects, const UserId& user, Sequence sequence, LostReason reason) {
  if (!effects.ended.empty() && effects.ended.back().user == user) {
    LostRange& range = effects.ended.back().range;
    if (range.reason == reason && range.last.next() == sequence) {
      range.last = sequence;
      return;
    }
  }
  effects.ended.push_back(EndedMessages{user, {sequence, sequence, reason}});
}

// A record at the front of a mailbox that goes.
struct Going {
  Sequence sequence;
  LostReason reason = LostReason::kTrimmed;
  bool is_news = true;              // false: a tombstone, told when it became one
  std::uint64_t expires_at_ms = 0;  // has an expiry of its own still
};

}  // namespace

// Finds out how far a mailbox's front is over. A damaged record says nothing of itself: it goes when there are too
// many, or when one behind it is over by its age or time.
struct Retention::Front {
  EndRules rules;
  std::uint64_t kept_max;  // 0: any number
  MailboxHead head;
  std::uint64_t incoming;

  std::size_t looked = 0;
  std::size_t damaged = 0;  // of them
  bool is_cut = false;      // there may be more to look at
  bool met_living = false;
  bool met_gap = false;
  Sequence next = head.first;
  Sequence end = head.first;
  std::vector<Going> going = {};
  std::vector<Going> pending = {};  // damaged, not yet decided

  [[nodiscard]] bool is_too_many(Sequence sequence) const {
    return kept_max != 0 && head.last.value + incoming >= kept_max &&
           sequence.value <= head.last.value + incoming - kept_max;
  }

  // False: this one lives.
  bool look(Sequence sequence, std::optional<std::string_view> value) {
    ++looked;
    met_gap = met_gap || sequence != next;
    next = sequence.next();
    const auto record = sound_record(value);
    if (!record.has_value()) ++damaged;
    std::optional<LostReason> reason = record.has_value() ? ended_reason(*record, rules) : std::nullopt;
    if (!reason.has_value() && is_too_many(sequence)) reason = LostReason::kTrimmed;
    if (!record.has_value() && !reason.has_value()) {
      pending.push_back(Going{sequence});
      return true;
    }
    if (!reason.has_value()) return false;
    going.insert(going.end(), pending.begin(), pending.end());
    pending.clear();
    const bool is_news = !record.has_value() || record->ended == LostReason::kUnknown;
    going.push_back(Going{sequence, *reason, is_news, record.has_value() && is_news ? record->expires_at_ms : 0});
    end = sequence.next();
    return true;
  }

  // What is missing has no record to look at.
  void finish() {
    met_gap = met_gap || (!is_cut && !met_living && next <= head.last);
    if (is_cut || kept_max == 0 || head.last.value + incoming < kept_max) return;
    end = std::max(end, std::min(Sequence(head.last.value + incoming - kept_max + 1), head.last.next()));
  }

  [[nodiscard]] LostReason reason() const {
    const auto has_expired = [](const Going& one) { return one.reason == LostReason::kExpired; };
    const bool all_expired =
        going.size() == end.value - head.first.value && std::all_of(going.begin(), going.end(), has_expired);
    return all_expired ? LostReason::kExpired : LostReason::kTrimmed;
  }
};

Retention::Retention(storage::ShardState& state, Mailboxes& mailboxes, Policies& policies, MessageExpiryIndex& expiries,
                     const MachineLimits& limits, const MachineFaults& faults)
    : state_(state),
      mailboxes_(mailboxes),
      policies_(policies),
      expiries_(expiries),
      expiries_per_entry_max_(limits.expiries_per_entry_max),
      trims_per_append_max_(limits.trims_per_append_max),
      faults_(faults) {}

void Retention::end_due(std::uint64_t tick_ms, Effects& effects) {
  std::size_t records_left = expiries_per_entry_max_;
  for (const keys::Expiry& due : expiries_.due(tick_ms, expiries_per_entry_max_)) {
    expiries_.remove(due);
    if (end(due, tick_ms, effects) && records_left > 0) {
      records_left -= trim(due.user, tick_ms, records_left, effects).looked;
    }
  }
}

// Whether the message that has ended stands at the front of its mailbox.
bool Retention::end(const keys::Expiry& due, std::uint64_t tick_ms, Effects& effects) {
  const auto head = mailboxes_.head(due.user);
  if (!head.has_value()) return false;
  auto record = mailboxes_.message(due.user, due.sequence);
  if (!record.has_value()) {
    if (record.error().code != ErrorCode::kNotFound)
      require_readable(fail(record.error()), damaged_met_);
    else
      ++missed_;
    return false;
  }
  record->body.clear();
  record->body.shrink_to_fit();
  record->ended = LostReason::kExpired;
  record->ended_at_ms = tick_ms;
  state_.put(keys::message(due.user, due.sequence), encode(*record));
  add_ended(effects, due.user, due.sequence, LostReason::kExpired);
  return due.sequence == head->first;
}

void Retention::make_room(const UserId& user, std::uint64_t tick_ms, Effects& effects) {
  const Policy policy = policies_.of(user);
  if (policy.retention_age_ms == 0 && policy.retention_messages == 0) return;
  trim(user, policy, 1, tick_ms, trims_per_append_max_, effects);
}

Retention::Trimmed Retention::trim(const UserId& user, std::uint64_t tick_ms, std::size_t records_max,
                                   Effects& effects) {
  return trim(user, policies_.of(user), 0, tick_ms, records_max, effects);
}

Retention::Trimmed Retention::trim(const UserId& user, const Policy& policy, std::uint64_t incoming,
                                   std::uint64_t tick_ms, std::size_t records_max, Effects& effects) {
  const auto head = mailboxes_.head(user);
  if (!head.has_value() || head->first > head->last) return {};
  if (faults_.trims_one_too_many) ++incoming;
  Front front{{tick_ms, policy.retention_age_ms}, policy.retention_messages, *head, incoming};
  std::vector<std::string> strays;  // what their damaged keys stood for is missing; they go with those around them
  const auto visit = [&](std::string_view key, std::optional<std::string_view> value) {
    if (front.looked >= records_max) {
      front.is_cut = true;
      return false;
    }
    if (const auto sequence = sequence_at(user, key, value)) {
      front.met_living = !front.look(*sequence, value);
      return !front.met_living;
    }
    ++front.looked;
    strays.emplace_back(key);
    return true;
  };
  const Status scanned = state_.scan(keys::message(user, head->first), keys::message(user, head->last.next()), visit);
  require_readable(scanned, damaged_met_);
  doubts_ += front.damaged + strays.size();
  if (scanned.has_value()) front.finish();
  if (front.met_gap) ++missed_;
  if (front.end > head->first) {
    const std::string end_key = keys::message(user, front.end);
    for (const std::string& stray : strays) {
      if (stray >= end_key) continue;
      state_.erase(stray);
      ++damaged_met_;
    }
    for (const Going& one : front.going) {
      state_.erase(keys::message(user, one.sequence));
      if (one.expires_at_ms != 0) expiries_.remove(keys::Expiry{one.expires_at_ms, user, one.sequence});
      if (one.is_news) add_ended(effects, user, one.sequence, one.reason);
    }
    mailboxes_.move_first(user, front.end, front.reason());
  }
  return Trimmed{front.looked, !front.is_cut, front.end > head->first};
}

}  // namespace earshot::cluster
