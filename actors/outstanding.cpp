#include "actors/outstanding.hpp"

#include <algorithm>
#include <utility>

namespace earshot::actors {

OutstandingEntry OutstandingEntry::of(std::shared_ptr<const IncomingMessage> message) {
  const Sequence sequence = message->sequence;
  OutstandingEntry entry;
  entry.message = std::move(message);
  entry.first = entry.last = sequence;
  return entry;
}

OutstandingEntry OutstandingEntry::of(const LostRange& lost) {
  OutstandingEntry entry;
  entry.first = lost.first;
  entry.last = lost.last;
  entry.reason = lost.reason;
  return entry;
}

void OutstandingEntry::end(LostReason why) {
  message.reset();
  reason = why;
}

std::size_t OutstandingEntry::bytes() const { return kMessageOverheadBytes + (message ? message->body.size() : 0); }

bool Outstanding::is_worth_reading(std::size_t next_bytes) const {
  const Share now = share();
  const Held nacked = parked();
  const std::size_t usable_messages = window_max_ - std::min(nacked.messages, window_max_);
  if (free_messages() < std::max<std::size_t>(1, usable_messages / 4)) return false;
  const std::size_t free = free_bytes(now);
  const std::size_t usable = std::min(now.bytes_max, free + bytes_ - nacked.bytes);
  const std::size_t enough = std::min(usable / 4, limits::kBodyBytesMax + kMessageOverheadBytes);
  return free >= enough && fits(now, std::max(next_bytes, kMessageOverheadBytes));
}

std::uint64_t InFlight::begin(Sequence first, Sequence last) {
  deliveries_.push_back(One{++last_number_, first, last});
  return last_number_;
}

std::optional<InFlight::One> InFlight::end(std::uint64_t number) {
  const auto found = std::ranges::find(deliveries_, number, &One::number);
  if (found == deliveries_.end()) return std::nullopt;
  const One one = *found;
  deliveries_.erase(found);
  return one;
}

bool DeliveryBuilder::add(OutstandingEntry& entry) {
  const std::size_t count = delivery_.items.size() + delivery_.lost.size();
  const std::size_t bytes = bytes_ + entry.bytes();
  if (count >= limits::kBatchMessagesMax || (count > 0 && bytes > limits::kBatchBytesMax)) return false;
  if (count == 0) first_ = entry.first;
  last_ = std::max(last_, entry.last);
  bytes_ = bytes;
  ++entry.attempts;
  if (entry.first_delivered_ms == 0) entry.first_delivered_ms = now_ms_;
  entry.last_delivered_ms = now_ms_;
  if (entry.message) {
    delivery_.items.push_back(DeliveryItem{entry.message, entry.attempts});
  } else {
    delivery_.lost.push_back(LostRange{entry.first, entry.last, entry.reason});
  }
  return true;
}

Delivery DeliveryBuilder::finish(InFlight& in_flight) {
  delivery_.number = in_flight.begin(first_, last_);
  return std::move(delivery_);
}

}  // namespace earshot::actors
