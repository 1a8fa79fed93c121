#include "transport/listener.hpp"

#include <cerrno>
#include <cstring>
#include <optional>
#include <system_error>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/limits.hpp"

namespace earshot::transport {
namespace {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  bool loopback = false;

  [[nodiscard]] sockaddr* raw() { return reinterpret_cast<sockaddr*>(&storage); }
};

std::optional<SocketAddress> parse_address(std::string text, std::uint16_t port) {
  if (text == "localhost") text = "127.0.0.1";
  if (text.size() > 2 && text.front() == '[' && text.back() == ']') text = text.substr(1, text.size() - 2);
  SocketAddress address;
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  if (::inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    address.loopback = ntohl(v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    address.size = sizeof v4;
    std::memcpy(&address.storage, &v4, sizeof v4);
    return address;
  }
  if (::inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    address.loopback = IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
    address.size = sizeof v6;
    std::memcpy(&address.storage, &v6, sizeof v6);
    return address;
  }
  return std::nullopt;
}

tl::unexpected<Error> no_address(const std::string& text, std::string_view field) {
  return fail(ErrorCode::kInvalidArgument, std::string(field),
              "\"" + text + "\" is neither an IPv4 nor an IPv6 address");
}

std::uint16_t port_of(const SocketAddress& address) {
  if (address.storage.ss_family == AF_INET)
    return ntohs(reinterpret_cast<const sockaddr_in&>(address.storage).sin_port);
  return ntohs(reinterpret_cast<const sockaddr_in6&>(address.storage).sin6_port);
}

}  // namespace

Result<bool> is_loopback(const std::string& address_text, std::string_view field) {
  const auto address = parse_address(address_text, 0);
  if (!address) return no_address(address_text, field);
  return address->loopback;
}

Result<Listener> open_listener(const std::string& address_text, std::uint16_t port, const ListenerFields& fields) {
  auto address = parse_address(address_text, port);
  if (!address) return no_address(address_text, fields.address);
  // Taken right after the failed call, before anything else can set errno.
  const auto unavailable = [&](const char* what) {
    const std::string why = std::generic_category().message(errno);
    return fail(ErrorCode::kUnavailable, std::string(fields.port),
                std::string("cannot ") + what + " " + address_text + " port " + std::to_string(port) + ": " + why);
  };
  const int raw_fd = ::socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (raw_fd < 0) return unavailable("open a socket for");
  Listener listener{kj::AutoCloseFd(raw_fd), 0, address->loopback};
  const int on = 1;
  // A restarted node must not wait for the connections of its predecessor to time out.
  if (::setsockopt(raw_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return unavailable("prepare");
  if (::bind(raw_fd, address->raw(), address->size) != 0) return unavailable("bind");
  if (::listen(raw_fd, limits::kListenBacklog) != 0) return unavailable("listen on");
  if (::getsockname(raw_fd, address->raw(), &address->size) != 0) return unavailable("find the port of");
  listener.port = port_of(*address);
  return listener;
}

void tune_connection(int fd) {
  const auto set = [fd](int level, int option, int value) {
    return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  if (!set(SOL_SOCKET, SO_KEEPALIVE, 1)) return;
  set(IPPROTO_TCP, TCP_KEEPIDLE, limits::kKeepaliveIdleS);
  set(IPPROTO_TCP, TCP_KEEPINTVL, limits::kKeepaliveIntervalS);
  set(IPPROTO_TCP, TCP_KEEPCNT, limits::kKeepaliveProbes);
}

}  // namespace earshot::transport
