#pragma once

#include <cstdint>
#include <optional>

namespace earshot::gateway {

// How many bytes the peer of a TCP connection has taken in since it began, as the kernel counts them: its own
// acknowledgements, which stop when the peer's buffer is full because nobody reads it. Nothing for what is no TCP
// socket.
std::optional<std::uint64_t> bytes_taken_by_peer(int fd);

}  // namespace earshot::gateway
