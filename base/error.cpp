#include "base/error.hpp"

#include <cstdio>
#include <cstdlib>

namespace earshot {

std::string_view name_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInternal: return "internal";
    case ErrorCode::kInvalidArgument: return "invalidArgument";
    case ErrorCode::kUnauthenticated: return "unauthenticated";
    case ErrorCode::kPermissionDenied: return "permissionDenied";
    case ErrorCode::kNotFound: return "notFound";
    case ErrorCode::kTooLarge: return "tooLarge";
    case ErrorCode::kOverloaded: return "overloaded";
    case ErrorCode::kUnavailable: return "unavailable";
    case ErrorCode::kDeadlineExceeded: return "deadlineExceeded";
    case ErrorCode::kOutOfOrder: return "outOfOrder";
    case ErrorCode::kProducerReset: return "producerReset";
    case ErrorCode::kChecksumMismatch: return "checksumMismatch";
    case ErrorCode::kSessionReplaced: return "sessionReplaced";
    case ErrorCode::kStorageFull: return "storageFull";
    case ErrorCode::kCorrupt: return "corrupt";
    case ErrorCode::kUnsupportedVersion: return "unsupportedVersion";
    case ErrorCode::kMailboxFull: return "mailboxFull";
    case ErrorCode::kClosed: return "closed";
    case ErrorCode::kConflict: return "conflict";
    case ErrorCode::kExpired: return "expired";
  }
  return "unknown";
}

std::string Error::to_string() const {
  std::string text{name_of(code)};
  if (!field.empty()) text += "(" + field + ")";
  if (!detail.empty()) text += ": " + detail;
  if (code == ErrorCode::kOutOfOrder) text += " (expected " + std::to_string(expected) + ")";
  if (retry_after_ms > 0) text += " (retry after " + std::to_string(retry_after_ms) + " ms)";
  return text;
}

bool Error::is_temporary() const {
  switch (code) {
    case ErrorCode::kOverloaded:
    case ErrorCode::kUnavailable:
    case ErrorCode::kDeadlineExceeded:
    case ErrorCode::kOutOfOrder:
    case ErrorCode::kChecksumMismatch:
    case ErrorCode::kStorageFull: return true;
    default: return false;
  }
}

void invariant_broken(const char* condition, const char* file, int line, std::string_view why) {
  std::fprintf(stderr, "earshot: invariant broken: %.*s (%s, %s:%d)\n", static_cast<int>(why.size()), why.data(),
               condition, file, line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace earshot
