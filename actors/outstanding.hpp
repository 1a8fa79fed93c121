#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "actors/counters.hpp"
#include "actors/ports.hpp"
#include "base/backoff.hpp"
#include "base/byte_budget.hpp"
#include "base/limits.hpp"
#include "base/random.hpp"

namespace earshot::actors {

// Deliveries given to a client and not yet taken in. More would only fill the socket of a client that cannot follow.
inline constexpr std::size_t kDeliveriesInFlightMax = 4;

// What a message takes besides its body: names, ids, numbers.
inline constexpr std::size_t kMessageOverheadBytes = 256;

// What one sequence, or one range that is gone, is to a session from the mailbox until its ack. A lost range is kept
// like a message: the client has to know it for good before the cursor may pass over it. It is acked by its last
// sequence.
struct OutstandingEntry {
  std::shared_ptr<const IncomingMessage> message;  // null: a lost range
  Sequence first;
  Sequence last;  // == first for a message
  LostReason reason = LostReason::kUnknown;
  std::uint32_t attempts = 0;
  std::uint64_t first_delivered_ms = 0;
  std::uint64_t last_delivered_ms = 0;

  static OutstandingEntry of(std::shared_ptr<const IncomingMessage> message);
  static OutstandingEntry of(const LostRange& lost);
  // The message is gone, and why: from now on this is a lost range.
  void end(LostReason why);
  [[nodiscard]] std::size_t bytes() const;
};

// The delivery window of a subscribed session: what the mailbox gave and the client has not finished with. Decides what
// goes to the client next and when it goes again. One implementation per delivery mode.
//
//   take ──► new ──next_delivery──► in flight ──taken_in──► waiting for its ack ──acked──► gone
//                        ▲                                     │ time is up, or nacked
//                        └─────────────────────────────────────┘
//
// Rules of every mode:
//  * entries come in ascending sequence, without holes, only while they fit; the window never holds more;
//  * at most kDeliveriesInFlightMax deliveries are in flight; a repeat goes out only when none is;
//  * new entries wait while a repeat is due, and follow it in the same delivery: the unacked go before the new;
//  * when new messages come while something has waited for more than half its time, that counts as its time being up;
//  * a message that has ended is a lost range from then on: what the client does not have, it is told of.
// Thread: its session's. Times are monotonic ms.
class Outstanding {
 public:
  virtual ~Outstanding() { windows_.give_back(bytes_); }
  Outstanding(const Outstanding&) = delete;
  Outstanding& operator=(const Outstanding&) = delete;

  [[nodiscard]] virtual std::size_t free_messages() const { return window_max_ - std::min(messages_, window_max_); }
  [[nodiscard]] std::size_t free_bytes() const { return free_bytes(share()); }
  // Whether an entry of this size may be taken.
  [[nodiscard]] bool fits(std::size_t bytes) const { return fits(share(), bytes); }
  // Whether it holds more than it may by now: others have to wait for it.
  [[nodiscard]] bool is_in_the_way() const {
    const Share now = share();
    return counted(now, 0) > now.bytes_max;
  }
  // It holds nothing that the client could free.
  [[nodiscard]] bool is_empty() const { return messages_ == 0; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  // Whether so much is free that reading from the mailbox is worth a request: a quarter of what nacks leave of the
  // window, or room for a message of any size; and room for the next entry as far as its size is known (else 0).
  // Reading for every single ack would cost a request per message.
  [[nodiscard]] bool is_worth_reading(std::size_t next_bytes) const;

  // Appends an entry that fits.
  virtual void take(OutstandingEntry entry) = 0;
  // Entries were appended because they are new in the mailbox, not because there is room again.
  virtual void new_came(std::uint64_t now_ms) = 0;
  // The client has these for good.
  virtual void acked(const AckRequest& ack, std::uint64_t now_ms) = 0;
  // The client wants these again. kInvalidArgument for what was not delivered; what is acked already is left out.
  virtual Status nacked(const NackRequest& nack, std::uint64_t now_ms) = 0;
  // These messages have ended, or are parked for this device. Those that are not here are nobody's business.
  virtual void ended(const LostRange& lost, std::uint64_t now_ms) = 0;
  // The client has taken a delivery in.
  virtual void taken_in(std::uint64_t number, std::uint64_t now_ms) = 0;

  // The next delivery that may go out now, if any; epoch and last_sequence are the caller's to fill. Call until there
  // is none.
  virtual std::optional<Delivery> next_delivery(std::uint64_t now_ms) = 0;
  // When next_delivery() may have something that it has not now; 0: not before something else happens.
  [[nodiscard]] virtual std::uint64_t wake_at() const = 0;

  // The newest sequence that went out.
  [[nodiscard]] Sequence delivered() const { return delivered_; }
  // The oldest sequence that is kept; what follows it is kept without a hole. 0: nothing is.
  [[nodiscard]] virtual Sequence oldest() const = 0;

  // Messages whose delivery brought nothing, known by their going out again; each sequence once per such delivery.
  std::vector<Sequence> take_in_vain() { return std::exchange(in_vain_, {}); }
  // Messages that the client has taken in and that keep it from going on: when it leaves now, their last delivery was
  // in vain too.
  [[nodiscard]] virtual std::vector<Sequence> left_unacked() const = 0;
  // The entry of this sequence; null when it is not here, or acked.
  [[nodiscard]] virtual const OutstandingEntry* entry_of(Sequence sequence) const = 0;

 protected:
  Outstanding(std::size_t window_max, ByteBudget& windows) : window_max_(window_max), windows_(windows) {}

  void occupy(const OutstandingEntry& entry) {
    largest_ = std::max(largest(), entry.bytes());
    ++messages_, bytes_ += entry.bytes();
    windows_.take(entry.bytes());
  }
  void release(const OutstandingEntry& entry) {
    --messages_, bytes_ -= entry.bytes();
    windows_.give_back(entry.bytes());
  }
  void note_delivered(Sequence last) { delivered_ = std::max(delivered_, last); }
  // A delivered entry is about to go out again.
  void note_in_vain(const OutstandingEntry& entry) {
    if (entry.message && entry.attempts > 0) in_vain_.push_back(entry.first);
  }
  // Whether there was a message to end.
  bool end_entry(OutstandingEntry& entry, LostReason reason) {
    if (!entry.message) return false;
    release(entry);
    entry.end(reason);
    occupy(entry);
    return true;
  }
  struct Held {
    std::size_t messages = 0;
    std::size_t bytes = 0;
  };
  // What only waits for the delay of a nack.
  [[nodiscard]] virtual Held parked() const { return {}; }

 private:
  // What a window may hold by now. Other sessions change it at any time: whoever decides by it looks once.
  struct Share {
    std::size_t bytes_max;
    bool beside_largest;  // the largest entry does not count
  };
  // From half of the node's memory for windows on, a window grows no further than a small share beside one message of
  // any size: a message that is not acked keeps back no others, and a large one gets through to everybody. When all is
  // used, large ones have to wait, or devices that never ack could fill the memory with them.
  [[nodiscard]] Share share() const {
    if (windows_.is_full()) return {limits::kWindowBytesPressed, false};
    if (windows_.is_half_full()) return {limits::kWindowBytesPressed, true};
    return {limits::kWindowBytesMax, false};
  }
  // With one more entry of so many bytes.
  [[nodiscard]] std::size_t counted(const Share& share, std::size_t more) const {
    return bytes_ + more - (share.beside_largest ? std::max(largest(), more) : 0);
  }
  [[nodiscard]] std::size_t free_bytes(const Share& share) const {
    return share.bytes_max - std::min(counted(share, 0), share.bytes_max);
  }
  [[nodiscard]] bool fits(const Share& share, std::size_t bytes) const {
    return free_messages() > 0 && counted(share, bytes) <= share.bytes_max;
  }
  // No less than the largest entry, no more than the largest that there was: to know better would cost a walk.
  [[nodiscard]] std::size_t largest() const { return std::min(largest_, bytes_); }

  std::size_t window_max_;
  ByteBudget& windows_;
  std::size_t messages_ = 0;  // entries that count against the window
  std::size_t bytes_ = 0;     // of them
  std::size_t largest_ = 0;   // see largest()
  Sequence delivered_;
  std::vector<Sequence> in_vain_;  // emptied by take_in_vain()
};

// What the modes need. Outlives the window.
struct OutstandingContext {
  BackoffPolicy retransmit;
  Random& random;
  SessionCounters& counters;
  ByteBudget& windows;  // bytes of the windows of all sessions of the node
};

std::unique_ptr<Outstanding> make_ordered(std::size_t window_max, const OutstandingContext& context);
std::unique_ptr<Outstanding> make_unordered(std::size_t window_max, const OutstandingContext& context);
std::unique_ptr<Outstanding> make_sequence_only(std::size_t window_max, const OutstandingContext& context);

// ---- shared by the modes

// The deliveries that the client has not yet taken in.
class InFlight {
 public:
  struct One {
    std::uint64_t number = 0;
    Sequence first;
    Sequence last;
    bool covers(Sequence sequence) const { return first <= sequence && sequence <= last; }
  };

  [[nodiscard]] bool empty() const { return deliveries_.empty(); }
  [[nodiscard]] bool full() const { return deliveries_.size() >= kDeliveriesInFlightMax; }
  [[nodiscard]] bool covers(Sequence sequence) const {
    return std::ranges::any_of(deliveries_, [&](const One& one) { return one.covers(sequence); });
  }
  // A new delivery leaves; returns its number.
  std::uint64_t begin(Sequence first, Sequence last);
  // The delivery of this number, which is in flight no more; nothing for an unknown number.
  std::optional<One> end(std::uint64_t number);

 private:
  std::uint64_t last_number_ = 0;
  std::vector<One> deliveries_;  // at most kDeliveriesInFlightMax
};

// Fills one delivery within the limits of a batch.
class DeliveryBuilder {
 public:
  explicit DeliveryBuilder(std::uint64_t now_ms) : now_ms_(now_ms) {}

  // Counts the attempt. False when the batch has no room for it: it must go with another delivery.
  bool add(OutstandingEntry& entry);
  [[nodiscard]] bool empty() const { return delivery_.items.empty() && delivery_.lost.empty(); }
  [[nodiscard]] Sequence first() const { return first_; }
  [[nodiscard]] Sequence last() const { return last_; }
  // Registers the delivery as in flight.
  Delivery finish(InFlight& in_flight);

 private:
  std::uint64_t now_ms_;
  Delivery delivery_;
  std::size_t bytes_ = 0;
  Sequence first_;
  Sequence last_;
};

}  // namespace earshot::actors
