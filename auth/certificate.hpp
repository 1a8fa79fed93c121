#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"

// Certificates in files, judged before TLS takes them: OpenSSL would fail every handshake without a word to the
// operator.
namespace earshot::auth {

struct CertificateFacts {
  std::string subject;
  std::string common_name;     // in it; "": none
  std::int64_t ends_at_s = 0;  // since 1970
};

// One file of a pair: what it holds, and what errors call it.
struct PemFile {
  std::string_view field;  // the setting
  std::string path;
  std::string text;
};

// Of the certificate (the first in its file), when the key is its own. kInvalidArgument(field) else.
Result<CertificateFacts> check_pair(const PemFile& certificate, const PemFile& key);
// kInvalidArgument(field) when the file holds no certificate.
Result<CertificateFacts> check_certificate(const PemFile& certificate);

// Whether the certificate (the first in the text) is for that host, by the rules of RFC 6125.
bool names_host(std::string_view certificate_pem, const std::string& host);

}  // namespace earshot::auth
