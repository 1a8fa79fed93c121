#include "client/store_codec.hpp"

#include "base/limits.hpp"
#include "storage/keys.hpp"

namespace earshot::client {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::uint8_t kFormatWithTtl = 2;  // of messages: behind the rest stands what was added for times to live
constexpr std::uint8_t kFormatWithRun = 2;  // of outbox heads: likewise, for the order of logins

void put(std::string& out, std::uint64_t value, std::size_t bytes = 8) {
  storage::keys::append_big_endian(out, value, bytes);
}

void put_text(std::string& out, std::string_view text) {
  put(out, text.size(), 4);
  out.append(text);
}

template <class Integer>
void put_list(std::string& out, const std::vector<Integer>& list) {
  put(out, list.size(), 4);
  for (const Integer& item : list) put(out, item.value);
}

// Reads field by field; the first that does not fit spoils the rest.
class Fields {
 public:
  explicit Fields(std::string_view bytes, std::uint8_t newest = kFormat) : rest_(bytes), newest_(newest) {
    format_ = static_cast<std::uint8_t>(number(1));
  }
  [[nodiscard]] std::uint8_t format() const { return format_; }

  std::uint64_t number(std::size_t bytes = 8) {
    if (rest_.size() < bytes) {
      spoiled_ = true, rest_ = {};
      return 0;
    }
    const std::uint64_t value = storage::keys::read_big_endian(rest_, 0, bytes);
    rest_.remove_prefix(bytes);
    return value;
  }

  std::string_view text() {
    const std::size_t size = number(4);
    if (rest_.size() < size) {
      spoiled_ = true, rest_ = {};
      return {};
    }
    const std::string_view text = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return text;
  }

  template <class Item>
  std::vector<Item> list() {
    const std::size_t size = number(4);
    std::vector<Item> items;
    if (rest_.size() / 8 < size) {
      spoiled_ = true, rest_ = {};
      return items;
    }
    items.reserve(size);
    for (std::size_t i = 0; i < size; ++i) items.push_back(Item(number()));
    return items;
  }

  template <class T>
  Result<T> finish(T value, std::string_view what) {
    if (format_ > newest_)
      return fail(ErrorCode::kUnsupportedVersion, std::string(what), "was written by a newer version");
    if (spoiled_ || !rest_.empty() || format_ == 0)
      return fail(ErrorCode::kCorrupt, std::string(what), "cannot be decoded");
    return value;
  }

 private:
  std::string_view rest_;
  std::uint8_t newest_;
  std::uint8_t format_ = 0;
  bool spoiled_ = false;
};

}  // namespace

void encode(const OutboxHead& head, std::string& out) {
  put(out, kFormatWithRun, 1);
  put(out, head.producer.value);
  put(out, head.shard_count, 2);
  put(out, head.next_ticket.value);
  put(out, head.sent_through.value);
  put_list(out, head.next);
  put(out, head.store);
  put(out, head.run, 4);
}

Result<OutboxHead> decode_outbox_head(std::string_view bytes) {
  Fields fields(bytes, kFormatWithRun);
  OutboxHead head;
  head.producer = ProducerId(fields.number());
  head.shard_count = static_cast<std::uint16_t>(fields.number(2));
  head.next_ticket = Ticket(fields.number());
  head.sent_through = Ticket(fields.number());
  head.next = fields.list<LaneNumber>();
  if (fields.format() >= kFormatWithRun) {
    head.store = fields.number();
    head.run = static_cast<std::uint32_t>(fields.number(4));
  }
  return fields.finish(std::move(head), "outbox head");
}

void encode(const InboxHead& head, std::string& out) {
  put(out, kFormat, 1);
  put_text(out, head.user.text());
  put_text(out, head.device.text());
  put(out, head.epoch.value);
  put(out, head.last_received.value);
  put_list(out, head.received_above);
}

Result<InboxHead> decode_inbox_head(std::string_view bytes) {
  Fields fields(bytes);
  InboxHead head;
  head.user = UserId::trusted(fields.text());
  head.device = DeviceId::trusted(fields.text());
  head.epoch = Epoch(fields.number());
  head.last_received = Sequence(fields.number());
  head.received_above = fields.list<Sequence>();
  return fields.finish(std::move(head), "inbox head");
}

void encode(const OutboxMessage& kept, std::string& out) {
  const OutgoingMessage& message = kept.message;
  put(out, kFormatWithTtl, 1);
  put(out, kept.lane.value, 2);
  put(out, kept.uncertain ? 1 : 0, 1);
  put(out, message.copy_to_self ? 1 : 0, 1);
  put(out, message.number.value);
  put(out, message.id.high);
  put(out, message.id.low);
  put(out, message.checksum);
  put(out, message.sent_at_ms);
  put_text(out, message.recipient.text());
  put_text(out, message.body);
  put(out, message.ttl_ms);
}

Result<OutboxMessage> decode_outbox_message(Ticket ticket, std::string_view bytes) {
  Fields fields(bytes, kFormatWithTtl);
  OutboxMessage kept;
  kept.ticket = ticket;
  kept.lane = ShardId(static_cast<std::uint16_t>(fields.number(2)));
  kept.uncertain = fields.number(1) != 0;
  OutgoingMessage& message = kept.message;
  message.copy_to_self = fields.number(1) != 0;
  message.number = LaneNumber(fields.number());
  message.id.high = fields.number();
  message.id.low = fields.number();
  message.checksum = fields.number();
  message.sent_at_ms = fields.number();
  message.recipient = UserId::trusted(fields.text());
  message.body = fields.text();
  if (fields.format() >= kFormatWithTtl) message.ttl_ms = fields.number();
  return fields.finish(std::move(kept), "outbox message");
}

void encode(const IncomingMessage& message, std::string& out) {
  put(out, kFormatWithTtl, 1);
  put(out, message.sequence.value);
  put(out, message.id.high);
  put(out, message.id.low);
  put(out, message.checksum);
  put(out, message.sent_at_ms);
  put(out, message.stored_at_ms);
  put(out, message.attempt, 4);
  put_text(out, message.sender.text());
  put_text(out, message.sender_device.text());
  put_text(out, message.copy_of.text());
  put_text(out, message.body);
  put(out, message.expires_at_ms);
  put(out, message.replay_of.value);
}

Result<IncomingMessage> decode_incoming(std::string_view bytes) {
  Fields fields(bytes, kFormatWithTtl);
  IncomingMessage message;
  message.sequence = Sequence(fields.number());
  message.id.high = fields.number();
  message.id.low = fields.number();
  message.checksum = fields.number();
  message.sent_at_ms = fields.number();
  message.stored_at_ms = fields.number();
  message.attempt = static_cast<std::uint32_t>(fields.number(4));
  message.sender = UserId::trusted(fields.text());
  message.sender_device = DeviceId::trusted(fields.text());
  message.copy_of = UserId::trusted(fields.text());
  message.body = fields.text();
  if (fields.format() >= kFormatWithTtl) {
    message.expires_at_ms = fields.number();
    message.replay_of = Sequence(fields.number());
  }
  return fields.finish(std::move(message), "received message");
}

void encode(const LostRange& range, std::string& out) {
  put(out, kFormat, 1);
  put(out, range.first.value);
  put(out, range.last.value);
  put(out, static_cast<std::uint64_t>(range.reason), 2);
}

Result<LostRange> decode_lost(std::string_view bytes) {
  Fields fields(bytes);
  LostRange range;
  range.first = Sequence(fields.number());
  range.last = Sequence(fields.number());
  range.reason = static_cast<LostReason>(fields.number(2));
  return fields.finish(range, "lost range");
}

}  // namespace earshot::client
