#include "auth/json.hpp"

#include <set>
#include <string>

namespace earshot::auth {

std::optional<Json> parse_object(std::string_view text) {
  std::set<std::string> names;
  bool unique = true;
  const auto look = [&](int depth, Json::parse_event_t event, Json& value) {
    if (depth == 1 && event == Json::parse_event_t::key) unique &= names.insert(value.get<std::string>()).second;
    return true;
  };
  Json json = Json::parse(text, look, /*allow_exceptions=*/false);
  if (!unique || !json.is_object()) return std::nullopt;
  return json;
}

}  // namespace earshot::auth
