#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "base/error.hpp"

// The one mechanism for order without loss or doubles. A sender numbers items 1, 2, 3 … without holes within an epoch
// and keeps each until it is confirmed; the receiver accepts `last + 1` only, gives a repeat its first answer again,
// and asks for a resend when a number is missing. "Highest number seen" would not do: a retry of an earlier item would
// be taken for a repeat and lost. Only contiguity is safe. Both sides are bounded.
//
// The channel between them may lose, delay, reorder and repeat, in both directions, and both sides may restart. What
// must hold around these classes:
//  * the receiver answers an item, and a repeat of it, only when the item is as durable as the stream is;
//  * the sender makes a confirmation durable before it tells confirmed_below(): the receiver forgets answers by it, and
//  a
//    sender that restarts from an older state would ask for a forgotten one;
//  * a verdict of kReset counts only while the sender still holds that number (find()): for one that was confirmed
//  since,
//    it comes from a copy that was late.
//
// Pure logic: no thread, clock or disk. One owner at a time.
namespace earshot {

// The sending side. Item is what must arrive.
//
//          confirmed_below()     next_to_send()          last()
//   … gone |  sent, unconfirmed  |  to be sent (again)  |
template <class Item>
class StreamSender {
 public:
  // The state of the stream when something was sent; given back with what came of it, it tells news from late answers.
  struct Ticket {
    std::uint64_t epoch = 0;
    std::uint64_t round = 0;  // of resending
    std::uint64_t confirmed_below = 0;
  };

  // Keeps at most `window_max` unconfirmed items. The first item gets number `first`.
  explicit StreamSender(std::size_t window_max, std::uint64_t epoch = 1, std::uint64_t first = 1)
      : window_max_(window_max), epoch_(epoch), base_(first), next_send_(first), sent_below_(first) {
    EARSHOT_INVARIANT(first > 0, "numbers count from 1");
  }

  // Appends an item and returns its number; kOverloaded when `window_max` items are unconfirmed (nothing is changed).
  Result<std::uint64_t> push(Item item) {
    if (is_full()) return fail(ErrorCode::kOverloaded, "window", "the window of unconfirmed items is full");
    slots_.push_back(Slot{std::move(item), false});
    return last();
  }

  // The same for an item that an earlier life of this sender numbered and may have sent: it can be confirmed before it
  // is sent again.
  Result<std::uint64_t> restore(Item item) {
    Result<std::uint64_t> number = push(std::move(item));
    if (number) sent_below_ = *number + 1;
    return number;
  }

  // Calls send(number, item) for items not sent since the last rewind, in order, at most `count`; returns how many.
  template <class Send>
  std::size_t send_ready(std::size_t count, Send&& send) {
    std::size_t sent = 0;
    for (; sent < count && next_send_ <= last(); ++next_send_) {
      const Slot& slot = slots_[next_send_ - base_];
      if (slot.confirmed) continue;
      send(next_send_, slot.item);
      ++sent;
    }
    sent_below_ = std::max(sent_below_, next_send_);
    skip_confirmed();
    return sent;
  }

  // The receiver has this item for good. Any order, repeats welcome; a number never sent is ignored and gives false.
  bool confirm(std::uint64_t number) {
    if (number < base_) return true;
    if (number >= sent_below_) return false;
    slots_[number - base_].confirmed = true;
    drop_confirmed();
    return true;
  }

  // The receiver has every item up to and with this one. False, and nothing changed, for a number never sent.
  bool confirm_through(std::uint64_t number) {
    if (number >= sent_below_) return false;
    while (base_ <= number) slots_.pop_front(), ++base_;
    drop_confirmed();
    return true;
  }

  // Sends again from `number` on what is not confirmed: after a temporary refusal or a timeout. False when the number
  // is confirmed by now: nothing to do.
  bool rewind(std::uint64_t number) {
    if (number < base_) return false;
    if (number < next_send_) next_send_ = number, ++round_;
    skip_confirmed();
    return true;
  }
  // Sends everything unconfirmed again: after a new connection.
  void rewind_all() { next_send_ = base_, ++round_; }

  // To be taken when something is sent.
  [[nodiscard]] Ticket ticket() const { return Ticket{epoch_, round_, base_}; }

  // The receiver wanted `expected` instead of what was sent with this ticket: sends again from there, once, however
  // many items of one round are refused. False when the receiver wants what it had confirmed before that sending: it
  // has forgotten, and the stream must restart.
  bool out_of_order(std::uint64_t expected, const Ticket& sent) {
    if (sent.epoch != epoch_) return true;
    if (expected < sent.confirmed_below) return false;
    if (sent.round == round_) rewind(expected);
    return true;
  }

  // Begins a new epoch: what is unconfirmed is numbered again from 1, in its order.
  void restart(std::uint64_t epoch) {
    std::erase_if(slots_, [](const Slot& slot) { return slot.confirmed; });
    epoch_ = epoch, base_ = 1, next_send_ = 1, sent_below_ = 1, ++round_;
  }

  // Item by number; nullptr when confirmed or never pushed.
  [[nodiscard]] const Item* find(std::uint64_t number) const {
    if (number < base_ || number > last() || slots_[number - base_].confirmed) return nullptr;
    return &slots_[number - base_].item;
  }
  // The same, for what the owner notes on its items.
  [[nodiscard]] Item* find(std::uint64_t number) { return const_cast<Item*>(std::as_const(*this).find(number)); }

  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }
  // Everything below is confirmed: what the receiver may forget.
  [[nodiscard]] std::uint64_t confirmed_below() const { return base_; }
  // The last number given out; confirmed_below() - 1 when none is unconfirmed.
  [[nodiscard]] std::uint64_t last() const { return base_ + slots_.size() - 1; }
  // The number that send_ready sends next.
  [[nodiscard]] std::uint64_t next_to_send() const { return next_send_; }
  [[nodiscard]] bool has_ready() const { return next_send_ <= last(); }
  [[nodiscard]] bool is_full() const { return slots_.size() >= window_max_; }
  [[nodiscard]] std::size_t unconfirmed() const { return slots_.size(); }

 private:
  struct Slot {
    Item item;
    bool confirmed;
  };

  void drop_confirmed() {
    while (!slots_.empty() && slots_.front().confirmed) slots_.pop_front(), ++base_;
    next_send_ = std::max(next_send_, base_);
    skip_confirmed();
  }

  void skip_confirmed() {
    while (next_send_ <= last() && slots_[next_send_ - base_].confirmed) ++next_send_;
  }

  std::size_t window_max_;
  std::uint64_t epoch_;
  std::deque<Slot> slots_;    // numbers base_ .. base_ + size - 1
  std::uint64_t base_;        // lowest unconfirmed number
  std::uint64_t next_send_;   // base_ .. last() + 1; never a confirmed one
  std::uint64_t sent_below_;  // all lower numbers were sent in this epoch: only these can be confirmed
  std::uint64_t round_ = 1;   // counts the times that sending went back
};

// What the receiver does with an item.
enum class StreamVerdict : std::uint8_t {
  kAccept,      // number == expected: take it and record() its answer
  kRepeat,      // known: give the recorded answer again
  kOutOfOrder,  // a number is missing: answer expected(), the sender resends from there
  kReset,       // below what was promised forgotten, or known under another identity: the stream must restart
};

// The receiving side. Identity tells two items with one number apart (a message id); Answer is what a repeat gets
// again. A receiver without answers uses a cheap identity and answer.
template <class Identity, class Answer>
class StreamReceiver {
 public:
  struct Known {
    Identity identity;
    Answer answer;
    bool operator==(const Known&) const = default;
  };

  // Remembers at most `window_max` answers beyond what the sender said it needs no more. A sender with a window not
  // larger than that, which tells what it needs no more with every item, never finds the receiver full.
  explicit StreamReceiver(std::size_t window_max, std::uint64_t expected = 1)
      : window_max_(window_max), expected_(expected) {}

  // What to do with item `number`. Changes nothing.
  [[nodiscard]] StreamVerdict judge(std::uint64_t number, const Identity& identity) const {
    if (number > expected_) return StreamVerdict::kOutOfOrder;
    if (number == expected_) return StreamVerdict::kAccept;
    const Known* known = find(number);
    return known != nullptr && known->identity == identity ? StreamVerdict::kRepeat : StreamVerdict::kReset;
  }

  // Takes the expected item. Only after judge() said kAccept, and never when is_full(): to make room the receiver would
  // have to forget an answer that the sender may still ask for, so its owner refuses the item for now (kOverloaded)
  // instead.
  void record(Identity identity, Answer answer) {
    EARSHOT_INVARIANT(!is_full(), "an answer is forgotten only when the sender needs it no more");
    known_.push_back(Known{std::move(identity), std::move(answer)});
    ++expected_;
  }

  // The sender has the answers below `number` and will not ask for them again.
  void forget_below(std::uint64_t number) {
    while (!known_.empty() && first_known() < number) known_.pop_front();
  }

  // The recorded answer of `number`, nullptr when forgotten or not yet received.
  [[nodiscard]] const Known* find(std::uint64_t number) const {
    if (number < first_known() || number >= expected_) return nullptr;
    return &known_[number - first_known()];
  }

  [[nodiscard]] std::uint64_t expected() const { return expected_; }
  [[nodiscard]] std::uint64_t first_known() const { return expected_ - known_.size(); }
  [[nodiscard]] const std::deque<Known>& known() const { return known_; }
  // No further item can be taken before forget_below() makes room.
  [[nodiscard]] bool is_full() const { return known_.size() >= window_max_; }

 private:
  std::size_t window_max_;
  std::uint64_t expected_;
  std::deque<Known> known_;  // answers of first_known() .. expected_ - 1
};

}  // namespace earshot
