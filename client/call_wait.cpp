#include "client/call_wait.hpp"

#include <algorithm>

namespace earshot::client {

CallWait::CallWait(std::uint64_t now_ms, const std::optional<LineProgress>& moved)
    : made_ms_(now_ms), since_ms_(now_ms), seen_(moved) {
  if (moved) message_ = moved->messages_written + moved->messages_queued;
}

void CallWait::look(std::uint64_t now_ms, const std::optional<LineProgress>& moved) {
  if (!seen_ || !moved) return;
  const transport::SocketProgress& now = moved->socket;
  const bool came_in = now.bytes_received != seen_->socket.bytes_received;
  const bool went_out = now.bytes_taken != seen_->socket.bytes_taken;
  if (taken_ms_) {
    if (came_in && seen_->socket.bytes_received < received_max_ && now_ms <= counts_until_ms_) since_ms_ = now_ms;
  } else {
    if (came_in || went_out) since_ms_ = now_ms;
    if (!end_ && (moved->messages_queued == 0 || moved->messages_written >= message_))
      end_ = now.bytes_taken + now.bytes_waiting;
    if (end_ && now.bytes_taken >= *end_) {
      taken_ms_ = now_ms;
      received_max_ = now.bytes_received + kAheadOfAnswerBytesMax;
    }
  }
  seen_ = moved;
}

void CallWait::answered(std::uint64_t now_ms, std::uint64_t made_ms, std::uint64_t timeout_ms) {
  const bool is_overtaken = counts_until_ms_ != UINT64_MAX;
  if (is_overtaken || !taken_ms_ || made_ms < *taken_ms_ + timeout_ms) return;
  counts_until_ms_ = now_ms + kOvertakenTimeouts * timeout_ms;
  received_max_ = std::min(received_max_, seen_->socket.bytes_received + kAnswersBytesMax);
}

}  // namespace earshot::client
