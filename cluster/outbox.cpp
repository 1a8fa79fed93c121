#include "cluster/outbox.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "base/checksum.hpp"
#include "storage/keys.hpp"

namespace earshot::cluster {
namespace {

std::uint64_t undrained(const OutboxHead& head) { return head.next - 1 - head.confirmed; }

const OutboxRecord kLostRecord{OutboxCause::kLost};

// kLost in the place of one that must not be sent.
OutboxRecord record_to_send(std::string_view value, std::uint64_t now_ms) {
  auto record = decode_outbox_record(value);
  if (!record.has_value()) return kLostRecord;
  if (record->cause != OutboxCause::kCopyToSelf) return std::move(*record);
  MailboxRecord& message = record->message;
  if (checksum_of(message.body) != message.checksum) return kLostRecord;
  if (message.expires_at_ms != 0) {
    // What is left; one that is over ends at its target at once, where that is seen.
    message.expires_at_ms = message.expires_at_ms > now_ms ? message.expires_at_ms - now_ms : 1;
  }
  return std::move(*record);
}

}  // namespace

Outbox::Outbox(storage::ShardState& state, const MachineLimits& limits)
    : state_(state),
      heads_(state, &storage::keys::outbox_head, &decode_outbox_head),
      records_max_(limits.outbox_records_max) {}

Status Outbox::load() {
  auto loaded = heads_.load();
  if (!loaded.has_value()) return loaded;
  heads_.for_each([this](ShardId, const OutboxHead& head) { undrained_ += undrained(head); });
  return {};
}

void Outbox::push(ShardId target, const OutboxRecord& record) {
  OutboxHead head = heads_.get(target);
  state_.put(storage::keys::outbox(target, head.next), encode(record));
  ++head.next;
  heads_.set(target, head);
  ++undrained_;
}

void Outbox::confirm(ShardId target, std::uint64_t up_to) {
  OutboxHead head = heads_.get(target);
  const std::uint64_t confirmed = std::min(up_to, head.next - 1);
  if (confirmed <= head.confirmed) return;
  for (std::uint64_t number = head.confirmed + 1; number <= confirmed; ++number) {
    state_.erase(storage::keys::outbox(target, number));
  }
  undrained_ -= confirmed - head.confirmed;
  head.confirmed = confirmed;
  heads_.set(target, head);
}

Result<std::vector<OutboxRecord>> Outbox::records(ShardId target, std::uint64_t first, std::uint32_t limit,
                                                  std::size_t bytes_max, std::uint64_t now_ms) {
  std::vector<OutboxRecord> records;
  const OutboxHead head = heads_.get(target);
  if (first <= head.confirmed) {
    // Never another record than the one asked for: the caller numbers what it gets.
    return fail(Error{ErrorCode::kNotFound, "first", "drained already", 0, head.confirmed + 1});
  }
  if (limit == 0 || first >= head.next) return records;

  std::size_t bytes = 0;
  bool is_full = false;
  const std::uint64_t end = std::min<std::uint64_t>(head.next, first + limit);
  const auto fill_to = [&](std::uint64_t number) { records.resize(number - first, kLostRecord); };
  const auto visit = [&](std::string_view key, std::optional<std::string_view> value) {
    if (!value.has_value()) return true;  // its key may be damaged too; its number is filled as one that is missing
    OutboxRecord record = record_to_send(*value, now_ms);
    fill_to(storage::keys::number_of(key));
    bytes += record.message.body.size();
    is_full = !records.empty() && bytes > bytes_max;
    if (is_full) return false;
    records.push_back(std::move(record));
    return true;
  };
  auto scanned = state_.scan(storage::keys::outbox(target, first), storage::keys::outbox(target, end), visit);
  if (!scanned.has_value()) return fail(std::move(scanned.error()));
  if (!is_full) fill_to(end);
  return records;
}

std::vector<std::pair<ShardId, OutboxHead>> Outbox::undrained_heads() const {
  std::vector<std::pair<ShardId, OutboxHead>> heads;
  heads_.for_each([&heads](ShardId target, const OutboxHead& head) {
    if (undrained(head) > 0) heads.emplace_back(target, head);
  });
  return heads;
}

}  // namespace earshot::cluster
