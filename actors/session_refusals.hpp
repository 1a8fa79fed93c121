#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "base/error.hpp"
#include "base/limits.hpp"

// Why a session refuses a call of its client, or ends.
namespace earshot::actors::refusals {

inline Error late() {
  return Error{ErrorCode::kDeadlineExceeded, "", "the shard did not answer in time", limits::kRetryAfterMs};
}
inline Error not_logged_in() {
  return Error{ErrorCode::kUnavailable, "", "the login is not complete", limits::kRetryAfterMs};
}
inline Error invalid(std::string field, std::string detail) {
  return Error{ErrorCode::kInvalidArgument, std::move(field), std::move(detail)};
}
inline Error above_limit(std::string field, std::uint64_t limit) {
  return invalid(std::move(field), "at most " + std::to_string(limit));
}
inline Error restored() {
  return Error{ErrorCode::kUnavailable, "epoch", "the mailbox was restored: log in again", limits::kRetryAfterMs};
}
inline Error window_held() {
  return Error{ErrorCode::kOverloaded, "window",
               "not acked for " + std::to_string(limits::kWindowPressedMs) + " ms while the node is short of memory",
               limits::kRetryAfterMs};
}

}  // namespace earshot::actors::refusals
