#pragma once

#include <cstddef>
#include <cstdint>

#include "base/limits.hpp"

namespace earshot::actors {

// Whether a session must give its window up, because the node is short of memory for windows and this one has been
// larger than its share for too long: a client that acks is below it by then, since windows do not grow beyond their
// share any more. What the client has not acked is read again when the device comes back. So whoever never acks keeps
// no more than its share and as much as one large message, and when all memory is used, not even that.
//
// Shares are such that all sessions together cannot fill the node with them: then it is always somebody's turn to go.
// Times are monotonic ms.
class WindowPressure {
 public:
  static_assert(limits::kConnectionsMax * limits::kWindowBytesPressed < limits::kWindowsBytesMax);

  // Call after every event and at wake_at(), with what Outstanding says and the window holds.
  [[nodiscard]] bool is_over(bool is_in_the_way, std::size_t window_bytes, std::uint64_t now_ms) {
    if (window_bytes <= limits::kWindowBytesPressed) {
      is_pressed_ = false;
      look_at_ms_ = 0;
      return false;
    }
    if (is_pressed_ && is_in_the_way) return now_ms >= look_at_ms_;
    // Nobody tells a session that the node has run short: it looks.
    if (is_pressed_ != is_in_the_way || now_ms >= look_at_ms_) look_at_ms_ = now_ms + limits::kWindowPressedMs;
    is_pressed_ = is_in_the_way;
    return false;
  }
  // 0: not before something else happens.
  [[nodiscard]] std::uint64_t wake_at() const { return look_at_ms_; }

 private:
  bool is_pressed_ = false;  // at the last look, and since then
  std::uint64_t look_at_ms_ = 0;
};

}  // namespace earshot::actors
