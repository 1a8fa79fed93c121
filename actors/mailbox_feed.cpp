#include "actors/mailbox_feed.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "actors/shard_refusals.hpp"
#include "base/limits.hpp"

namespace earshot::actors {
namespace {
constexpr std::uint64_t kLookAgainMs = 5'000;
constexpr BackoffPolicy kAskAgain{limits::kAskAgainFirstMs, limits::kAskAgainMaxMs};
}  // namespace

bool MailboxFeed::push(const MailboxPush& push, Outstanding& window) {
  bool any = false;
  for (const auto& message : push.messages) {
    last_known_ = std::max(last_known_, message->sequence);
    if (message->sequence != taken_.next()) continue;
    OutstandingEntry entry = entry_of(message);
    if (!take(std::move(entry), window)) continue;
    any = true;
  }
  return any;
}

bool MailboxFeed::take(OutstandingEntry entry, Outstanding& window) {
  const bool fits = window.fits(entry.bytes());
  next_bytes_ = fits ? 0 : entry.bytes();
  if (!fits) return false;
  taken_ = entry.last;
  window.take(std::move(entry));
  return true;
}

OutstandingEntry MailboxFeed::entry_of(std::shared_ptr<const IncomingMessage> message) const {
  const Sequence sequence = message->sequence;
  if (!std::ranges::binary_search(parked_, sequence)) return OutstandingEntry::of(std::move(message));
  return OutstandingEntry::of(LostRange{sequence, sequence, LostReason::kParked});
}

std::optional<MailboxRead> MailboxFeed::next_read(const Outstanding& window, std::uint64_t now_ms) {
  if (is_reading_ || (retry_at_ms_ != 0 && now_ms < retry_at_ms_)) return std::nullopt;
  retry_at_ms_ = 0;
  look_at_ms_ = 0;
  if (must_review()) {
    is_reading_ = is_reviewing_ = true;
    const std::uint64_t messages = review_to_.value - review_from_.value + 1;
    const auto limit = static_cast<std::uint32_t>(std::min<std::uint64_t>(messages, limits::kFetchMessagesMax));
    return MailboxRead{review_from_.previous(), limit, limits::kBatchBytesMax};
  }
  if (!must_read_ && taken_ >= last_known_) return std::nullopt;
  if (!window.is_worth_reading(next_bytes_)) {
    look_at_ms_ = now_ms + kLookAgainMs;  // its own acks show here, but nobody tells that others have made room
    return std::nullopt;
  }
  is_reading_ = true;
  must_read_ = false;
  const std::size_t bytes = window.free_bytes();
  const std::size_t fitting = std::max<std::size_t>(1, bytes / kMessageOverheadBytes);
  const std::size_t limit = std::min({window.free_messages(), limits::kFetchMessagesMax, fitting});
  return MailboxRead{taken_, static_cast<std::uint32_t>(limit), std::min(bytes, limits::kBatchBytesMax)};
}

void MailboxFeed::read_answered(Result<Batch> answer, Outstanding& window, Random& random, std::uint64_t now_ms) {
  is_reading_ = false;
  const bool is_review = std::exchange(is_reviewing_, false);
  if (is_review && answer) review(*answer, window, now_ms);
  const bool progress = answer && (is_review || take(*answer, window));
  if (progress) {
    failures_ = 0;
    return;
  }
  must_read_ = true;
  const bool is_soon = !answer && refusals::is_leader_change(answer.error());
  retry_at_ms_ = now_ms + backoff_ms(is_soon ? kAskAgain : BackoffPolicy{}, ++failures_, random);
}

// What is there says nothing; what is lost by now has ended without a word to us. A message that cannot be read any
// more has not: this session still has it.
void MailboxFeed::review(const Batch& batch, Outstanding& window, std::uint64_t now_ms) {
  Sequence covered;
  if (!batch.messages.empty()) covered = batch.messages.back().sequence;
  for (const LostRange& lost : batch.lost) {
    covered = std::max(covered, lost.last);
    if (lost.reason != LostReason::kCorrupt) window.ended(lost, now_ms);
  }
  last_known_ = std::max(last_known_, batch.last_sequence);
  // An answer that leads nowhere ends it: what is read next meets the same.
  review_from_ = covered < review_from_ ? Sequence() : covered.next();
}

// Messages and lost ranges are two ascending lists; together they must continue at taken_ + 1. What was pushed
// meanwhile is skipped. False when the answer leaves us where we were though there is more and room for it.
bool MailboxFeed::take(Batch& batch, Outstanding& window) {
  const Sequence before = taken_;
  auto message = batch.messages.begin();
  auto lost = batch.lost.begin();
  last_known_ = std::max(last_known_, batch.last_sequence);
  while (true) {
    while (message != batch.messages.end() && message->sequence <= taken_) ++message;
    while (lost != batch.lost.end() && lost->last <= taken_) ++lost;
    OutstandingEntry entry;
    if (lost != batch.lost.end() && lost->first <= taken_.next()) {
      entry = OutstandingEntry::of(LostRange{taken_.next(), lost->last, lost->reason});
    } else if (message != batch.messages.end() && message->sequence == taken_.next()) {
      entry = entry_of(std::make_shared<const IncomingMessage>(std::move(*message)));
    } else {
      return taken_ > before || taken_ >= last_known_;
    }
    // What does not fit comes again when acks have made room; into an empty window, when other sessions have, which may
    // be now and over in a moment.
    if (!take(std::move(entry), window)) return taken_ > before || !window.is_empty();
  }
}

}  // namespace earshot::actors
