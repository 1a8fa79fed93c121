#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace earshot::resp {

// Names and options are compared without regard to case, that of ASCII alone.
[[nodiscard]] char to_lower(char c);
[[nodiscard]] std::string to_lower(std::string_view text);
[[nodiscard]] std::string to_upper(std::string_view text);
// Whether a client's word is this one. Precondition: `lower` is in lower case.
[[nodiscard]] bool is_word(std::string_view text, std::string_view lower);

// A client's word as an error repeats it: until its first zero byte, and `bytes_max` of it.
[[nodiscard]] std::string_view quotable(std::string_view text, std::size_t bytes_max = 128);

}  // namespace earshot::resp
