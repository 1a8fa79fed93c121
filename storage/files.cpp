#include "storage/files.hpp"

#include <cerrno>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

namespace earshot::storage {
namespace {

// open(2), again when a signal interrupts it.
FileDescriptor open_file(const std::string& path, int flags) {
  int descriptor = -1;
  do {
    descriptor = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  } while (descriptor < 0 && errno == EINTR);
  return FileDescriptor(descriptor);
}

Status write_all(const FileDescriptor& file, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail(file_error(errno, "write", path));
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

std::string parent_of(const std::string& path) {
  const auto parent = std::filesystem::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

}  // namespace

Error file_error(int error_number, std::string_view action, const std::string& path) {
  const bool full = error_number == ENOSPC || error_number == EDQUOT;
  return Error{full ? ErrorCode::kStorageFull : ErrorCode::kInternal, "",
               "cannot " + std::string(action) + " " + path + ": " + std::generic_category().message(error_number)};
}

void stop_on_failed_sync(std::string_view why, const std::string& path) {
  invariant_broken("a commit reaches the disk", __FILE__, __LINE__,
                   "cannot write and sync " + path + ": " + std::string(why) +
                       "; what the disk holds is unknown until it is read again, so the process stops");
}

FileDescriptor::~FileDescriptor() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<FileMap> FileMap::open(const std::string& path, std::size_t bytes) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return fail(file_error(errno, "open", path));
  void* const address = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file.get(), 0);
  if (address == MAP_FAILED) return fail(file_error(errno, "map", path));
  return FileMap(std::string_view(static_cast<const char*>(address), bytes));
}

FileMap::~FileMap() {
  if (!bytes_.empty()) ::munmap(const_cast<char*>(bytes_.data()), bytes_.size());
}

Result<FileLock> FileLock::acquire(const std::string& path) {
  FileDescriptor file = open_file(path, O_RDWR | O_CREAT);
  if (!file.is_open()) return fail(file_error(errno, "open", path));
  int outcome = 0;
  do {
    outcome = ::flock(file.get(), LOCK_EX | LOCK_NB);
  } while (outcome != 0 && errno == EINTR);
  if (outcome == 0) return FileLock(std::move(file));
  if (errno == EWOULDBLOCK) return fail(ErrorCode::kConflict, "", path + " is held: it is open already");
  return fail(file_error(errno, "lock", path));
}

Status make_directories(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return {};
  if (std::filesystem::exists(path, error)) return fail(ErrorCode::kInvalidArgument, "", path + " is not a directory");
  const std::string parent = parent_of(path);
  if (parent != path) {
    if (auto made = make_directories(parent); !made) return made;
  }
  std::filesystem::create_directory(path, error);
  if (error) return fail(file_error(error.value(), "make the directory", path));
  return sync_directory(parent);
}

Status sync_directory(const std::string& path) {
  const FileDescriptor directory = open_file(path, O_RDONLY | O_DIRECTORY);
  if (!directory.is_open()) return fail(file_error(errno, "open", path));
  if (::fsync(directory.get()) != 0) return fail(file_error(errno, "sync", path));
  return {};
}

Status allocate_file(const std::string& path, std::uint64_t bytes) {
  const FileDescriptor file = open_file(path, O_RDWR | O_CREAT);
  if (!file.is_open()) return fail(file_error(errno, "make", path));
  int outcome = 0;
  do {
    outcome = ::fallocate(file.get(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(bytes));
  } while (outcome != 0 && errno == EINTR);
  if (outcome != 0 && errno != EOPNOTSUPP && errno != ENOSYS) return fail(file_error(errno, "allocate", path));
  return {};
}

Result<std::optional<std::string>> read_file(const std::string& path, std::size_t bytes_max) {
  const FileDescriptor file = open_file(path, O_RDONLY);
  if (!file.is_open()) {
    if (errno == ENOENT) return std::optional<std::string>{};
    return fail(file_error(errno, "open", path));
  }
  std::string bytes;
  char chunk[4096];
  while (true) {
    const ssize_t read = ::read(file.get(), chunk, sizeof chunk);
    if (read < 0 && errno == EINTR) continue;
    if (read < 0) return fail(file_error(errno, "read", path));
    if (read == 0) return std::optional(std::move(bytes));
    if (bytes.size() + static_cast<std::size_t>(read) > bytes_max) {
      return fail(ErrorCode::kTooLarge, "", path + " is larger than " + std::to_string(bytes_max) + " bytes");
    }
    bytes.append(chunk, static_cast<std::size_t>(read));
  }
}

Status replace_file(const std::string& path, std::string_view bytes) {
  const std::string beside = path + ".new";
  {
    const FileDescriptor file = open_file(beside, O_WRONLY | O_CREAT | O_TRUNC);
    if (!file.is_open()) return fail(file_error(errno, "make", beside));
    if (auto written = write_all(file, bytes, beside); !written) return written;
    if (::fsync(file.get()) != 0) return fail(file_error(errno, "sync", beside));
  }
  if (::rename(beside.c_str(), path.c_str()) != 0) return fail(file_error(errno, "rename", beside));
  return sync_directory(parent_of(path));
}

}  // namespace earshot::storage
