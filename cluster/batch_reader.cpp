#include "cluster/batch_reader.hpp"

#include <utility>

#include "base/checksum.hpp"
#include "storage/keys.hpp"

namespace earshot::cluster {

std::optional<MailboxRecord> sound_record(std::optional<std::string_view> value) {
  if (!value.has_value()) return std::nullopt;
  auto record = decode_mailbox_record(*value);
  if (!record.has_value()) return std::nullopt;
  const bool has_body = record->ended == LostReason::kUnknown;
  if (has_body && checksum_of(record->body) != record->checksum) return std::nullopt;
  return std::move(*record);
}

std::optional<Sequence> sequence_at(const UserId& user, std::string_view key, std::optional<std::string_view> value) {
  const Sequence sequence = storage::keys::sequence_of(key);
  if (!value.has_value() && key != storage::keys::message(user, sequence)) return std::nullopt;
  return sequence;
}

IncomingMessage incoming_of(Sequence sequence, MailboxRecord record) {
  return IncomingMessage{sequence,
                         std::move(record.sender),
                         std::move(record.sender_device),
                         record.id,
                         std::move(record.body),
                         record.checksum,
                         record.sent_at_ms,
                         record.stored_at_ms,
                         1,
                         std::move(record.copy_of),
                         record.expires_at_ms,
                         record.replay_of};
}

void add_lost(std::vector<LostRange>& lost, LostRange range) {
  if (range.first > range.last) return;
  if (!lost.empty() && lost.back().reason == range.reason) {
    LostRange& neighbour = lost.back();
    if (neighbour.last.next() == range.first) {
      neighbour.last = range.last;
      return;
    }
    if (range.last.next() == neighbour.first) {
      neighbour.first = range.first;
      return;
    }
  }
  lost.push_back(range);
}

bool BatchReader::take(Sequence sequence, std::optional<std::string_view> value, const LostRange& gap) {
  if (records_ == bounds_.records_max) {
    is_full_ = true;
    return false;
  }
  auto record = sound_record(value);
  const std::optional<LostReason> lost =
      record.has_value() ? ended_reason(*record, rules_) : std::optional(LostReason::kCorrupt);
  const std::size_t body_bytes = lost.has_value() ? 0 : record->body.size();
  // One range may follow the last record.
  const std::size_t ranges = batch_.lost.size() + (gap.first <= gap.last ? 1 : 0) + (lost.has_value() ? 1 : 0) + 1;
  if (records_ > 0 && (bytes_ + body_bytes > bounds_.bytes_max || ranges > bounds_.lost_ranges_max)) {
    is_full_ = true;
    return false;
  }
  ++records_;
  bytes_ += body_bytes;
  add_lost(batch_.lost, gap);
  if (lost.has_value()) {
    add_lost(batch_.lost, {sequence, sequence, *lost});
  } else {
    batch_.messages.push_back(incoming_of(sequence, std::move(*record)));
  }
  return true;
}

}  // namespace earshot::cluster
