#pragma once

#include <cstdint>
#include <string>

#include "base/ids.hpp"

namespace earshot {

// The name of one call, for logs: whoever reads the lines of several nodes finds there what became of it. Nothing is
// made for a call ahead of a line about it: the numbers are there anyway.
//
//   n1            node 1 itself
//   n1.s57        session 57 of it
//   n1.s57.c1203  the call that its gateway counts as the session's 1203rd
//   n1.r12.c55    the same of the connection of Redis's protocol with the id 12
struct RequestTag {
  enum class Door : char { kSession = 's', kRedis = 'r' };

  NodeId node;
  Door door = Door::kSession;
  std::uint64_t client = 0;  // the session, or the connection
  std::uint64_t call = 0;    // 0: it is about the client

  // As it came from elsewhere.
  [[nodiscard]] static Door door_of(std::uint8_t letter) {
    return letter == static_cast<std::uint8_t>(Door::kRedis) ? Door::kRedis : Door::kSession;
  }
  bool operator==(const RequestTag&) const = default;

  [[nodiscard]] std::string to_string() const {
    std::string text = "n" + std::to_string(node.value);
    if (client == 0 && call == 0) return text;
    text += "." + (static_cast<char>(door) + std::to_string(client));
    if (call != 0) text += ".c" + std::to_string(call);
    return text;
  }
};

}  // namespace earshot
