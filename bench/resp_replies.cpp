#include "resp_replies.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace earshot::bench {

std::size_t RespReplies::take(std::string_view bytes) {
  std::size_t replies = 0;
  while (!bytes.empty()) {
    if (skip_ > 0) {
      const std::size_t skipped = std::min<std::uint64_t>(skip_, bytes.size());
      bytes.remove_prefix(skipped);
      skip_ -= skipped;
      if (skip_ == 0) replies += value_ends();
      continue;
    }
    const std::size_t end = bytes.find('\n');
    if (end == std::string_view::npos) {
      line_ += bytes;
      break;
    }
    if (line_.empty()) {
      replies += take_line(bytes.substr(0, end));
    } else {
      line_ += bytes.substr(0, end);
      replies += take_line(line_);
      line_.clear();
    }
    bytes.remove_prefix(end + 1);
  }
  return replies;
}

bool RespReplies::take_line(std::string_view line) {
  if (line.size() < 2 || line.back() != '\r') throw std::runtime_error("a line of a reply has no proper end");
  line.remove_suffix(1);
  if (values_left_ == 0) values_left_ = 1;
  const auto number = [&] {
    std::int64_t value = 0;
    const auto parsed = std::from_chars(line.data() + 1, line.data() + line.size(), value);
    if (parsed.ec != std::errc() || value < -1) throw std::runtime_error("no length: " + std::string(line));
    return value;
  };
  switch (line.front()) {
    case '-':
      if (errors_++ == 0) first_error_ = line.substr(1);
      return value_ends();
    case '+':
    case ':':
    case ',':
    case '#':
    case '_': return value_ends();
    case '$': {
      const std::int64_t length = number();
      if (length < 0) return value_ends();
      ++strings_;
      skip_ = static_cast<std::uint64_t>(length) + 2;
      return false;
    }
    case '*':
    case '~':
    case '%':
      values_left_ += static_cast<std::uint64_t>(std::max<std::int64_t>(number(), 0)) * (line.front() == '%' ? 2U : 1U);
      return value_ends();
    default: throw std::runtime_error("no reply: " + std::string(line));
  }
}

}  // namespace earshot::bench
