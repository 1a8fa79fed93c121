#pragma once

#include <optional>
#include <string_view>

#include <nlohmann/json.hpp>

// Private to auth/.
namespace earshot::auth {

using Json = nlohmann::json;

// One JSON object. Nothing when the text is anything else, or names a member of it twice: two readers could then see
// two different things.
std::optional<Json> parse_object(std::string_view text);

}  // namespace earshot::auth
