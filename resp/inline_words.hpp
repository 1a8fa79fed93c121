#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace earshot::resp {

// The words of a line as Redis cuts it: between blanks, or in quotes, "…" with the escapes \n \r \t \b \a \xHH and a
// backslash before any other character, '…' with \' alone. Nothing when quotes are not closed, or something follows
// them without a blank.
std::optional<std::vector<std::string>> inline_words(std::string_view line);

}  // namespace earshot::resp
