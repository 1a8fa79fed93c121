#include "tests/support/free_port.hpp"

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <string>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/random.hpp"

namespace earshot::tests {
namespace {

template <class Address>
bool can_bind(int socket, const Address& address, std::size_t bytes) {
  return ::bind(socket, reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(bytes)) == 0;
}

bool is_free(std::uint16_t port) {
  const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool bound = can_bind(probe, address, sizeof address);
  ::close(probe);
  return bound;
}

// A name among Unix sockets that no other process can have until this one ends: a port that a test has picked may be
// without a listener for a while, as that of a node which is killed. The socket stays open.
bool is_taken_by_us(std::uint16_t port) {
  const int holder = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const std::string name = "earshot-test-port-" + std::to_string(port);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::copy(name.begin(), name.end(), address.sun_path + 1);  // a first byte of 0: not in any directory
  if (can_bind(holder, address, offsetof(sockaddr_un, sun_path) + 1 + name.size())) return true;
  ::close(holder);
  return false;
}

}  // namespace

std::uint16_t free_port() {
  // Below those that the system gives to connections: one of them could take the port of a node that is down, or meet
  // itself there.
  Random random = Random::from_system();
  for (int tries = 0; tries < 1'000; ++tries) {
    const auto port = static_cast<std::uint16_t>(random.between(10'000, 32'000));
    if (is_taken_by_us(port) && is_free(port)) return port;
  }
  throw std::runtime_error("there is no free port");
}

}  // namespace earshot::tests
