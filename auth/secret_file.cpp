#include "auth/secret_file.hpp"

#include <array>
#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.hpp"

namespace earshot::auth {
namespace {

FileVersion version_of(const struct stat& facts) {
  return {static_cast<std::int64_t>(facts.st_mtim.tv_sec) * 1'000'000'000 + facts.st_mtim.tv_nsec, facts.st_ino,
          facts.st_size};
}

Status read_all(int fd, std::string& text) {
  std::array<char, 16'384> part;
  for (;;) {
    const ssize_t size = ::read(fd, part.data(), part.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail(ErrorCode::kNotFound, "", std::generic_category().message(errno));
    if (size == 0) return {};
    text.append(part.data(), static_cast<std::size_t>(size));
    if (text.size() > limits::kKeyFileBytesMax)
      return fail(ErrorCode::kTooLarge, "", "is larger than " + std::to_string(limits::kKeyFileBytesMax) + " bytes");
  }
}

}  // namespace

Result<SecretFile> read_secret_file(const std::string& path, std::string_view field) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat facts {};
  SecretFile file;
  Status read;
  if (fd < 0 || ::fstat(fd, &facts) != 0)
    read = fail(ErrorCode::kNotFound, "", std::generic_category().message(errno));
  else
    read = read_all(fd, file.text);
  if (fd >= 0) ::close(fd);
  if (!read) return fail(read.error().code, std::string(field), "cannot read " + path + ": " + read.error().detail);
  file.version = version_of(facts);
  file.read_by_others = (facts.st_mode & (S_IRGRP | S_IROTH)) != 0;
  return file;
}

FileVersion version_of(const std::string& path) {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0 ? version_of(facts) : FileVersion{};
}

}  // namespace earshot::auth
