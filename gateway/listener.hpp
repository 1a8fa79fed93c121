#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "transport/listener.hpp"

// Listening as the door does it: its errors name the door's settings, unless told others.
namespace earshot::gateway {

using transport::Listener;
using transport::tune_connection;

// Whether only this machine reaches the address; kInvalidArgument(`field`) as open_listener.
inline Result<bool> is_loopback(const std::string& address, std::string_view field = "client_address") {
  return transport::is_loopback(address, field);
}

// As transport's, with the names of the settings at fault.
inline Result<Listener> open_listener(const std::string& address, std::uint16_t port, std::string_view port_field,
                                      std::string_view address_field = "client_address") {
  return transport::open_listener(address, port, {.address = address_field, .port = port_field});
}

}  // namespace earshot::gateway
