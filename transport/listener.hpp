#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <kj/io.h>

#include "base/error.hpp"

namespace earshot::transport {

// A listening socket, non-blocking.
struct Listener {
  kj::AutoCloseFd fd;
  std::uint16_t port = 0;  // the real one
  bool loopback = false;   // reachable from this machine only
};

// The settings that errors name.
struct ListenerFields {
  std::string_view address;
  std::string_view port;
};

// Whether only this machine reaches the address; kInvalidArgument(field) as open_listener.
Result<bool> is_loopback(const std::string& address, std::string_view field);

// Listens on an IPv4 or IPv6 literal (brackets allowed) or "localhost"; port 0 lets the system pick one.
// kInvalidArgument(fields.address) for what is no address; kUnavailable(fields.port) with the system's words when it
// cannot be had.
Result<Listener> open_listener(const std::string& address, std::uint16_t port, const ListenerFields& fields);

// No delay for small answers, and probes that find peers which vanished without a word. Best effort: a connection works
// without.
void tune_connection(int fd);

}  // namespace earshot::transport
