#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "actors/outstanding.hpp"
#include "actors/ports.hpp"
#include "base/backoff.hpp"
#include "base/random.hpp"

namespace earshot::actors {

// What to read from the mailbox: the messages after this one.
struct MailboxRead {
  Sequence after;
  std::uint32_t limit = 0;
  std::size_t bytes_max = 0;
};

// Fills a session's window from its mailbox, in sequence, without a hole or a double, out of two sources: what the
// shard pushes and what is read back from it. A push is taken when it is the very next sequence and fits; otherwise it
// only tells how long the mailbox is, and the difference is read when there is room.
//
// Once in doubt it also reads again what the window holds: a change of leader may have swallowed that it ended.
//
// One read is under way at a time. A read that fails, or that does not continue where we are, is tried again with
// back-off; one that only met a change of leader, as soon as other requests are asked again.
class MailboxFeed {
 public:
  // Everything up to `cursor` is done with. The first read happens in any case: what arrived before the registration is
  // known to nobody.
  // `parked`, ascending: given up on for this device; they go into the window as lost.
  MailboxFeed(Sequence cursor, Sequence last_known, std::vector<Sequence> parked = {})
      : taken_(cursor), last_known_(last_known), parked_(std::move(parked)) {}

  // Takes what fits; true when something was taken.
  bool push(const MailboxPush& push, Outstanding& window);
  // The read that should start now, if any; it is under way after that.
  std::optional<MailboxRead> next_read(const Outstanding& window, std::uint64_t now_ms);
  // The answer to that read. Takes what fits.
  void read_answered(Result<Batch> answer, Outstanding& window, Random& random, std::uint64_t now_ms);
  // The mailbox goes as far as this, if not further.
  void reaches(Sequence last) { last_known_ = std::max(last_known_, last); }
  // The client has everything up to here, wherever from.
  void skip_to(Sequence sequence) {
    if (sequence > taken_) next_bytes_ = 0;
    taken_ = std::max(taken_, sequence);
  }
  // Words of the shard may have gone nowhere. Pushes: read once more even if nothing seems to be missing, and at once.
  // What has ended: read again what the window holds, and end there what is lost by now.
  void doubt(const Outstanding& window) {
    must_read_ = true;
    failures_ = 0;
    retry_at_ms_ = 0;
    review_from_ = window.oldest();
    review_to_ = taken_;
    is_reviewing_ = false;  // what is under way is an answer from before
  }

  // The window has had everything up to here.
  [[nodiscard]] Sequence taken() const { return taken_; }
  // When next_read() may want something that it does not want now; 0: not before something else happens.
  [[nodiscard]] std::uint64_t wake_at() const { return retry_at_ms_ != 0 ? retry_at_ms_ : look_at_ms_; }
  // The newest sequence known to be in the mailbox.
  [[nodiscard]] Sequence last_known() const { return std::max(last_known_, taken_); }

 private:
  [[nodiscard]] bool must_review() const { return review_from_ != Sequence() && review_from_ <= review_to_; }
  void review(const Batch& batch, Outstanding& window, std::uint64_t now_ms);
  bool take(Batch& batch, Outstanding& window);
  // False: it does not fit.
  bool take(OutstandingEntry entry, Outstanding& window);
  // The message as what it is to this device.
  [[nodiscard]] OutstandingEntry entry_of(std::shared_ptr<const IncomingMessage> message) const;

  Sequence taken_;  // the window has had everything up to here
  Sequence last_known_;
  std::vector<Sequence> parked_;  // ascending
  std::size_t next_bytes_ = 0;    // of the entry behind taken_, when it is known not to have fitted
  Sequence review_from_;          // of the window, this …
  Sequence review_to_;            // … to this is to be read again
  bool must_read_ = true;
  bool is_reading_ = false;
  bool is_reviewing_ = false;      // by that read
  std::uint32_t failures_ = 0;     // in a row
  std::uint64_t retry_at_ms_ = 0;  // no read before then; 0: any time
  std::uint64_t look_at_ms_ = 0;   // the node may have room for it then; 0: it is not waited for
};

}  // namespace earshot::actors
