#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

// Numbers as clients write them, by the rules that Redis has for each place where one may stand.
namespace earshot::resp {

// A score, a coordinate or a length: what strtod() takes, and nothing before or after it. Not NaN, nor what is too
// large or too near to zero for a double; infinities may be written.
std::optional<double> read_double(std::string_view text);
// A bound of a range of scores: as above, but blanks may stand before it, what is too large is infinite, and nothing at
// all is 0.
std::optional<double> read_score_bound(std::string_view text);
// Decimal, written in the one way that there is: no "+", no zeros in front, no "-0".
std::optional<std::int64_t> read_integer(std::string_view text);
// A cursor: what strtoul() takes; nothing at all is 0.
std::optional<std::uint64_t> read_cursor(std::string_view text);

}  // namespace earshot::resp
