#include "storage/lmdb_failures.hpp"

#include <fcntl.h>
#include <lmdb.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/limits.hpp"
#include "storage/files.hpp"

namespace earshot::storage {
namespace {

constexpr std::uint64_t kForgivesAgainMs = 60'000;  // a write cut short where there is room

// Less is free than the largest transactions take, so that one of them may have met the end of the room, even if a
// little has come free since.
bool is_nearly_full(const std::string& path) {
  struct statvfs space {};
  return ::statvfs(path.c_str(), &space) == 0 &&
         std::uint64_t{space.f_bavail} * space.f_frsize < limits::kDiskReserveBytesDefault;
}

// statvfs() knows of no quota: whether its user has room shows only when something is allocated.
bool is_out_of_quota(const std::string& path) {
  constexpr off_t kProbeBytes = 1 << 20;  // the pages that LMDB writes at once, and more
  const FileDescriptor file(::open(path.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
  const int code = file.is_open() ? ::posix_fallocate(file.get(), 0, kProbeBytes) : errno;
  return code == EDQUOT || code == ENOSPC;
}

std::string text_of(int code) { return code == kCutShort ? "a write was cut short" : mdb_strerror(code); }

}  // namespace

Error error_of(int code, std::string_view what) {
  const std::string detail = std::string(what) + ": " + text_of(code);
  switch (code) {
    case kCutShort:
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT: return Error{ErrorCode::kStorageFull, "", detail};
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_INCOMPATIBLE:
    case MDB_VERSION_MISMATCH: return Error{ErrorCode::kCorrupt, "", detail};
    case MDB_READERS_FULL: return Error{ErrorCode::kOverloaded, "", detail};
    case MDB_TXN_FULL: return Error{ErrorCode::kTooLarge, "transaction", detail};
    default: return Error{ErrorCode::kInternal, "", detail};
  }
}

void stop_on_failed_sync(int code, const std::string& path) { stop_on_failed_sync(text_of(code), path); }

// The system cuts a write short where the room ends (ENOSPC is for who finds none at all). There may be room again by
// now. Where there is and nothing tells why, it may have been a quota that was raised just then: the write is tried
// once more, and a second one cut short within the minute is no such thing.
bool LmdbFailures::may_have_been_full() {
  if (!claims_->were_none_since(claims_before_) || is_nearly_full(path_)) return true;
  const RoomClaims::Claim claim(*claims_);
  return is_out_of_quota(path_) || forgives();
}

bool LmdbFailures::forgives() {
  const std::uint64_t now_ms = clock_.monotonic_ms();
  if (forgiven_at_ms_ && now_ms - *forgiven_at_ms_ < kForgivesAgainMs) return false;
  forgiven_at_ms_ = now_ms;
  return true;
}

// A full disk spoils only the transaction that met it: its pages belong to nobody as long as the meta page, which is
// written last, does not name them. Any other failure of the system stops the process.
Error LmdbFailures::judge(int code, std::string_view what) {
  Error error = error_of(code, what);
  // Positive codes are the system's. ENOMEM comes from before anything is written. A failed write of the meta page
  // makes LMDB answer with MDB_PANIC from then on.
  const bool from_system = code > 0 && code != ENOMEM && error.code != ErrorCode::kStorageFull;
  const bool is_unexplained = code == kCutShort && !may_have_been_full();
  if (from_system || is_unexplained || code == MDB_PANIC) stop_on_failed_sync(code, path_);
  return error;
}

}  // namespace earshot::storage
