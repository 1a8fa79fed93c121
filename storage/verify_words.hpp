#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/ids.hpp"

// How verification says things.
namespace earshot::storage::words {

inline std::string hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

// A name as it stands in a key that may be damaged: no terminal is to obey it.
inline std::string printable(std::string_view name) {
  std::string text;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || byte == '\\') {
      text += "\\x" + hex(std::string_view(&c, 1));
    } else {
      text.push_back(c);
    }
  }
  return text;
}

inline std::string user(const UserId& user) { return "user " + printable(user.text()); }

inline std::string range(std::uint64_t first, std::uint64_t last) {
  return first == last ? std::to_string(first) : std::to_string(first) + ".." + std::to_string(last);
}

}  // namespace earshot::storage::words
