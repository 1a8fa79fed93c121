#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "actors/attempt_notes.hpp"
#include "actors/counters.hpp"
#include "actors/mailbox_feed.hpp"
#include "actors/outstanding.hpp"
#include "actors/ports.hpp"
#include "actors/window_pressure.hpp"
#include "base/random.hpp"

namespace earshot::actors {

// A subscribed session's way from its user's mailbox to its client: what to read, what to deliver and when again, what
// ends meanwhile, and which deliveries were in vain. Deliveries in vain are only of interest while the mailbox's rule
// can park anything.
//
//   mailbox ──push, read──► feed ──take──► window ──next_delivery──► client
//
// Thread: its session's. Times are monotonic ms.
class Subscription {
 public:
  struct Start {
    Epoch epoch;                        // of the mailbox
    Sequence acked;                     // the client has everything up to here …
    std::vector<Sequence> acked_above;  // … and these, ascending; heeded in unordered mode
    Sequence last_sequence;             // of the mailbox, at login
    std::vector<Sequence> parked;       // given up on for this device, ascending
  };
  // What `context` refers to outlives it. kInvalidArgument when the call breaks a rule.
  static Result<std::unique_ptr<Subscription>> open(const ClientSubscribe& call, const OutstandingContext& context,
                                                    Start start);

  // ---- from the shard
  void pushed(const MailboxPush& push, std::uint64_t now_ms);
  // The answer to next_read(). False: the mailbox is another one by now, restored to an earlier state.
  bool read_answered(Result<Batch> batch, std::uint64_t now_ms);
  void ended(const MessagesEnded& message, std::uint64_t now_ms);
  // Parked after so many deliveries in vain; 0: never.
  void take(const ParkingRule& rule) {
    deliveries_max_ = rule.deliveries_max;
    feed_.reaches(rule.mailbox_end);
  }
  void attempts_answered(bool again);
  // What the shard said without being asked may have gone nowhere.
  void doubt() { feed_.doubt(*window_); }

  // ---- from the client
  void taken_in(std::uint64_t number, std::uint64_t now_ms) { window_->taken_in(number, now_ms); }
  void acked(const AckRequest& ack, std::uint64_t now_ms);
  Status nacked(const NackRequest& nack, std::uint64_t now_ms) { return window_->nacked(nack, now_ms); }

  // ---- what is to be done now, after every event, in this order
  // What an earlier session of the device acked beyond the cursor does not go out again.
  void skip_acked(std::uint64_t now_ms);
  // The others need the memory that this window has held for too long.
  [[nodiscard]] bool must_make_room(std::uint64_t now_ms);
  // Call until there is none.
  std::optional<Delivery> next_delivery(std::uint64_t now_ms);
  std::optional<std::vector<AttemptNotes::Note>> next_attempts();
  std::optional<MailboxRead> next_read(std::uint64_t now_ms) { return feed_.next_read(*window_, now_ms); }
  // When one of these may have something that it has not now; 0: not before something else happens.
  [[nodiscard]] std::uint64_t wake_at() const;

  // The client goes over what it has taken in and not acked: that counts as in vain too, or it would come back to it
  // for ever.
  std::vector<AttemptNotes::Note> last_attempts();

  // Acks are cumulative.
  [[nodiscard]] bool is_cumulative() const { return mode_ != DeliveryMode::kUnordered; }
  // The newest sequence that went out.
  [[nodiscard]] Sequence delivered() const { return window_->delivered(); }
  // Null when it is not outstanding.
  [[nodiscard]] const OutstandingEntry* entry_of(Sequence sequence) const { return window_->entry_of(sequence); }

 private:
  Subscription(DeliveryMode mode, std::unique_ptr<Outstanding> window, const OutstandingContext& context, Start start);
  AttemptNotes& attempts();

  const DeliveryMode mode_;
  const Epoch epoch_;
  const Sequence last_at_login_;
  Random& random_;
  SessionCounters& counters_;
  Sequence acked_;                     // the client said that it has everything up to here
  std::vector<Sequence> acked_above_;  // ascending; those that the feed has not passed yet
  const std::unique_ptr<Outstanding> window_;
  MailboxFeed feed_;
  WindowPressure pressure_;
  std::uint32_t deliveries_max_ = 0;
  std::unique_ptr<AttemptNotes> attempts_;  // few sessions ever need them
};

}  // namespace earshot::actors
