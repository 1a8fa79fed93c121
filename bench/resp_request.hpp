#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace earshot::bench {

// Appends one request of Redis's protocol to `out`: an array of `words` bulk strings, which the caller then gives.
class RespRequest {
 public:
  RespRequest(std::string& out, std::size_t words) : out_(out) { count('*', words); }

  RespRequest& word(std::string_view text) {
    count('$', text.size());
    out_.append(text).append("\r\n");
    return *this;
  }
  // Six digits behind the point: 11 cm, as an application's positions have.
  RespRequest& degrees(double value) {
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, 6).ptr;
    return word({text, static_cast<std::size_t>(end - text)});
  }
  // "member:123"
  RespRequest& member(std::size_t number) {
    char text[32] = {'m', 'e', 'm', 'b', 'e', 'r', ':'};
    const auto end = std::to_chars(text + 7, text + sizeof text, number).ptr;
    return word({text, static_cast<std::size_t>(end - text)});
  }

 private:
  void count(char type, std::size_t number) {
    char text[24] = {type};
    auto* end = std::to_chars(text + 1, text + sizeof text - 2, number).ptr;
    *end++ = '\r';
    *end++ = '\n';
    out_.append(text, end);
  }

  std::string& out_;
};

}  // namespace earshot::bench
