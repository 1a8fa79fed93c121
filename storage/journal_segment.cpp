#include "storage/journal_segment.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

namespace earshot::storage {
namespace {

constexpr std::string_view kSuffix = ".journal";
constexpr std::size_t kDigits = 12;

std::string path_of(const std::string& directory, std::uint64_t number) {
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "%0*llu", static_cast<int>(kDigits), static_cast<unsigned long long>(number));
  return directory + "/" + name.data() + std::string(kSuffix);
}

// Whether the room had an end there, or a quota; or else the process ends.
Error judge(int error_number, const char* action, const std::string& path) {
  Error error = file_error(error_number, action, path);
  if (error.code != ErrorCode::kStorageFull) stop_on_failed_sync(error.detail, path);
  return error;
}

Result<std::uint64_t> size_of(const FileDescriptor& file, const std::string& path) {
  struct stat attributes {};
  if (::fstat(file.get(), &attributes) != 0) return fail(file_error(errno, "look at", path));
  return static_cast<std::uint64_t>(attributes.st_size);
}

}  // namespace

JournalSegment::JournalSegment(std::string directory, std::uint64_t number, FileDescriptor file, FileMap map)
    : directory_(std::move(directory)),
      path_(path_of(directory_, number)),
      number_(number),
      file_(std::move(file)),
      map_(std::move(map)) {}

Result<std::unique_ptr<JournalSegment>> JournalSegment::open_with(const std::string& directory, std::uint64_t number,
                                                                  int flags, std::uint64_t capacity) {
  const std::string path = path_of(directory, number);
  FileDescriptor file(::open(path.c_str(), flags | O_CLOEXEC, 0600));
  if (!file.is_open()) return fail(file_error(errno, "open", path));
  if (capacity == 0) {
    const auto bytes = size_of(file, path);
    if (!bytes) return fail(bytes.error());
    capacity = std::max<std::uint64_t>(*bytes, 1);
  }
  auto map = FileMap::open(path, frame_room(capacity));
  if (!map) return fail(std::move(map.error()));
  return std::unique_ptr<JournalSegment>(new JournalSegment(directory, number, std::move(file), std::move(*map)));
}

Result<std::unique_ptr<JournalSegment>> JournalSegment::open_new(const std::string& directory, std::uint64_t number,
                                                                 std::uint64_t capacity) {
  return open_with(directory, number, O_RDWR | O_CREAT, capacity);
}

Result<std::unique_ptr<JournalSegment>> JournalSegment::open(const std::string& directory, std::uint64_t number,
                                                             bool read_only) {
  return open_with(directory, number, read_only ? O_RDONLY : O_RDWR, 0);
}

Result<std::vector<std::uint64_t>> JournalSegment::list(const std::string& directory) {
  std::vector<std::uint64_t> numbers;
  std::error_code error;
  std::filesystem::directory_iterator entries(directory, error);
  for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    const std::string name = entries->path().filename().string();
    std::uint64_t number = 0;
    const auto [end, failed] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (failed == std::errc() && number > 0 && entries->path() == path_of(directory, number)) numbers.push_back(number);
  }
  if (error) return fail(file_error(error.value(), "read the directory", directory));
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

Status JournalSegment::become(std::uint64_t number) {
  const std::string path = path_of(directory_, number);
  if (::rename(path_.c_str(), path.c_str()) != 0) return fail(file_error(errno, "rename", path_));
  path_ = path;
  number_ = number;
  end_ = 0, first_frame = 0;
  return {};
}

Status JournalSegment::remove() {
  if (::unlink(path_.c_str()) != 0) return fail(file_error(errno, "remove", path_));
  return {};
}

std::uint64_t JournalSegment::file_bytes() const { return size_of(file_, path_).value_or(0); }

Status JournalSegment::append_synced(std::string_view frame) { return write(frame, RWF_DSYNC); }

Status JournalSegment::write(std::string_view frame, int flags) {
  EARSHOT_INVARIANT(end_ + frame.size() <= capacity(), "a frame is written where there is room for it");
  for (std::uint64_t at = end_; !frame.empty();) {
    const iovec rest{const_cast<char*>(frame.data()), frame.size()};
    const ssize_t written = ::pwritev2(file_.get(), &rest, 1, static_cast<off_t>(at), flags);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail(judge(errno, "write", path_));
    at += static_cast<std::uint64_t>(written);
    frame.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

FileDescriptor JournalSegment::open_again() const {
  return FileDescriptor(::open(path_.c_str(), O_WRONLY | O_CLOEXEC));
}

Status JournalSegment::sync() {
  if (::fdatasync(file_.get()) != 0) return fail(judge(errno, "sync", path_));
  return {};
}

}  // namespace earshot::storage
