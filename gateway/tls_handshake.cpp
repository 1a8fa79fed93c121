#include "gateway/tls_handshake.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string>
#include <utility>

#include <capnp/message.h>
#include <capnp/rpc.capnp.h>
#include <capnp/serialize.h>
#include <kj/async-unix.h>
#include <kj/debug.h>
#include <sys/socket.h>

namespace earshot::gateway {
namespace {

using FdObserver = kj::UnixEventPort::FdObserver;

constexpr std::size_t kDrainBytesMax = 64 << 10;
constexpr unsigned char kHandshakeRecord = 22;  // how every TLS connection begins (RFC 8446 §5.1)

// What was accepted, until it is known what it speaks.
struct Newcomer {
  Newcomer(kj::UnixEventPort& port, kj::AutoCloseFd accepted)
      : socket(kj::mv(accepted)), observer(kj::heap<FdObserver>(port, socket.get(), FdObserver::OBSERVE_READ)) {}
  kj::AutoCloseFd socket;
  kj::Own<FdObserver> observer;  // gone before another one may look at the socket
};

// The first byte, which stays to be read.
kj::Promise<unsigned char> first_byte(Newcomer& newcomer) {
  unsigned char byte = 0;
  const ssize_t size = ::recv(newcomer.socket.get(), &byte, 1, MSG_PEEK);
  if (size == 1) return byte;
  if (size < 0 && (errno == EAGAIN || errno == EINTR))
    return newcomer.observer->whenBecomesReadable().then([&newcomer] { return first_byte(newcomer); });
  return KJ_EXCEPTION(DISCONNECTED, "the client went before it said anything");
}

// A socket that is closed with bytes unread is reset, and what was sent on it last may never be seen. A client that
// goes on and on has not waited for it.
kj::Promise<void> drain(Newcomer& newcomer, std::size_t bytes_max = kDrainBytesMax) {
  unsigned char bytes[4096];
  while (bytes_max > 0) {
    const ssize_t size = ::recv(newcomer.socket.get(), bytes, sizeof bytes, 0);
    if (size < 0 && errno == EAGAIN)
      return newcomer.observer->whenBecomesReadable().then(
          [&newcomer, bytes_max] { return drain(newcomer, bytes_max); });
    if (size <= 0) break;
    bytes_max -= std::min(bytes_max, static_cast<std::size_t>(size));
  }
  return kj::READY_NOW;
}

// That this port speaks TLS, and the client does not.
std::string farewell(Protocol protocol) {
  if (protocol == Protocol::kResp) return "-ERR this port speaks TLS\r\n";
  capnp::MallocMessageBuilder message;
  auto abort = message.initRoot<capnp::rpc::Message>().initAbort();
  abort.setReason("this port speaks TLS, and the client does not");
  abort.setType(capnp::rpc::Exception::Type::FAILED);
  const auto words = capnp::messageToFlatArray(message);
  const auto chars = words.asChars();
  return {chars.begin(), chars.size()};
}

kj::Promise<kj::Own<kj::AsyncIoStream>> turn_away(Newcomer& newcomer, Protocol protocol) {
  const std::string bytes = farewell(protocol);
  ::send(newcomer.socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);  // the empty buffer of a socket holds it
  ::shutdown(newcomer.socket.get(), SHUT_WR);
  return drain(newcomer).then([]() -> kj::Promise<kj::Own<kj::AsyncIoStream>> {
    return KJ_EXCEPTION(FAILED, "the client does not speak TLS");
  });
}

}  // namespace

kj::Promise<kj::Own<kj::AsyncIoStream>> accept_tls(kj::AsyncIoContext& io, AcceptedSocket accepted,
                                                   std::shared_ptr<kj::TlsContext> context) {
  constexpr unsigned kFlags =
      kj::LowLevelAsyncIoProvider::ALREADY_CLOEXEC | kj::LowLevelAsyncIoProvider::ALREADY_NONBLOCK;
  auto owned = kj::heap<Newcomer>(io.unixEventPort, kj::mv(accepted.fd));
  Newcomer& newcomer = *owned;
  return first_byte(newcomer)
      .then([&io, &newcomer, context = std::move(context), protocol = accepted.protocol](unsigned char byte) {
        if (byte != kHandshakeRecord) return turn_away(newcomer, protocol);
        newcomer.observer = nullptr;
        return context->wrapServer(io.lowLevelProvider->wrapSocketFd(kj::mv(newcomer.socket), kFlags));
      })
      .attach(kj::mv(owned));
}

}  // namespace earshot::gateway
