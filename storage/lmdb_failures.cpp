#include "storage/lmdb_failures.hpp"

#include <cerrno>
#include <cstdint>

#include <fcntl.h>
#include <lmdb.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/limits.hpp"

namespace earshot::storage {
namespace {

constexpr std::chrono::minutes kForgivesAfter(1);  // a write cut short where there is room

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

}  // namespace

Error error_of(int code, std::string_view what) {
  const std::string detail = std::string(what) + ": " + mdb_strerror(code);
  switch (code) {
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

void stop_on_failed_sync(int code, const std::string& path) {
  const std::string why = "cannot write and sync " + path + ": " + mdb_strerror(code) +
                          "; what the disk holds is unknown until it is read again, so the process stops";
  invariant_broken("a commit reaches the disk", __FILE__, __LINE__, why);
}

// Whether a write that was cut short where there is room is tried again.
bool LmdbFailures::forgives() {
  const auto now = std::chrono::steady_clock::now();
  if (forgiven_at_ && now - *forgiven_at_ < kForgivesAfter) return false;
  forgiven_at_ = now;
  return true;
}

// A full disk spoils only the transaction that met it: its pages belong to nobody as long as the meta page, which is
// written last, does not name them. Any other failure of the system stops the process. LMDB makes EIO of two things: of
// an EIO, and of a write cut short, which is what the system does where the room ends (ENOSPC is for who finds none at
// all). The kernel tells them apart: a page that it could not bring to the disk is reported once to every descriptor of
// the file that was open then, so the witness, which LMDB does not know, hears of it too. Where there is room again by
// now, the write is tried once more: a second one cut short is no quota that was raised just then.
Error LmdbFailures::judge(int code, std::string_view what, const FileDescriptor& witness) {
  Error error = error_of(code, what);
  if (code == EIO) {
    const bool sync_failed = witness.is_open() && ::fdatasync(witness.get()) != 0;
    if (!sync_failed && (is_nearly_full(path_) || is_out_of_quota(path_) || forgives())) {
      return error_of(ENOSPC, std::string(what) + ", cut short");
    }
  }
  // Positive codes are the system's. ENOMEM comes from before anything is written. A failed write of the meta page
  // makes LMDB answer with MDB_PANIC from then on.
  const bool from_system = code > 0 && code != ENOMEM && error.code != ErrorCode::kStorageFull;
  if (from_system || code == MDB_PANIC) stop_on_failed_sync(code, path_);
  return error;
}

}  // namespace earshot::storage
