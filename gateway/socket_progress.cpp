#include "gateway/socket_progress.hpp"

#include <cstddef>

// The kernel's own header, since the C library's knows an older tcp_info; the two cannot be included together.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace earshot::gateway {

std::optional<std::uint64_t> bytes_taken_by_peer(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
  if (size < offsetof(tcp_info, tcpi_bytes_acked) + sizeof info.tcpi_bytes_acked) return std::nullopt;
  return info.tcpi_bytes_acked;
}

}  // namespace earshot::gateway
