#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace earshot::wire {

// At most `bytes_max` bytes of a text, never cutting a UTF-8 character in two.
inline std::string cut(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string(text);
  while (bytes_max > 0 && (static_cast<unsigned char>(text[bytes_max]) & 0xc0) == 0x80) --bytes_max;
  return std::string(text.substr(0, bytes_max));
}

}  // namespace earshot::wire
