#pragma once

#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "storage/room_claims.hpp"

// What LMDB's codes mean.
namespace earshot::storage {

// Beside LMDB's codes and the system's: a write was cut short.
inline constexpr int kCutShort = -1;

// The one place where LMDB's codes become ours. `what` names the operation.
Error error_of(int code, std::string_view what);

// As stop_on_failed_sync() of storage/files.hpp.
[[noreturn]] void stop_on_failed_sync(int code, const std::string& path);

// Judges the failed writes of the environment in `path`. One thread at a time; the clock outlives it.
class LmdbFailures {
 public:
  LmdbFailures(std::string path, std::shared_ptr<RoomClaims> claims, const Clock& clock)
      : path_(std::move(path)), claims_(std::move(claims)), clock_(clock) {}

  // The code of a call of LMDB's that may write. LMDB makes EIO of two things: of an EIO, which it takes from errno,
  // and of a write that was cut short, of which errno knows nothing: it may still tell of an interrupted one before.
  template <class Call>
  int code_of(const Call& call) {
    claims_before_ = claims_->count();
    errno = 0;
    const int code = call();
    return code == EIO && (errno == 0 || errno == EINTR) ? kCutShort : code;
  }
  // What to answer to the last code, if the process may go on; else it ends here.
  Error judge(int code, std::string_view what);

 private:
  bool may_have_been_full();
  bool forgives();

  const std::string path_;
  const std::shared_ptr<RoomClaims> claims_;
  const Clock& clock_;
  std::optional<std::uint64_t> claims_before_;  // the last call
  std::optional<std::uint64_t> forgiven_at_ms_;
};

}  // namespace earshot::storage
