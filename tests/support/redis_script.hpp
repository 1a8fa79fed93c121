#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/redis_twins.hpp"

namespace earshot::tests {

// Commands for servers without keys. Words stand between blanks, or "in quotes". A line that begins with "~" is
// answered in no order, one with "!" by an error.
struct Script {
  const char* about;
  std::vector<const char*> lines;
};

inline Words words_of(std::string_view line) {
  Words words;
  for (;;) {
    while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
    if (line.empty()) return words;
    const bool is_quoted = line.front() == '"';
    if (is_quoted) line.remove_prefix(1);
    const auto end = std::min(line.find(is_quoted ? '"' : ' '), line.size());
    words.emplace_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
}

// What has no order gets one.
inline void put_in_order(const std::string& command, bool is_unordered, Reply& reply) {
  const auto sort = [](std::vector<Reply>& replies) {
    std::ranges::sort(replies, {}, [](const Reply& one) { return to_string(one); });
  };
  if (is_unordered || command == "KEYS") sort(reply.elements);
  if ((command == "SCAN" || command == "scan") && reply.elements.size() == 2) sort(reply.elements[1].elements);
}

// Tells it to both, line by line.
inline void compare(TwinClients& both, const Script& script) {
  SCOPED_TRACE(script.about);
  both.clear();
  for (std::string_view line : script.lines) {
    const char mark = line.front() == '~' || line.front() == '!' ? line.front() : ' ';
    if (mark != ' ') line.remove_prefix(1);
    const Words words = words_of(line);
    Reply ours = both.ours.command(words);
    Reply redis = both.redis.command(words);
    EXPECT_EQ(redis.is_error(), mark == '!') << "a mistake in the script: " << line << "\nRedis says " << redis;
    put_in_order(words.front(), mark == '~', ours);
    put_in_order(words.front(), mark == '~', redis);
    both.forgive_digits(ours, redis);
    EXPECT_EQ(ours, redis) << line;
  }
}

}  // namespace earshot::tests
