#include "peers/lines.hpp"

#include <array>
#include <cstddef>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "peers/greeting_io.hpp"
#include "transport/listener.hpp"
#include "transport/tls.hpp"

namespace earshot::peers {
namespace {

// "::1" of "[::1]:7401".
std::string host_of(const std::string& address) {
  if (address.starts_with('[')) return address.substr(1, address.find(']') - 1);
  return address.substr(0, address.rfind(':'));
}

void tune(kj::AsyncIoStream& stream) {
  KJ_IF_MAYBE (fd, stream.getFd()) transport::tune_connection(*fd);
}

kj::Promise<Line> secured(kj::Promise<kj::AuthenticatedStream> handshake, const char* who) {
  return handshake.then(
      [](kj::AuthenticatedStream&& secure) -> kj::Promise<Line> {
        if (!PeerTls::is_peer(*secure.peerIdentity))
          return failure("its certificate is not of a node: its common name is not node-….earshot");
        return Line{kj::mv(secure.stream), kj::mv(secure.peerIdentity)};
      },
      [who](kj::Exception&& exception) -> kj::Promise<Line> {
        return failure(transport::tls_failure_text(exception, who));
      });
}

kj::AuthenticatedStream nobody_yet(kj::Own<kj::AsyncIoStream> stream) {
  return {kj::mv(stream), kj::UnknownPeerIdentity::newInstance()};
}

}  // namespace

kj::Promise<Line> Lines::dial(const std::string& address) {
  if (tls_ == nullptr) {
    const auto loopback = transport::is_loopback(host_of(address), "peer_address");
    if (!loopback || !*loopback)
      return failure(
          "without TLS only loopback addresses are dialled: peer_tls_certificate, peer_tls_key and "
          "peer_tls_ca are needed");
  }
  // What is no address throws at once.
  return kj::evalNow([&] { return io_.provider->getNetwork().parseAddress(address); })
      .then([](kj::Own<kj::NetworkAddress>&& parsed) {
        auto connecting = parsed->connect();
        return connecting.attach(kj::mv(parsed));
      })
      .then([this](kj::Own<kj::AsyncIoStream>&& stream) -> kj::Promise<Line> {
        tune(*stream);
        if (tls_ == nullptr) return Line{kj::mv(stream), {}};
        return secured(tls_->for_dialling()->wrapClient(nobody_yet(kj::mv(stream)), kPeerName), "the other node");
      });
}

kj::Promise<Line> Lines::accept(kj::Own<kj::AsyncIoStream> stream) {
  tune(*stream);
  if (tls_ == nullptr) return Line{kj::mv(stream), {}};
  return secured(kj::evalNow([&] { return tls_->for_accepting()->wrapServer(nobody_yet(kj::mv(stream))); }),
                 "the other end");
}

bool Lines::may_be(Line& line, NodeId node) const { return tls_ == nullptr || PeerTls::may_be(*line.identity, node); }

std::string address_of(kj::AsyncIoStream& stream) {
  sockaddr_storage storage{};
  kj::uint size = sizeof storage;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (kj::runCatchingExceptions([&] { stream.getpeername(reinterpret_cast<sockaddr*>(&storage), &size); }) != nullptr)
    return "somewhere";
  if (storage.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
    ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    return std::string(text.data()) + ":" + std::to_string(ntohs(v4.sin_port));
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
  ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
  return "[" + std::string(text.data()) + "]:" + std::to_string(ntohs(v6.sin6_port));
}

}  // namespace earshot::peers
