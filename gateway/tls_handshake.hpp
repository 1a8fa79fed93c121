#pragma once

#include <memory>

#include <kj/async-io.h>
#include <kj/compat/tls.h>

#include "gateway/bridge.hpp"

namespace earshot::gateway {

// The node's part of a TLS handshake on an accepted, non-blocking socket. Nothing large is allocated before the peer
// has said something. A client that does not speak TLS is told so in the protocol that it is to speak. Rejects when the
// handshake fails; until then it takes as long as the peer likes: the caller has the timeout.
kj::Promise<kj::Own<kj::AsyncIoStream>> accept_tls(kj::AsyncIoContext& io, AcceptedSocket accepted,
                                                   std::shared_ptr<kj::TlsContext> context);

}  // namespace earshot::gateway
