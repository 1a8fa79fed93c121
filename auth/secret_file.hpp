#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace earshot::auth {

// Tells a changed file from an old one, also when another was put in its place within one tick of the system's clock.
struct FileVersion {
  std::int64_t changed_ns = 0;  // when its content last changed; 0: it is not there
  std::uint64_t inode = 0;
  std::int64_t bytes = 0;
  bool operator==(const FileVersion&) const = default;
};

// A small file whose content others should not see.
struct SecretFile {
  std::string text;
  FileVersion version;
  bool read_by_others = false;  // group or world may read it
};

// kNotFound(field) in the system's words when it cannot be read, kTooLarge(field) beyond key_file_bytes_max.
Result<SecretFile> read_secret_file(const std::string& path, std::string_view field);

FileVersion version_of(const std::string& path);

}  // namespace earshot::auth
