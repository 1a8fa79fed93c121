#include "transport/socket_progress.hpp"

#include <cstddef>

// The kernel's own header, since the C library's knows an older tcp_info; the two cannot be included together.
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace earshot::transport {

std::optional<SocketProgress> socket_progress(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  int waiting = 0;
  // First what waits: what is taken in between then counts in both, so that too much is waited for, and not too little.
  if (::ioctl(fd, SIOCOUTQ, &waiting) != 0) return std::nullopt;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
  if (size < offsetof(tcp_info, tcpi_bytes_received) + sizeof info.tcpi_bytes_received) return std::nullopt;
  return SocketProgress{info.tcpi_bytes_acked, info.tcpi_bytes_received, static_cast<std::uint64_t>(waiting)};
}

}  // namespace earshot::transport
