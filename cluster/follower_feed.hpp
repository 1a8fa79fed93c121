#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "base/limits.hpp"

namespace earshot::cluster {

// What a leader has sent to one follower, and may send next. libraft says which entries shall go, bounds them by their
// number and takes them for sent; it repeats them from the last acknowledged one on as often as it pleases. This bounds
// bytes, sends the rest when there is room, and repeats only to a follower that answers, less and less often.
//
//   acknowledged ──── in flight ──── sent ──── room, then the rest ──── wanted
//
// Invariant: sent <= wanted. Times in ms of one monotonic clock.
class FollowerFeed {
 public:
  // libraft wants `count` entries behind `previous` to go.
  void wanted(LogIndex previous, std::uint64_t count) {
    if (previous != wanted_) begin_at(previous);
    wanted_ = LogIndex(previous.value + count);
  }

  // Where an empty message stands that libraft wants behind `previous`: not behind entries that did not go yet.
  [[nodiscard]] LogIndex anchor(LogIndex previous) const { return previous == wanted_ ? sent_ : previous; }

  // Whether entries sent() + 1 .. wanted() may go now.
  [[nodiscard]] bool has_room(std::uint64_t now_ms) const {
    return sent_ < wanted_ && in_flight_bytes_ < limits::kRaftBytesInFlightMax && now_ms >= hold_until_ms_ &&
           (!unanswered_ || heard_);
  }
  void sent(LogIndex last, std::size_t bytes, std::uint64_t now_ms) {
    EARSHOT_INVARIANT(last > sent_ && last <= wanted_, "what is wanted is sent in order");
    sent_ = last;
    sent_ms_ = now_ms;
    heard_ = unanswered_ = false;
    tried_ = true;
    in_flight_.push_back({last, bytes});
    in_flight_bytes_ += bytes;
  }

  // The follower has stored everything through `match`.
  void acknowledged(LogIndex match) {
    while (!in_flight_.empty() && in_flight_.front().last <= match) {
      in_flight_bytes_ -= in_flight_.front().bytes;
      in_flight_.pop_front();
    }
    if (match > sent_) sent_ = match;
    wanted_ = std::max(wanted_, sent_);
  }
  // The follower answered, whatever it said.
  void heard() { heard_ = true; }
  // … that it misses what came before a message: the next repetition does not wait.
  void rejected() { missing_ = true; }

  [[nodiscard]] LogIndex sent() const { return sent_; }
  [[nodiscard]] LogIndex wanted() const { return wanted_; }
  [[nodiscard]] std::size_t in_flight_bytes() const { return in_flight_bytes_; }

 private:
  struct Piece {
    LogIndex last;
    std::size_t bytes = 0;
  };

  void begin_at(LogIndex previous) {
    if (previous != begun_at_ || !tried_) {
      tried_ = unanswered_ = false;
      delay_ms_ = limits::kHeartbeatMs / 2;
      hold_until_ms_ = 0;
    } else if (missing_) {
      unanswered_ = false;
      hold_until_ms_ = 0;
    } else if (sent_ > previous) {  // else what was sent from here is waited for already
      unanswered_ = true;
      delay_ms_ = std::min<std::uint64_t>(delay_ms_ * 2, kDelayMsMax);
      hold_until_ms_ = sent_ms_ + delay_ms_;
    }
    missing_ = false;
    begun_at_ = sent_ = previous;
    in_flight_.clear();
    in_flight_bytes_ = 0;
  }

  static constexpr std::uint64_t kDelayMsMax = 8ull * limits::kHeartbeatMs;

  LogIndex sent_;
  LogIndex wanted_;
  std::deque<Piece> in_flight_;  // oldest first
  std::size_t in_flight_bytes_ = 0;

  LogIndex begun_at_;  // where libraft began last, other than where it had stopped
  std::uint64_t delay_ms_ = 0;
  std::uint64_t hold_until_ms_ = 0;
  std::uint64_t sent_ms_ = 0;
  bool tried_ = false;       // entries were sent from there
  bool unanswered_ = false;  // a repetition, which waits for an answer to what went before
  bool heard_ = false;       // since entries were sent
  bool missing_ = false;
};

}  // namespace earshot::cluster
