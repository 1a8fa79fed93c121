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
// The field of kUnavailable that tells a change of leader from other reasons: who asked does not know whether it was
// done, and may ask whoever leads next. Replicas use it too.
inline constexpr const char* kLeaderField = "leader";
inline bool is_leader_change(const Error& error) {
  return error.code == ErrorCode::kUnavailable && error.field == kLeaderField;
}
inline Error not_leader() {
  return Error{ErrorCode::kUnavailable, kLeaderField, "the shard has no leader here", limits::kRetryAfterMs};
}
inline Error lost() {
  return Error{ErrorCode::kUnavailable, kLeaderField, "the shard's leader has changed", limits::kRetryAfterMs};
}
inline Error storage_full() {
  return Error{ErrorCode::kStorageFull, "", "the disk is full; what is stored stays", kStorageFullRetryAfterMs};
}
inline Error device_removed() { return Error{ErrorCode::kClosed, "device", "the device was removed"}; }
inline Error device_replaced() { return Error{ErrorCode::kSessionReplaced, "device", "the device logged in again"}; }
inline Error overloaded(const char* what) { return Error{ErrorCode::kOverloaded, "", what, limits::kRetryAfterMs}; }

}  // namespace earshot::actors::refusals
