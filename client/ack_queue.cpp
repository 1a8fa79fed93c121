#include "client/ack_queue.hpp"

#include <algorithm>

namespace earshot::client {

void AckQueue::received(Sequence up_to, std::span<const Sequence> above, std::size_t messages, std::uint64_t now_ms) {
  up_to_ = std::max(up_to_, up_to);
  if (mode_ == DeliveryMode::kUnordered) above_.insert(above_.end(), above.begin(), above.end());
  unreported_ += messages;
  if (mode_ != DeliveryMode::kSequenceOnly) {
    const std::uint64_t paced_ms = unreported_ >= kMessagesAtOnce ? now_ms : std::max(now_ms, next_ms_);
    const std::uint64_t at_ms = std::max(paced_ms, rest_until_ms_);
    due_at_ms_ = pending_ ? std::min(due_at_ms_, at_ms) : at_ms;
  } else if (unreported_ >= report_messages_) {
    due_at_ms_ = now_ms;
  } else if (!pending_) {
    if (messages == 0) return;  // nothing that the last report did not say
    due_at_ms_ = now_ms + report_interval_ms_;
  }
  pending_ = true;
}

std::optional<AckRequest> AckQueue::next(std::uint64_t now_ms) {
  if (!pending_ || under_way_ || now_ms < due_at_ms_) return std::nullopt;
  next_ms_ = now_ms + kIntervalMs;
  return take();
}

std::optional<AckRequest> AckQueue::last() {
  if (!pending_) return std::nullopt;
  return take();
}

AckRequest AckQueue::take() {
  AckRequest request{up_to_, {}};
  std::sort(above_.begin(), above_.end());
  above_.erase(std::unique(above_.begin(), above_.end()), above_.end());
  std::erase_if(above_, [&](Sequence s) { return s <= up_to_; });
  const std::size_t told = std::min(above_.size(), limits::kSelectiveAcksMax);
  request.above.assign(above_.begin(), above_.begin() + static_cast<std::ptrdiff_t>(told));
  above_.erase(above_.begin(), above_.begin() + static_cast<std::ptrdiff_t>(told));
  above_under_way_ = request.above;
  unreported_ = 0;
  pending_ = !above_.empty();
  under_way_ = true;
  return request;
}

void AckQueue::answered(bool ok, std::uint64_t retry_after_ms, std::uint64_t now_ms) {
  under_way_ = false;
  if (!ok) {
    above_.insert(above_.end(), above_under_way_.begin(), above_under_way_.end());
    pending_ = true;
    due_at_ms_ = rest_until_ms_ = now_ms + retry_after_ms;
  }
  above_under_way_.clear();
}

void AckQueue::reconnected(Sequence up_to, std::span<const Sequence> above) {
  up_to_ = up_to;
  above_.clear();
  if (mode_ == DeliveryMode::kUnordered) above_.assign(above.begin(), above.end());
  above_under_way_.clear();
  unreported_ = 0;
  under_way_ = false;
  pending_ = !above_.empty();  // the login itself has told last_received
  due_at_ms_ = next_ms_ = rest_until_ms_ = 0;
}

}  // namespace earshot::client
