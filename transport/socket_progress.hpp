#pragma once

#include <cstdint>
#include <optional>

namespace earshot::transport {

// What a TCP connection has moved, as the kernel counts it.
struct SocketProgress {
  // Acknowledged by the peer's kernel since the connection began: that stops when the peer's buffer is full because
  // nobody reads it.
  std::uint64_t bytes_taken = 0;
  std::uint64_t bytes_received = 0;  // from the peer since the connection began, read or not
  std::uint64_t bytes_waiting = 0;   // written to the socket and not taken
};

// Nothing for what is no TCP socket.
std::optional<SocketProgress> socket_progress(int fd);

}  // namespace earshot::transport
