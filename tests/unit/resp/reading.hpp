#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "resp/command_reader.hpp"
#include "resp/inline_words.hpp"

// Commands as somebody types them.
namespace earshot::resp {

inline tl::expected<Command, ErrorReply> read_line(std::string_view line) {
  const auto words = inline_words(line).value();
  return read_command(std::vector<std::string_view>(words.begin(), words.end()));
}

// What the line is as that command; the test fails where it is none.
template <class Kind>
Kind read_as(std::string_view line) {
  const auto command = read_line(line);
  EXPECT_TRUE(command.has_value()) << line << ": " << command.error();
  if (!command || !std::holds_alternative<Kind>(*command)) {
    ADD_FAILURE() << line << " is another command";
    return {};
  }
  return std::get<Kind>(*command);
}

struct Refusal {
  std::string_view line;
  std::string_view error;
};
inline void expect_refusals(const std::vector<Refusal>& refusals) {
  for (const auto& [line, error] : refusals) {
    const auto command = read_line(line);
    EXPECT_EQ(command.has_value() ? "accepted" : command.error(), error) << line;
  }
}

}  // namespace earshot::resp
