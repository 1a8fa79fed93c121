#include "storage/disk_space.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/limits.hpp"
#include "storage/files.hpp"

namespace earshot::storage {
namespace {

// A small disk gives up this part of itself at most.
constexpr std::uint64_t kBallastPartOfDisk = 64;
constexpr std::uint64_t kPageBytes = 4096;
constexpr std::uint64_t kBlockBytes = 512;  // of st_blocks, whatever the file system's own

Result<struct statvfs> space_of(const std::string& path) {
  struct statvfs space {};
  if (::statvfs(path.c_str(), &space) != 0) return fail(file_error(errno, "ask for the free space of", path));
  return space;
}

class FileSystemSpace final : public DiskSpace {
 public:
  FileSystemSpace(const std::string& data_dir, std::uint64_t total_bytes, std::shared_ptr<RoomClaims> claims)
      : places_{data_dir + "/log", data_dir + "/state"},
        claims_(std::move(claims)),
        ballast_(data_dir + "/ballast"),
        total_bytes_(total_bytes),
        ballast_bytes_(std::min(limits::kBallastBytes, total_bytes / kBallastPartOfDisk) / kPageBytes * kPageBytes) {
    struct stat file {};
    has_ballast_ = ::stat(ballast_.c_str(), &file) == 0 &&
                   static_cast<std::uint64_t>(file.st_blocks) * kBlockBytes >= ballast_bytes_;
  }

  Result<std::uint64_t> free_bytes() override {
    std::uint64_t least = UINT64_MAX;
    for (const std::string& place : places_) {
      const auto space = space_of(place);
      if (!space) return fail(space.error());
      least = std::min<std::uint64_t>(least, std::uint64_t{space->f_bavail} * space->f_frsize);
    }
    return least;
  }
  [[nodiscard]] std::uint64_t total_bytes() const override { return total_bytes_; }
  [[nodiscard]] std::uint64_t ballast_bytes() const override { return ballast_bytes_; }
  [[nodiscard]] bool has_ballast() const override { return has_ballast_; }

  Status make_ballast() override {
    const RoomClaims::Claim claim(*claims_);
    // Allocated, not written: a power cut may leave it shorter or away, and then it is made again.
    const FileDescriptor file(::open(ballast_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!file.is_open()) return fail(file_error(errno, "make", ballast_));
    const int code = ::posix_fallocate(file.get(), 0, static_cast<off_t>(ballast_bytes_));
    if (code != 0) {
      ::unlink(ballast_.c_str());
      return fail(file_error(code, "allocate", ballast_));
    }
    has_ballast_ = true;
    return {};
  }

  void release_ballast() override {
    const RoomClaims::Claim claim(*claims_);
    ::unlink(ballast_.c_str());
    has_ballast_ = false;
  }

 private:
  const std::array<std::string, 2> places_;
  const std::shared_ptr<RoomClaims> claims_;
  const std::string ballast_;
  const std::uint64_t total_bytes_;
  const std::uint64_t ballast_bytes_;
  bool has_ballast_ = false;
};

}  // namespace

Result<std::unique_ptr<DiskSpace>> open_disk_space(const std::string& data_dir, std::shared_ptr<RoomClaims> claims) {
  const auto space = space_of(data_dir);
  if (!space) return fail(space.error());
  return std::make_unique<FileSystemSpace>(data_dir, std::uint64_t{space->f_blocks} * space->f_frsize,
                                           std::move(claims));
}

}  // namespace earshot::storage
