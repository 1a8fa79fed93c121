#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "actors/outstanding.hpp"

namespace earshot::actors {
namespace {

// `unordered`: every message has its own ack, nack and time to be sent again. New messages still go out in sequence.
//
// Acked entries stay as place holders until everything before them is acked: they are what the device's cursor keeps as
// "acked above", and bounded like it.
class Unordered final : public Outstanding {
 public:
  Unordered(std::size_t window_max, const OutstandingContext& context)
      : Outstanding(window_max, context.windows),
        retransmit_(context.retransmit),
        random_(context.random),
        counters_(context.counters) {}

  [[nodiscard]] std::size_t free_messages() const override {
    return std::min(Outstanding::free_messages(), limits::kSelectiveAcksMax - slots_.size());
  }

  void take(OutstandingEntry entry) override {
    occupy(entry);
    slots_.push_back(Slot{std::move(entry), alarms_.end()});
  }

  void new_came(std::uint64_t now_ms) override { collect_due(now_ms, true); }

  void acked(const AckRequest& ack, std::uint64_t) override {
    for (std::size_t i = 0; i < slots_.size() && slots_[i].entry.last <= ack.up_to; ++i) retire(slots_[i]);
    for (const Sequence sequence : ack.above) {
      Slot* slot = find(sequence);
      if (slot != nullptr && slot->entry.last == sequence && is_acked(*slot, ack.above)) retire(*slot);
    }
    while (!slots_.empty() && slots_.front().state == State::kAcked) {
      slots_.pop_front();
      if (sent_ > 0) --sent_;
    }
  }

  Status nacked(const NackRequest& nack, std::uint64_t now_ms) override {
    for (const Sequence sequence : nack.sequences) {
      if (sequence > delivered()) {
        return fail(ErrorCode::kInvalidArgument, "sequences", "not delivered: " + std::to_string(sequence.value));
      }
    }
    for (const Sequence sequence : nack.sequences) {
      Slot* slot = find(sequence);
      if (slot == nullptr || slot->state == State::kAcked || slot->state == State::kNew) continue;
      const std::uint64_t again_ms = now_ms + (slot->entry.message ? nack.delay_ms : 0);  // or it has ended meanwhile
      set_state(*slot, State::kNacked);
      set_alarm(*slot, again_ms, again_ms);
    }
    return {};
  }

  void ended(const LostRange& lost, std::uint64_t) override {
    for (std::size_t i = place_of(lost.first); i < slots_.size() && slots_[i].entry.first <= lost.last; ++i) {
      Slot& slot = slots_[i];
      if (slot.state == State::kAcked || !slot.entry.message) continue;
      if (slot.state == State::kWaiting || slot.state == State::kNacked) {
        // There is nothing left to wait for: the client is told at once.
        slot.cause = RetransmitCause::kTimer;
        set_state(slot, State::kDue);
      }
      end_entry(slot.entry, lost.reason);
    }
  }

  void taken_in(std::uint64_t number, std::uint64_t now_ms) override {
    const auto delivery = in_flight_.end(number);
    if (!delivery) return;
    // Equal attempts of one delivery get one delay, so that they come due, and go out, together.
    std::uint32_t timeouts = 0;
    std::uint64_t delay_ms = backoff_ms(retransmit_, 1, random_);
    for (std::size_t i = place_of(delivery->first); i < slots_.size() && slots_[i].entry.first <= delivery->last; ++i) {
      Slot& slot = slots_[i];
      if (slot.state != State::kInFlight || slot.delivery != number) continue;
      if (slot.timeouts != timeouts) {
        timeouts = slot.timeouts;
        delay_ms = backoff_ms(retransmit_, timeouts + 1, random_);
      }
      set_state(slot, State::kWaiting);
      set_alarm(slot, now_ms + delay_ms, now_ms + delay_ms / 2);
    }
  }

  std::optional<Delivery> next_delivery(std::uint64_t now_ms) override {
    collect_due(now_ms, false);
    if (due_.empty() ? in_flight_.full() : !in_flight_.empty()) return std::nullopt;
    DeliveryBuilder builder(now_ms);
    const std::size_t repeats_left = add_due(builder);
    if (repeats_left == 0) add_new(builder);
    if (builder.empty()) return std::nullopt;
    note_delivered(builder.last());
    return finish(builder);
  }

  [[nodiscard]] std::uint64_t wake_at() const override { return alarms_.empty() ? 0 : alarms_.begin()->first; }

  [[nodiscard]] Sequence oldest() const override { return slots_.empty() ? Sequence() : slots_.front().entry.first; }
  [[nodiscard]] std::vector<Sequence> left_unacked() const override {
    std::vector<Sequence> left;
    for (const Slot& slot : slots_) {
      const bool is_with_client =
          slot.state == State::kWaiting || slot.state == State::kNacked || slot.state == State::kDue;
      if (is_with_client && slot.entry.message) left.push_back(slot.entry.first);
    }
    return left;
  }
  [[nodiscard]] const OutstandingEntry* entry_of(Sequence sequence) const override {
    const std::size_t place = place_of(sequence);
    if (place == slots_.size() || slots_[place].entry.first > sequence) return nullptr;
    return slots_[place].state == State::kAcked ? nullptr : &slots_[place].entry;
  }

 private:
  enum class State : std::uint8_t { kNew, kInFlight, kWaiting, kNacked, kDue, kAcked };
  struct Alarm {
    std::uint64_t half_ms;  // from then on it goes along with new messages
    Sequence sequence;
  };
  using Alarms = std::multimap<std::uint64_t, Alarm>;  // by the time when they ring
  struct Slot {
    OutstandingEntry entry;
    Alarms::iterator alarm;  // in kWaiting and kNacked; else the end
    State state = State::kNew;
    RetransmitCause cause = RetransmitCause::kTimer;  // in kDue
    std::uint32_t timeouts = 0;                       // repeats that nobody asked for: they double the delay
    std::uint64_t delivery = 0;                       // in kInFlight
  };

  [[nodiscard]] Held parked() const override { return nacked_; }

  // What waited for a time waits for it no more. To be called while the entry still has its size.
  void set_state(Slot& slot, State state) {
    if (slot.state == State::kDue) due_.erase(slot.entry.first);
    if (state == State::kDue) due_.insert(slot.entry.first);
    if (slot.alarm != alarms_.end()) alarms_.erase(std::exchange(slot.alarm, alarms_.end()));
    if (slot.state == State::kNacked) --nacked_.messages, nacked_.bytes -= slot.entry.bytes();
    if (state == State::kNacked) ++nacked_.messages, nacked_.bytes += slot.entry.bytes();
    slot.state = state;
  }

  // A lost range is acked by its last sequence, once it was told. Before that, an ack is of a message in it that the
  // device had before it ended, and only when it had all of them there is nothing to tell.
  static bool is_acked(const Slot& slot, const std::vector<Sequence>& above) {
    if (slot.state != State::kNew) return true;
    const auto acked =
        std::ranges::upper_bound(above, slot.entry.last) - std::ranges::lower_bound(above, slot.entry.first);
    return static_cast<std::uint64_t>(acked) == slot.entry.last.value - slot.entry.first.value + 1;
  }

  void retire(Slot& slot) {
    if (slot.state == State::kAcked) return;
    set_state(slot, State::kAcked);
    release(slot.entry);
    slot.entry.message.reset();
  }

  void set_alarm(Slot& slot, std::uint64_t at_ms, std::uint64_t half_ms) {
    slot.alarm = alarms_.emplace(at_ms, Alarm{half_ms, slot.entry.first});
  }

  // Moves what is due to due_; with `halves` also what is past half its time, as far as it stands first.
  void collect_due(std::uint64_t now_ms, bool halves) {
    while (!alarms_.empty()) {
      const auto& [at_ms, alarm] = *alarms_.begin();
      if (at_ms > now_ms && !(halves && alarm.half_ms <= now_ms)) return;
      Slot& slot = *find(alarm.sequence);
      if (slot.state == State::kNacked) {
        slot.cause = RetransmitCause::kNack;
      } else {
        slot.cause = at_ms > now_ms ? RetransmitCause::kWithNew : RetransmitCause::kTimer;
        ++slot.timeouts;
      }
      set_state(slot, State::kDue);  // the alarm is gone with that
    }
  }

  // Returns how many are left over for another delivery.
  std::size_t add_due(DeliveryBuilder& builder) {
    while (!due_.empty()) {
      Slot& slot = *find(*due_.begin());
      const std::uint32_t attempts = slot.entry.attempts;
      if (!builder.add(slot.entry)) break;
      if (attempts > 0) note_in_vain(slot.entry);
      set_state(slot, State::kInFlight);
      slot.delivery = 0;  // set by finish()
      count(counters_.retransmits_of(slot.cause));
    }
    return due_.size();
  }

  void add_new(DeliveryBuilder& builder) {
    for (; sent_ < slots_.size(); ++sent_) {
      Slot& slot = slots_[sent_];
      if (slot.state != State::kNew) continue;  // acked through a fetch before it went out
      if (!builder.add(slot.entry)) return;
      set_state(slot, State::kInFlight);
      slot.delivery = 0;
    }
  }

  Delivery finish(DeliveryBuilder& builder) {
    Delivery delivery = builder.finish(in_flight_);
    for (std::size_t i = place_of(builder.first()); i < slots_.size() && slots_[i].entry.first <= builder.last(); ++i) {
      if (slots_[i].state == State::kInFlight && slots_[i].delivery == 0) slots_[i].delivery = delivery.number;
    }
    return delivery;
  }

  [[nodiscard]] std::size_t place_of(Sequence sequence) const {
    const auto last_of = [](const Slot& slot) { return slot.entry.last; };
    return static_cast<std::size_t>(std::ranges::lower_bound(slots_, sequence, {}, last_of) - slots_.begin());
  }
  [[nodiscard]] Slot* find(Sequence sequence) {
    const std::size_t place = place_of(sequence);
    if (place == slots_.size() || slots_[place].entry.first > sequence) return nullptr;
    return &slots_[place];
  }

  BackoffPolicy retransmit_;
  Random& random_;
  SessionCounters& counters_;
  std::deque<Slot> slots_;  // ascending, without holes; the first one is unacked; at most kSelectiveAcksMax
  std::size_t sent_ = 0;    // slots before this place have gone out
  Held nacked_;
  Alarms alarms_;           // at most one for each slot
  std::set<Sequence> due_;  // first sequences of the slots in kDue
  InFlight in_flight_;
};

}  // namespace

std::unique_ptr<Outstanding> make_unordered(std::size_t window_max, const OutstandingContext& context) {
  return std::make_unique<Unordered>(window_max, context);
}

}  // namespace earshot::actors
