#include "cluster/batch_reader.hpp"

#include <utility>

#include "base/checksum.hpp"

namespace earshot::cluster {
namespace {

// Nothing when the record must not be served.
std::optional<MailboxRecord> sound_record(std::optional<std::string_view> value) {
  if (!value.has_value()) return std::nullopt;
  auto record = decode_mailbox_record(*value);
  if (!record.has_value() || checksum_of(record->body) != record->checksum) return std::nullopt;
  return std::move(*record);
}

}  // namespace

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
                         std::move(record.copy_of)};
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
  if (records_ == records_max_) {
    is_full_ = true;
    return false;
  }
  auto record = sound_record(value);
  const std::size_t body_bytes = record.has_value() ? record->body.size() : 0;
  if (records_ > 0 && bytes_ + body_bytes > bytes_max_) {
    is_full_ = true;
    return false;
  }
  ++records_;
  bytes_ += body_bytes;
  add_lost(batch_.lost, gap);
  if (record.has_value()) {
    batch_.messages.push_back(incoming_of(sequence, std::move(*record)));
  } else {
    add_lost(batch_.lost, {sequence, sequence, LostReason::kCorrupt});
  }
  return true;
}

}  // namespace earshot::cluster
