#include "app/places_command.hpp"

#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "app/terminal.hpp"

namespace earshot::app {

Result<LayerId> layer_of(const std::string& name) {
  if (name.empty()) return LayerId::trusted(kDefaultLayer);
  return LayerId::parse(name, "layer");
}

bool wait_to_ask_again(const Error& error, std::uint64_t give_up_at_ms) {
  if (error.retry_after_ms == 0 || SystemClock().monotonic_ms() + error.retry_after_ms > give_up_at_ms) return false;
  std::this_thread::sleep_for(std::chrono::milliseconds(error.retry_after_ms));
  return true;
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
