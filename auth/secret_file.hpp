#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace earshot::auth {

// A small file whose content others should not see.
struct SecretFile {
  std::string text;
  std::int64_t changed_ns = 0;  // when its content last changed
  bool read_by_others = false;  // group or world may read it
};

// kNotFound(field) in the system's words when it cannot be read, kTooLarge(field) beyond key_file_bytes_max.
Result<SecretFile> read_secret_file(const std::string& path, std::string_view field);

// When the file's content last changed, to tell a changed file from an old one; 0 when it is not there.
std::int64_t changed_ns(const std::string& path);

}  // namespace earshot::auth
