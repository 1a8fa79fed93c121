#pragma once

#include <cstdint>

#include "base/error.hpp"
#include "base/limits.hpp"

// Why a shard does not take a request now, or ends a session.
namespace earshot::actors::refusals {

inline constexpr std::uint32_t kStorageFullRetryAfterMs = 1'000;

inline Error stopping() {
  return Error{ErrorCode::kUnavailable, "", "the node is shutting down", limits::kRetryAfterMs};
}
inline Error not_leader() {
  return Error{ErrorCode::kUnavailable, "", "the shard has no leader here", limits::kRetryAfterMs};
}
inline Error lost() {
  return Error{ErrorCode::kUnavailable, "", "the shard's leader has changed", limits::kRetryAfterMs};
}
inline Error storage_full() {
  return Error{ErrorCode::kStorageFull, "", "the disk is full; what is stored stays", kStorageFullRetryAfterMs};
}
inline Error device_removed() { return Error{ErrorCode::kClosed, "device", "the device was removed"}; }
inline Error device_replaced() { return Error{ErrorCode::kSessionReplaced, "device", "the device logged in again"}; }
inline Error overloaded(const char* what) { return Error{ErrorCode::kOverloaded, "", what, limits::kRetryAfterMs}; }

}  // namespace earshot::actors::refusals
