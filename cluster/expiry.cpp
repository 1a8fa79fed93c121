#include "cluster/expiry.hpp"

#include <algorithm>
#include <string>
#include <string_view>

#include "cluster/readable.hpp"

namespace earshot::cluster {

namespace keys = storage::keys;

namespace {

constexpr std::uint64_t kRetryDamagedMs = 60'000;

}  // namespace

std::optional<LostReason> ended_reason(const MailboxRecord& record, const EndRules& rules) {
  if (record.ended != LostReason::kUnknown) return record.ended;
  if (record.expires_at_ms != 0 && record.expires_at_ms <= rules.tick_ms) return LostReason::kExpired;
  // What was stored before the first tick has no known age.
  const bool has_age = record.stored_at_ms != 0 && record.stored_at_ms <= rules.tick_ms;
  if (rules.retention_age_ms != 0 && has_age && rules.tick_ms - record.stored_at_ms >= rules.retention_age_ms) {
    return LostReason::kTrimmed;
  }
  return std::nullopt;
}

void ExpiryIndex::add(const keys::Expiry& expiry) {
  state_.put(keys::expiry(expiry), {});
  next_ms_ = next_ms_ == 0 ? expiry.at_ms : std::min(next_ms_, expiry.at_ms);
}

void ExpiryIndex::remove(const keys::Expiry& expiry) {
  state_.erase(keys::expiry(expiry));
  if (expiry.at_ms == next_ms_) is_stale_ = true;
}

std::vector<keys::Expiry> ExpiryIndex::due(std::uint64_t tick_ms, std::size_t count_max) {
  std::vector<keys::Expiry> due;
  if (next_ms_ == 0 || next_ms_ > tick_ms) return due;
  std::vector<std::string> damaged;  // there is nothing but the key, and it may be another's
  const auto visit = [&](std::string_view key, std::optional<std::string_view> value) {
    if (due.size() + damaged.size() == count_max) return false;
    if (value.has_value()) {
      due.push_back(keys::expiry_of(key));
    } else {
      damaged.emplace_back(key);
    }
    return true;
  };
  const Status scanned = state_.scan("E", keys::expiries_to(tick_ms), visit);
  require_readable(scanned, damaged_met_);
  damaged_met_ += damaged.size();
  for (const std::string& key : damaged) state_.erase(key);
  // What cannot be read is not looked for at every tick; and the next moment need not have been that of a sound mark.
  if (scanned.has_value()) {
    is_stale_ = true;
  } else {
    next_ms_ = tick_ms + kRetryDamagedMs;
  }
  return due;
}

void ExpiryIndex::refresh(std::uint64_t tick_ms) {
  if (!is_stale_) return;
  const Status found = find_next();
  require_readable(found, damaged_met_);
  if (!found.has_value()) next_ms_ = tick_ms + kRetryDamagedMs;
}

Status ExpiryIndex::find_next() {
  next_ms_ = 0;
  is_stale_ = false;
  return state_.scan("E", keys::expiries_to(UINT64_MAX),
                     [&](std::string_view key, std::optional<std::string_view> value) {
                       if (!value.has_value()) return true;  // not worth a tick of its own
                       next_ms_ = keys::expiry_of(key).at_ms;
                       return false;
                     });
}

}  // namespace earshot::cluster
