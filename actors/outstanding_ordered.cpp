#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "actors/outstanding.hpp"
#include "base/queue.hpp"

namespace earshot::actors {
namespace {

// `ordered`: the entries are one contiguous run of sequences that slides over the mailbox. Acks are cumulative; a
// repeat goes back to the first unacked and comes forward again, as TCP's go-back-N does.
//
//        acked │ first unacked ... next_ ... sent_ ... newest
//              └ sent, unacked ─┘└─ to be ──┘└─ never ──┘
//                                 sent again     sent
//
// One clock runs for the first unacked entry, from the moment when the client had taken it in: what is still on its way
// is not late. It stands still during a repeat and while the entry is nacked.
//
// Of a repeat, only the entry that it begins with counts as delivered in vain: the others wait behind it, whatever they
// are.
class Ordered final : public Outstanding {
 public:
  Ordered(std::size_t window_max, const OutstandingContext& context)
      : Outstanding(window_max, context.windows),
        retransmit_(context.retransmit),
        random_(context.random),
        counters_(context.counters) {}

  void take(OutstandingEntry entry) override {
    occupy(entry);
    entries_.push_back(std::move(entry));
  }

  void new_came(std::uint64_t now_ms) override {
    if (clock_ && now_ms - clock_->since_ms >= clock_->delay_ms / 2) go_back_when_possible(RetransmitCause::kWithNew);
  }

  void acked(const AckRequest& ack, std::uint64_t now_ms) override {
    std::size_t gone = 0;
    for (; !entries_.empty() && entries_.front().last <= ack.up_to; ++gone) {
      release(entries_.front());
      entries_.pop_front();
    }
    if (gone == 0) return;
    next_ -= std::min(next_, gone);
    sent_ -= std::min(sent_, gone);
    if (hold_ && hold_->at <= ack.up_to) {
      // What was nacked is acked after all. What went out behind it was not refused: its clock runs as before.
      hold_.reset();
      next_ = sent_;
      begins_repeat_ = false;
    }
    // Progress: the client is alive and stores. What is left gets its full time again.
    fruitless_rounds_ = 0;
    is_due_ = false;
    clock_.reset();
    run_clock(now_ms);
  }

  Status nacked(const NackRequest& nack, std::uint64_t now_ms) override {
    std::optional<Sequence> first;  // the lowest that is still unacked
    for (const Sequence sequence : nack.sequences) {
      if (sequence > delivered()) {
        return fail(ErrorCode::kInvalidArgument, "sequences", "not delivered: " + std::to_string(sequence.value));
      }
      if (entries_.empty() || sequence < entries_.front().first) continue;
      if (!first || sequence < *first) first = sequence;
    }
    // A nack behind one that already holds is covered by it: delivery resumes before it.
    if (!first || (hold_ && hold_->at < *first)) return {};
    const std::size_t place = place_of(*first);
    if (place >= entries_.size()) return {};
    // What has ended meanwhile is told at once: there is nothing to wait for.
    hold_ = Hold{*first, now_ms + (entries_[place].message ? nack.delay_ms : 0)};
    if (place < next_) go_back_to(place);
    run_clock(now_ms);
    return {};
  }

  void ended(const LostRange& lost, std::uint64_t now_ms) override {
    bool unparked = false;
    for (std::size_t i = place_of(lost.first); i < entries_.size() && entries_[i].first <= lost.last; ++i) {
      if (!end_entry(entries_[i], lost.reason)) continue;
      if (hold_ && hold_->at == entries_[i].first) hold_->until_ms = now_ms;
      unparked = unparked || (lost.reason == LostReason::kParked && i < sent_);
    }
    // A message is parked because nothing could pass it: tell so, and go on, without waiting for its time.
    if (unparked && !hold_) go_back_when_possible(RetransmitCause::kTimer);
  }

  void taken_in(std::uint64_t number, std::uint64_t now_ms) override {
    in_flight_.end(number);
    run_clock(now_ms);
  }

  std::optional<Delivery> next_delivery(std::uint64_t now_ms) override {
    look_at_the_time(now_ms);
    if (is_due_) {
      if (!in_flight_.empty()) return std::nullopt;
      is_due_ = false;
      ++fruitless_rounds_;
      go_back_to(0);
    }
    const std::size_t end = send_end();
    if (next_ >= end) return std::nullopt;
    if (next_ < sent_ ? !in_flight_.empty() : in_flight_.full()) return std::nullopt;
    if (std::exchange(begins_repeat_, false)) note_in_vain(entries_[next_]);
    DeliveryBuilder builder(now_ms);
    std::size_t repeats = 0;
    for (; next_ < end && builder.add(entries_[next_]); ++next_) {
      if (entries_[next_].attempts > 1) ++repeats;
    }
    if (repeats > 0) count(counters_.retransmits_of(cause_), repeats);
    sent_ = std::max(sent_, next_);
    note_delivered(builder.last());
    Delivery delivery = builder.finish(in_flight_);
    run_clock(now_ms);
    return delivery;
  }

  [[nodiscard]] std::uint64_t wake_at() const override {
    const std::uint64_t clock_at = clock_ ? clock_->since_ms + clock_->delay_ms : 0;
    if (!hold_) return clock_at;
    return clock_at == 0 ? hold_->until_ms : std::min(clock_at, hold_->until_ms);
  }

  [[nodiscard]] Sequence oldest() const override { return entries_.empty() ? Sequence() : entries_.front().first; }
  [[nodiscard]] std::vector<Sequence> left_unacked() const override {
    if (sent_ == 0 || !entries_.front().message || in_flight_.covers(entries_.front().first)) return {};
    return {entries_.front().first};
  }
  [[nodiscard]] const OutstandingEntry* entry_of(Sequence sequence) const override {
    const std::size_t place = place_of(sequence);
    return place == entries_.size() || entries_[place].first > sequence ? nullptr : &entries_[place];
  }

 private:
  struct Clock {
    std::uint64_t since_ms;
    std::uint64_t delay_ms;
  };
  struct Hold {  // nothing from this sequence on goes out before that time
    Sequence at;
    std::uint64_t until_ms;
  };

  void look_at_the_time(std::uint64_t now_ms) {
    if (hold_ && hold_->until_ms <= now_ms) {
      hold_.reset();
      cause_ = RetransmitCause::kNack;
    }
    if (clock_ && clock_->since_ms + clock_->delay_ms <= now_ms) go_back_when_possible(RetransmitCause::kTimer);
  }

  void go_back_to(std::size_t place) {
    next_ = place;
    begins_repeat_ = true;
  }

  void go_back_when_possible(RetransmitCause cause) {
    clock_.reset();
    is_due_ = true;
    cause_ = cause;
  }

  // Starts the clock when the first unacked entry is with the client and nothing else is about to bring it again; stops
  // it when that is no longer so.
  void run_clock(std::uint64_t now_ms) {
    const bool runs = !is_due_ && sent_ > 0 && next_ >= std::min(sent_, send_end()) &&
                      !in_flight_.covers(entries_.front().first) && !(hold_ && hold_->at <= entries_.front().last);
    if (!runs) {
      clock_.reset();
    } else if (!clock_) {
      clock_ = Clock{now_ms, backoff_ms(retransmit_, fruitless_rounds_ + 1, random_)};
    }
  }

  [[nodiscard]] std::size_t place_of(Sequence sequence) const {
    const auto entry = std::ranges::lower_bound(entries_, sequence, {}, &OutstandingEntry::last);
    return static_cast<std::size_t>(entry - entries_.begin());
  }
  [[nodiscard]] std::size_t send_end() const { return hold_ ? place_of(hold_->at) : entries_.size(); }

  BackoffPolicy retransmit_;
  Random& random_;
  SessionCounters& counters_;
  Queue<OutstandingEntry> entries_;
  std::size_t next_ = 0;  // place of the next to go out, at most sent_
  std::size_t sent_ = 0;  // entries before this place have gone out at least once
  InFlight in_flight_;
  std::optional<Clock> clock_;
  std::optional<Hold> hold_;
  bool begins_repeat_ = false;                       // what goes out next is where the delivery went back to
  bool is_due_ = false;                              // go back to the first as soon as nothing is in flight
  RetransmitCause cause_ = RetransmitCause::kTimer;  // of the repeat under way
  std::uint32_t fruitless_rounds_ = 0;
};

}  // namespace

std::unique_ptr<Outstanding> make_ordered(std::size_t window_max, const OutstandingContext& context) {
  return std::make_unique<Ordered>(window_max, context);
}

}  // namespace earshot::actors
