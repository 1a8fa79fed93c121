#pragma once

#include <memory>

#include <kj/async-io.h>
#include <kj/compat/tls.h>

namespace earshot::gateway {

// The node's part of a TLS handshake on an accepted, non-blocking socket. Nothing large is allocated before the peer
// has said something. A client that speaks Cap'n Proto without TLS is told so in its own language. Rejects when the
// handshake fails; until then it takes as long as the peer likes: the caller has the timeout.
kj::Promise<kj::Own<kj::AsyncIoStream>> accept_tls(kj::AsyncIoContext& io, kj::AutoCloseFd socket,
                                                   std::shared_ptr<kj::TlsContext> context);

}  // namespace earshot::gateway
