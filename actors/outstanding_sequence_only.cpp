#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include "actors/outstanding.hpp"

namespace earshot::actors {
namespace {

// `sequenceOnly`: the client checks contiguity and refetches by itself, so nothing is sent twice and no time is
// watched. The window is flow control alone: it holds what the client has not yet taken in.
class SequenceOnly final : public Outstanding {
 public:
  SequenceOnly(std::size_t window_max, const OutstandingContext& context) : Outstanding(window_max, context.windows) {}

  void take(OutstandingEntry entry) override {
    occupy(entry);
    entries_.push_back(std::move(entry));
  }
  void new_came(std::uint64_t) override {}

  // A report of what the client has. It may run ahead of us when the client has fetched.
  void acked(const AckRequest& ack, std::uint64_t) override {
    while (sent_ < entries_.size() && entries_[sent_].last <= ack.up_to) {
      release(entries_[sent_]);
      entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(sent_));
    }
  }

  Status nacked(const NackRequest&, std::uint64_t) override {
    return fail(ErrorCode::kInvalidArgument, "sequences", "nothing is sent again in sequenceOnly mode: fetch it");
  }

  // What is with the client already is its own to judge.
  void ended(const LostRange& lost, std::uint64_t) override {
    for (std::size_t i = sent_; i < entries_.size() && entries_[i].first <= lost.last; ++i) {
      if (entries_[i].first >= lost.first) end_entry(entries_[i], lost.reason);
    }
  }

  void taken_in(std::uint64_t number, std::uint64_t) override {
    const auto delivery = in_flight_.end(number);
    if (!delivery) return;
    // Deliveries may be taken in out of turn; their entries leave together.
    const auto is_part = [&](const OutstandingEntry& entry) { return delivery->covers(entry.first); };
    const auto first = std::find_if(entries_.begin(), entries_.end(), is_part);
    const auto last = std::find_if_not(first, entries_.end(), is_part);
    for (auto entry = first; entry != last; ++entry) release(*entry);
    sent_ -= static_cast<std::size_t>(last - first);
    entries_.erase(first, last);
  }

  std::optional<Delivery> next_delivery(std::uint64_t now_ms) override {
    if (in_flight_.full()) return std::nullopt;
    DeliveryBuilder builder(now_ms);
    while (sent_ < entries_.size() && builder.add(entries_[sent_])) ++sent_;
    if (builder.empty()) return std::nullopt;
    note_delivered(builder.last());
    return builder.finish(in_flight_);
  }

  [[nodiscard]] std::uint64_t wake_at() const override { return 0; }

  // Of what has not gone out: with the rest nothing is done any more.
  [[nodiscard]] Sequence oldest() const override {
    return sent_ == entries_.size() ? Sequence() : entries_[sent_].first;
  }
  // Nothing is acked here, so nothing is known to have been in vain.
  [[nodiscard]] std::vector<Sequence> left_unacked() const override { return {}; }
  [[nodiscard]] const OutstandingEntry* entry_of(Sequence sequence) const override {
    const auto entry = std::ranges::lower_bound(entries_, sequence, {}, &OutstandingEntry::last);
    return entry == entries_.end() || entry->first > sequence ? nullptr : &*entry;
  }

 private:
  std::deque<OutstandingEntry> entries_;  // in flight, then not yet sent
  std::size_t sent_ = 0;                  // how many are in flight
  InFlight in_flight_;
};

}  // namespace

std::unique_ptr<Outstanding> make_sequence_only(std::size_t window_max, const OutstandingContext& context) {
  return std::make_unique<SequenceOnly>(window_max, context);
}

}  // namespace earshot::actors
