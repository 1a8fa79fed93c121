#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

namespace earshot {

// The one table of error codes. The numbers are those of `schema/errors.capnp` and never change meaning.
enum class ErrorCode : std::uint16_t {
  kInternal = 0,             // a bug or a failed library call that the caller cannot mend
  kInvalidArgument = 1,      // a field breaks a rule or a limit; the call changed nothing
  kUnauthenticated = 2,      // no valid login
  kPermissionDenied = 3,     // logged in, but not allowed
  kNotFound = 4,             //
  kTooLarge = 5,             // a size limit; `field` names it
  kOverloaded = 6,           // a queue is full: try again after retry_after_ms
  kUnavailable = 7,          // no leader, shutting down, connection lost: try again
  kDeadlineExceeded = 8,     // not answered in time; the outcome is unknown
  kOutOfOrder = 9,           // a stream expects another number: resend from `expected`
  kProducerReset = 10,       // the lane is unknown: take a new producer id
  kChecksumMismatch = 11,    // the body arrived altered: send it again
  kSessionReplaced = 12,     // the same device logged in again, the newer session wins
  kStorageFull = 13,         // the disk reserve is reached: try again later
  kCorrupt = 14,             // a stored record fails its checksum and is not served
  kUnsupportedVersion = 15,  // the peer's protocol range does not overlap with ours
  kMailboxFull = 16,         // the recipient keeps as many messages as a mailbox may
  kClosed = 17,              // this object was closed by its owner
  kConflict = 18,            // exists already with other content
  kExpired = 19,             // the message's time to live had passed before it reached its mailbox
};

// The code's name as in `schema/errors.capnp` ("outOfOrder").
std::string_view name_of(ErrorCode code);

// An expected failure, as a value. `field` is the offending field or setting, "" where none is at fault.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string field;
  std::string detail;
  std::uint32_t retry_after_ms = 0;  // 0: retrying without change will not help
  std::uint64_t expected = 0;        // with kOutOfOrder: the number the stream wants next

  bool operator==(const Error&) const = default;

  // One line for logs and terminals: "outOfOrder(number): send again (expected 7)".
  [[nodiscard]] std::string to_string() const;
  // Whether the same request may succeed later without change.
  [[nodiscard]] bool is_temporary() const;
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }
inline tl::unexpected<Error> fail(ErrorCode code, std::string field, std::string detail) {
  return fail(Error{code, std::move(field), std::move(detail)});
}

// Stops the process with the broken invariant's text and place; never returns. For what no input may cause.
[[noreturn]] void invariant_broken(const char* condition, const char* file, int line, std::string_view why);

}  // namespace earshot

// A broken invariant stops the process, in release builds too.
#define EARSHOT_INVARIANT(condition, why) \
  ((condition) ? void() : ::earshot::invariant_broken(#condition, __FILE__, __LINE__, (why)))
