#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

// Certificates for the nodes of a cluster: an authority of its own, and nodes that it vouches for. Keys are EC P-256,
// serials random.
namespace earshot::auth {

struct Issued {
  std::string certificate_pem;
  std::string key_pem;  // PKCS #8, not encrypted
};

// Vouches for itself; may issue no further authorities. kInternal in OpenSSL's words.
Result<Issued> issue_authority(const std::string& name, std::uint64_t days);

struct NodeCertificate {
  std::string name;                // of the subject
  std::vector<std::string> hosts;  // DNS names and addresses that it is for
  std::uint64_t days = 0;
};
// For both ends of a connection. kInvalidArgument(ca) when these are no authority and its key, kInvalidArgument(host)
// for what is neither a DNS name nor an address, kInvalidArgument(days) when it would outlive the authority.
Result<Issued> issue_node(const Issued& authority, const NodeCertificate& node);

struct CertificateText {
  std::string subject;
  std::string issuer;
  std::string serial;  // hexadecimal
  std::string begins;  // "Nov 29 12:00:00 2026 GMT"
  std::string ends;
  std::string key;  // "EC P-256"
  bool is_authority = false;
  std::vector<std::string> hosts;
};
// What the first certificate in the text says. kInvalidArgument(certificate).
Result<CertificateText> describe(std::string_view certificate_pem);

}  // namespace earshot::auth
