#include "gateway/login_desk.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include <arpa/inet.h>
#include <kj/exception.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace earshot::gateway {
namespace {

std::uint64_t big_endian(const unsigned char* bytes, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value = value << 8 | bytes[i];
  return value;
}

}  // namespace

auth::Origin origin_of(kj::AsyncIoStream& stream) {
  sockaddr_storage address{};
  kj::uint size = sizeof address;
  const auto failure =
      kj::runCatchingExceptions([&] { stream.getpeername(reinterpret_cast<sockaddr*>(&address), &size); });
  if (failure != nullptr) return {};
  if (address.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address, sizeof v4);
    return {false, ntohl(v4.sin_addr.s_addr)};
  }
  if (address.ss_family != AF_INET6) return {};
  sockaddr_in6 v6{};
  std::memcpy(&v6, &address, sizeof v6);
  const unsigned char* bytes = v6.sin6_addr.s6_addr;
  // An IPv4 client of a socket that listens on both.
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) return {false, big_endian(bytes + 12, 4)};
  return {true, big_endian(bytes, 8)};
}

std::string text_of(const auth::Origin& origin) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (!origin.v6) {
    const in_addr v4{htonl(static_cast<std::uint32_t>(origin.prefix))};
    return ::inet_ntop(AF_INET, &v4, text.data(), text.size());
  }
  in6_addr v6{};
  for (int i = 0; i < 8; ++i) v6.s6_addr[i] = static_cast<std::uint8_t>(origin.prefix >> (56 - 8 * i));
  return std::string(::inet_ntop(AF_INET6, &v6, text.data(), text.size())) + "/64";
}

Result<std::uint64_t> LoginDesk::admit(const auth::Origin& origin) {
  if (!is_throttled(origin)) return 0;
  const std::lock_guard lock(mutex_);
  return throttle_.admit(origin, clock_.monotonic_ms());
}

Result<Identity> LoginDesk::judge(std::string_view token, const auth::Origin& origin) {
  auto identity = authenticator_->authenticate(token);
  if (identity || !is_throttled(origin)) return identity;
  const std::lock_guard lock(mutex_);
  identity.error().retry_after_ms = static_cast<std::uint32_t>(throttle_.failed(origin, clock_.monotonic_ms()));
  return identity;
}

}  // namespace earshot::gateway
