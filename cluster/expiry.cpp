#include "cluster/expiry.hpp"

namespace earshot::cluster {

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

}  // namespace earshot::cluster
