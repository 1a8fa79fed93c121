#include "actors/subscription.hpp"

#include <algorithm>
#include <utility>

#include "actors/earlier.hpp"
#include "actors/session_refusals.hpp"
#include "base/limits.hpp"

namespace earshot::actors {
namespace {

std::unique_ptr<Outstanding> make_window(DeliveryMode mode, std::size_t messages, const OutstandingContext& context) {
  switch (mode) {
    case DeliveryMode::kOrdered: return make_ordered(messages, context);
    case DeliveryMode::kUnordered: return make_unordered(messages, context);
    case DeliveryMode::kSequenceOnly: return make_sequence_only(messages, context);
  }
  return nullptr;
}

}  // namespace

Result<std::unique_ptr<Subscription>> Subscription::open(const ClientSubscribe& call, const OutstandingContext& context,
                                                         Start start) {
  if (call.window_messages > limits::kWindowMessagesMax) {
    return fail(refusals::above_limit("windowMessages", limits::kWindowMessagesMax));
  }
  const std::size_t messages = call.window_messages != 0 ? call.window_messages : limits::kWindowMessagesDefault;
  auto window = make_window(call.mode, messages, context);
  if (!window) return fail(refusals::invalid("mode", "unknown delivery mode"));
  return std::unique_ptr<Subscription>(new Subscription(call.mode, std::move(window), context, std::move(start)));
}

Subscription::Subscription(DeliveryMode mode, std::unique_ptr<Outstanding> window, const OutstandingContext& context,
                           Start start)
    : mode_(mode),
      epoch_(start.epoch),
      last_at_login_(start.last_sequence),
      random_(context.random),
      counters_(context.counters),
      acked_(start.acked),
      window_(std::move(window)),
      feed_(start.acked, start.last_sequence, std::move(start.parked)) {
  if (!is_cumulative()) acked_above_ = std::move(start.acked_above);
}

AttemptNotes& Subscription::attempts() {
  if (!attempts_) attempts_ = std::make_unique<AttemptNotes>();
  return *attempts_;
}

void Subscription::pushed(const MailboxPush& push, std::uint64_t now_ms) {
  if (feed_.push(push, *window_)) window_->new_came(now_ms);
}

bool Subscription::read_answered(Result<Batch> batch, std::uint64_t now_ms) {
  if (batch && batch->epoch != epoch_) return false;
  feed_.read_answered(std::move(batch), *window_, random_, now_ms);
  return true;
}

void Subscription::ended(const MessagesEnded& message, std::uint64_t now_ms) {
  for (const LostRange& range : message.ranges) window_->ended(range, now_ms);
}

void Subscription::attempts_answered(bool again) { attempts().answered(again); }

void Subscription::acked(const AckRequest& ack, std::uint64_t now_ms) {
  acked_ = std::max(acked_, ack.up_to);
  window_->acked(ack, now_ms);
  feed_.skip_to(ack.up_to);
}

void Subscription::skip_acked(std::uint64_t now_ms) {
  if (acked_above_.empty()) return;
  window_->acked(AckRequest{acked_, acked_above_}, now_ms);
  std::erase_if(acked_above_, [this](Sequence sequence) { return sequence <= feed_.taken(); });
}

bool Subscription::must_make_room(std::uint64_t now_ms) {
  return pressure_.is_over(window_->is_in_the_way(), window_->bytes(), now_ms);
}

std::optional<Delivery> Subscription::next_delivery(std::uint64_t now_ms) {
  auto delivery = window_->next_delivery(now_ms);
  if (!delivery) return std::nullopt;
  delivery->epoch = epoch_;
  delivery->last_sequence = feed_.last_known();
  count(counters_.deliveries);
  count(counters_.messages_delivered, delivery->items.size());
  const auto waited_in_mailbox = [this](const DeliveryItem& item) {
    return item.attempt == 1 && item.message->sequence <= last_at_login_;
  };
  const auto waited = std::ranges::count_if(delivery->items, waited_in_mailbox);
  if (waited > 0) count(counters_.retransmits_of(RetransmitCause::kReconnect), static_cast<std::uint64_t>(waited));
  return delivery;
}

std::optional<std::vector<AttemptNotes::Note>> Subscription::next_attempts() {
  const std::vector<Sequence> in_vain = window_->take_in_vain();
  if (deliveries_max_ == 0) return std::nullopt;
  for (const Sequence sequence : in_vain) attempts().add(sequence);
  return attempts_ ? attempts_->next() : std::nullopt;
}

std::vector<AttemptNotes::Note> Subscription::last_attempts() {
  if (deliveries_max_ == 0) return {};
  for (const Sequence sequence : window_->left_unacked()) attempts().add(sequence);
  return attempts_ ? attempts_->rest() : std::vector<AttemptNotes::Note>{};
}

std::uint64_t Subscription::wake_at() const {
  return earlier(earlier(window_->wake_at(), feed_.wake_at()), pressure_.wake_at());
}

}  // namespace earshot::actors
