#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace earshot::bench {

// Counts the replies in a stream of Redis's protocol, versions 2 and 3, and keeps nothing of them but the first error.
class RespReplies {
 public:
  // Takes the next bytes; how many replies they complete. Throws on what is no reply.
  std::size_t take(std::string_view bytes);

  [[nodiscard]] std::uint64_t errors() const { return errors_; }
  [[nodiscard]] const std::string& first_error() const { return first_error_; }
  // Bulk strings in all replies, null ones not counted.
  [[nodiscard]] std::uint64_t strings() const { return strings_; }

 private:
  // A line without its end: the header of a value, or all of it. Whether it completes a reply.
  bool take_line(std::string_view line);
  // Whether the value that was just read completes a reply.
  bool value_ends() { return --values_left_ == 0; }

  std::string line_;               // the beginning of a line that is not all here
  std::uint64_t values_left_ = 0;  // of the current reply; 0 between two
  std::uint64_t skip_ = 0;         // bytes left of a bulk string and its end
  std::uint64_t errors_ = 0;
  std::uint64_t strings_ = 0;
  std::string first_error_;
};

}  // namespace earshot::bench
