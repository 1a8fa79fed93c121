#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "base/limits.hpp"
#include "resp/command_reader.hpp"

// What the readers of single commands share.
namespace earshot::resp {

template <class T>
using Reading = tl::expected<T, ErrorReply>;

// Reads the words of one command. Precondition: its name and the number of words are right (command_table.hpp).
using Reader = Reading<Command> (*)(Request words);

inline constexpr std::string_view kSyntaxError = "ERR syntax error";
inline constexpr std::string_view kNotAnInteger = "ERR value is not an integer or out of range";
inline constexpr std::string_view kNotAFloat = "ERR value is not a valid float";

inline tl::unexpected<ErrorReply> refuse(std::string_view text) { return tl::unexpected(ErrorReply(text)); }

// The words from the one at `first` on.
inline std::vector<std::string> words_from(Request words, std::size_t first) {
  return {words.begin() + static_cast<std::ptrdiff_t>(first), words.end()};
}

// A pattern of KEYS, SCAN and CONFIG GET. A long one would take its time with each of many names.
inline Reading<std::string> read_pattern(std::string_view word) {
  if (word.size() > limits::kRespPatternBytesMax)
    return refuse("ERR the pattern has more than " + std::to_string(limits::kRespPatternBytesMax) + " bytes");
  return std::string(word);
}

}  // namespace earshot::resp
