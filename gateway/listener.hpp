#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <kj/io.h>

#include "base/error.hpp"

namespace earshot::gateway {

// A listening socket, non-blocking.
struct Listener {
  kj::AutoCloseFd fd;
  std::uint16_t port = 0;  // the real one
  bool loopback = false;   // reachable from this machine only
};

// Whether only this machine reaches the address; kInvalidArgument(`field`) as open_listener.
Result<bool> is_loopback(const std::string& address, std::string_view field = "client_address");

// Listens on an IPv4 or IPv6 literal (brackets allowed) or "localhost"; port 0 lets the system pick one.
// kInvalidArgument(`address_field`) for what is no address; kUnavailable(`port_field`) with the system's words when it
// cannot be had.
Result<Listener> open_listener(const std::string& address, std::uint16_t port, std::string_view port_field,
                               std::string_view address_field = "client_address");

// No delay for small answers, and probes that find peers which vanished without a word. Best effort: a connection works
// without.
void tune_connection(int fd);

}  // namespace earshot::gateway
