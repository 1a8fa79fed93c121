#pragma once

#include <cstddef>
#include <functional>

#include "base/ids.hpp"

namespace earshot::cluster {

// A device is known by its own name only among those of its user.
struct DeviceKey {
  UserId user;
  DeviceId device;
  bool operator==(const DeviceKey&) const = default;
};

struct DeviceKeyHash {
  std::size_t operator()(const DeviceKey& key) const noexcept {
    return std::hash<UserId>{}(key.user) * 31 + std::hash<DeviceId>{}(key.device);
  }
};

}  // namespace earshot::cluster
