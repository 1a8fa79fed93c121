#pragma once

#include <string_view>

namespace earshot::resp {

// Whether a whole text fits a pattern of KEYS, SCAN and CONFIG GET: * for any bytes, ? for one, [abc], [^abc] and [a-z]
// for one of a set, a backslash before what stands for itself. A set that is not closed ends with the pattern. Takes
// no more steps than the product of both lengths, and no memory.
bool matches(std::string_view pattern, std::string_view text);

}  // namespace earshot::resp
