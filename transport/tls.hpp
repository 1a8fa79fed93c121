#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <kj/compat/tls.h>

// TLS as all of Earshot speaks it: version 1.2 or later.
namespace earshot::transport {

struct TlsParts {
  std::string certificate_pem;  // shown to the other end, then those between it and the root; "": none
  std::string key_pem;          // its key
  std::string trusted_pem;     // certificates that the other end's must be vouched for by; "": the system's, if any …
  bool trusts_system = false;  // … are trusted at all
  bool verifies_clients = false;
  // For a process with many connections: buffers of idle ones are given back (32 KiB each), a peer that goes without a
  // farewell is gone and that is no error (what is cut off shows in the frames), and nobody renegotiates, which TLS 1.3
  // abolished for the work that it lets a peer make.
  bool serves = false;
};

// Throws what KJ says when one of them cannot be used.
std::shared_ptr<kj::TlsContext> make_tls_context(const TlsParts& parts);

// What went wrong in a handshake, in words; `who` is the other end: "the server".
std::string tls_failure_text(const kj::Exception& exception, std::string_view who);

}  // namespace earshot::transport
