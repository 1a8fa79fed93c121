#include "resp/words.hpp"

#include <algorithm>

namespace earshot::resp {

char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string to_lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = to_lower(c);
  return lower;
}

std::string to_upper(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return upper;
}

bool is_word(std::string_view text, std::string_view lower) {
  return std::ranges::equal(text, lower, {}, [](char c) { return to_lower(c); });
}

std::string_view quotable(std::string_view text, std::size_t bytes_max) {
  return text.substr(0, std::min(text.find('\0'), bytes_max));
}

}  // namespace earshot::resp
