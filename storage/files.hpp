#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.hpp"

// The few file operations that must survive a power cut, done in the order that makes them do so.
namespace earshot::storage {

// "cannot open /path: Permission denied", as kStorageFull when the disk is full, else kInternal.
Error file_error(int error_number, std::string_view action, const std::string& path);

// Ends the process: which of what was written is on the disk is unknown. Going on could acknowledge what is not there.
[[noreturn]] void stop_on_failed_sync(std::string_view why, const std::string& path);

// A file descriptor that closes itself; -1 is none.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int descriptor) : descriptor_(descriptor) {}
  FileDescriptor(FileDescriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~FileDescriptor();
  [[nodiscard]] int get() const { return descriptor_; }
  [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }

 private:
  int descriptor_ = -1;
};

// The beginning of a file, mapped to read: what others write to the file is seen there.
class FileMap {
 public:
  static Result<FileMap> open(const std::string& path, std::size_t bytes);
  FileMap(FileMap&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  FileMap& operator=(FileMap&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~FileMap();
  [[nodiscard]] std::string_view bytes() const { return bytes_; }

 private:
  explicit FileMap(std::string_view bytes) : bytes_(bytes) {}
  std::string_view bytes_;
};

// An exclusive lock on a file, kept until destroyed or until the process ends, however it ends. It excludes other
// processes and a second lock in the same one (flock belongs to the open file, not to the process).
class FileLock {
 public:
  // Makes the file when absent. kConflict: somebody holds it.
  static Result<FileLock> acquire(const std::string& path);

 private:
  explicit FileLock(FileDescriptor file) : file_(std::move(file)) {}
  FileDescriptor file_;
};

// Makes a directory and every missing one above it, each name synced into its parent. kInvalidArgument when something
// else is in the way.
Status make_directories(const std::string& path);
// Syncs the names in a directory.
Status sync_directory(const std::string& path);

// Takes room on the disk for a file of `bytes`, made when absent, without changing its size: writes to it, also through
// a map, find their blocks there. Where the file system knows no such thing, nothing is done.
Status allocate_file(const std::string& path, std::uint64_t bytes);

// The whole file, nothing when it is absent; kTooLarge beyond `bytes_max`.
Result<std::optional<std::string>> read_file(const std::string& path, std::size_t bytes_max);
// After a crash at any moment the file is as before or wholly new: written beside (path + ".new"), synced, renamed, and
// the name synced.
Status replace_file(const std::string& path, std::string_view bytes);

}  // namespace earshot::storage
