#pragma once

#include <string>

#include <kj/async-io.h>
#include <kj/compat/tls.h>

#include "base/error.hpp"
#include "client/client.hpp"

// The client's side of TLS.
namespace earshot::client {

// "node.example" of "node.example:7400", "::1" of "[::1]:7400".
std::string host_of(const std::string& address);

// Whether a certificate for this address could be told from another's: with TLS, a numeric one needs a name beside it.
bool can_be_verified(const std::string& address, const TlsOptions& tls);

// kInvalidArgument(tls.…) for what cannot work: certificates are checked against names, so a numeric address needs one
// beside it.
Status check_tls(const Options& options);

// Makes the stream a TLS stream, once the server has shown a certificate for the expected name that the trusted ones
// vouch for. The files are read anew each time. Rejects otherwise.
kj::Promise<kj::Own<kj::AsyncIoStream>> connect_tls(kj::Own<kj::AsyncIoStream> stream, const TlsOptions& options,
                                                    const std::string& address);

// What went wrong in it, in words: kUnavailable(tls). Trying again may help: the next answer may come from the true
// server, or with a renewed certificate.
Error tls_error_of(const kj::Exception& exception);

}  // namespace earshot::client
