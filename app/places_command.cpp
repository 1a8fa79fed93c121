#include "app/places_command.hpp"

#include <fmt/format.h>

#include "app/terminal.hpp"

namespace earshot::app {

Result<LayerId> layer_of(const std::string& name) {
  if (name.empty()) return LayerId::trusted(kDefaultLayer);
  return LayerId::parse(name, "layer");
}

void put_member(nlohmann::ordered_json& to, const std::string& member) {
  if (is_utf8(member)) {
    to["member"] = member;
    return;
  }
  std::string hex;
  for (const unsigned char byte : member) hex += fmt::format("{:02x}", byte);
  to["memberHex"] = hex;
}

}  // namespace earshot::app
