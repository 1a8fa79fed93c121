#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "schema/messages.hpp"

namespace earshot::simulation {

// One installation of a user, by which everything about it is found.
struct DeviceName {
  UserId user;
  DeviceId device;
  auto operator<=>(const DeviceName&) const = default;
  [[nodiscard]] std::string text() const { return user.text() + "/" + device.text(); }
};

// A message that a client's send() took: from then on it must arrive, unless its time to live ends.
struct Accepted {
  DeviceName from;
  UserId to;
  std::string body;
  bool copy_to_self = false;
  std::uint64_t ttl_ms = 0;
  std::optional<Stored> answer = {};  // the first
  bool expired = false;               // answered: it was too late to store it
  bool uncertain = false;             // handed back: nobody knows whether it is stored
};

}  // namespace earshot::simulation
