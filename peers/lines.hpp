#pragma once

#include <memory>
#include <string>

#include <kj/async-io.h>

#include "base/ids.hpp"
#include "peers/peer_tls.hpp"

namespace earshot::peers {

// A connection before anything was said on it.
struct Line {
  kj::Own<kj::AsyncIoStream> stream;
  kj::Own<kj::PeerIdentity> identity;  // what its certificate says; null: plaintext
};

// How a node's connections are made: by TLS where there are certificates, else in plaintext and then on loopback only.
// KJ thread only.
class Lines {
 public:
  // `tls` null: plaintext. Both outlive this.
  Lines(kj::AsyncIoContext& io, const PeerTls* tls) : io_(io), tls_(tls) {}

  // To "host:port". Rejects with one sentence for a log.
  kj::Promise<Line> dial(const std::string& address);
  kj::Promise<Line> accept(kj::Own<kj::AsyncIoStream> stream);
  // Whether its certificate, if there are any, allows it to be that node.
  [[nodiscard]] bool may_be(Line& line, NodeId node) const;

  [[nodiscard]] kj::Timer& timer() { return io_.provider->getTimer(); }

 private:
  kj::AsyncIoContext& io_;
  const PeerTls* const tls_;
};

// "127.0.0.1:40123": the other end of a connection.
std::string address_of(kj::AsyncIoStream& stream);

}  // namespace earshot::peers
