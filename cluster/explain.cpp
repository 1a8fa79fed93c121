#include "cluster/explain.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/limits.hpp"
#include "storage/keys.hpp"

namespace earshot::cluster {
namespace {

// When a message ended that nobody has come by to clear away.
std::uint64_t end_of(const MailboxRecord& record, LostReason reason, const EndRules& rules) {
  if (record.ended != LostReason::kUnknown) return record.ended_at_ms;
  return reason == LostReason::kExpired ? record.expires_at_ms : record.stored_at_ms + rules.retention_age_ms;
}

void tell(MailboxRecord record, const EndRules& rules, Explanation& explanation) {
  const auto reason = ended_reason(record, rules);
  explanation.kept = !reason.has_value();
  if (reason.has_value()) {
    explanation.ended_reason = *reason;
    explanation.ended_at_ms = end_of(record, *reason, rules);
  }
  explanation.body_bytes = static_cast<std::uint32_t>(record.body.size());
  record.body.clear();
  explanation.message = incoming_of(explanation.message.sequence, std::move(record));
}

}  // namespace

Result<Sequence> find_message(storage::ShardState& state, const UserId& user, const MailboxHead& head, MessageId id,
                              std::size_t messages_max) {
  std::size_t messages = 0;
  std::size_t bytes = 0;
  std::optional<Sequence> found;
  const auto visit = [&](std::string_view key, std::optional<std::string_view> value) {
    if (messages == messages_max || bytes > limits::kExplainBytesMax) return false;
    ++messages;
    if (!value.has_value()) return true;
    bytes += value->size();
    const auto message_id = decode_message_id(*value);
    if (message_id.has_value() && *message_id == id) found = storage::keys::sequence_of(key);
    return !found.has_value();
  };
  auto scanned =
      state.scan_back(storage::keys::message(user, head.first), storage::keys::message(user, head.last.next()), visit);
  if (!scanned.has_value()) return fail(std::move(scanned.error()));
  if (found.has_value()) return *found;
  return fail(ErrorCode::kNotFound, "id", "not among the newest " + std::to_string(messages) + " messages");
}

Result<Explanation> explain(Mailboxes& mailboxes, Devices& devices, const UserId& user, Sequence sequence,
                            const EndRules& rules) {
  const auto head = mailboxes.head_for_reading(user);
  if (!head.has_value()) return fail(head.error());
  if (sequence == Sequence() || sequence > head->last) {
    return fail(ErrorCode::kNotFound, "sequence", "the mailbox's last sequence is " + std::to_string(head->last.value));
  }
  Explanation explanation;
  explanation.user = user;
  explanation.message.sequence = sequence;
  if (sequence < head->first) {
    explanation.ended_reason = gone_reason(*head);
  } else if (auto record = mailboxes.message(user, sequence); record.has_value()) {
    tell(std::move(*record), rules, explanation);
  } else if (record.error().code == ErrorCode::kCorrupt) {
    explanation.ended_reason = LostReason::kCorrupt;
  } else if (record.error().code != ErrorCode::kNotFound) {
    return fail(std::move(record.error()));
  }
  auto fates = devices.fates(user, sequence);
  if (!fates.has_value()) return fail(std::move(fates.error()));
  explanation.devices = std::move(*fates);
  return explanation;
}

}  // namespace earshot::cluster
