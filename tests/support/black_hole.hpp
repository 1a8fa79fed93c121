#pragma once

#include <cerrno>
#include <stdexcept>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace earshot::tests {

// An address on loopback that answers nothing, as a host that is gone from its network: its queue of connections is
// full and nobody takes any of them, so the kernel drops what else arrives.
class BlackHole {
 public:
  BlackHole() : listener_(socket(0)) {
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 0) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
      throw std::runtime_error("the black hole cannot listen");
    port_ = ntohs(address.sin_port);
    while (fill(address)) {
    }
  }
  ~BlackHole() {
    for (const int one : fillers_) ::close(one);
    ::close(listener_);
  }
  BlackHole(const BlackHole&) = delete;
  BlackHole& operator=(const BlackHole&) = delete;

  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  static constexpr int kTakenAtOnceMs = 200;

  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  static int socket(int flags) {
    const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (made < 0) throw std::runtime_error("the black hole cannot have a socket");
    return made;
  }
  // Whether the connection was taken.
  bool fill(const sockaddr_in& address) {
    fillers_.push_back(socket(SOCK_NONBLOCK));
    if (::connect(fillers_.back(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return true;
    pollfd waited{fillers_.back(), POLLOUT, 0};
    return errno == EINPROGRESS && ::poll(&waited, 1, kTakenAtOnceMs) == 1;
  }

  const int listener_;
  std::uint16_t port_ = 0;
  std::vector<int> fillers_;
};

}  // namespace earshot::tests
