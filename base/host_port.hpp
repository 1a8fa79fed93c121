#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace earshot {

// "host:port", an IPv6 address in brackets.
inline std::string host_port(std::string_view host, std::uint16_t port) {
  const bool is_bare_v6 = host.find(':') != std::string_view::npos && host.front() != '[';
  std::string text(host);
  if (is_bare_v6) text = "[" + text + "]";
  return text + ":" + std::to_string(port);
}

// What stands between commas, without the spaces around it; empty parts are left out.
inline std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    std::string_view part = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    const std::size_t first = part.find_first_not_of(' ');
    if (first == std::string_view::npos) continue;
    parts.emplace_back(part.substr(first, part.find_last_not_of(' ') - first + 1));
  }
  return parts;
}

}  // namespace earshot
