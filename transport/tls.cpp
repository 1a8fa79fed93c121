#include "transport/tls.hpp"

#include <cstddef>
#include <utility>

#include <kj/debug.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

namespace earshot::transport {
namespace {

constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";

// Each by itself: KJ takes a file of several for the chain of the first.
std::vector<kj::TlsCertificate> certificates_in(const std::string& pem) {
  std::vector<kj::TlsCertificate> certificates;
  std::size_t begin = pem.find(kBegin);
  while (begin != std::string::npos) {
    const std::size_t next = pem.find(kBegin, begin + kBegin.size());
    const std::string one = pem.substr(begin, next == std::string::npos ? next : next - begin);
    certificates.emplace_back(kj::StringPtr(one.c_str()));
    begin = next;
  }
  KJ_REQUIRE(!certificates.empty(), "the file of trusted certificates holds none");
  return certificates;
}

// What KJ does not let its users set: OpenSSL tells about every context that it makes.
thread_local bool making_server = false;

void prepare_context(void* context, void*, CRYPTO_EX_DATA*, int, long, void*) {
  if (!making_server) return;
  SSL_CTX_set_mode(static_cast<SSL_CTX*>(context), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_options(static_cast<SSL_CTX*>(context), SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION);
}

}  // namespace

std::shared_ptr<kj::TlsContext> make_tls_context(const TlsParts& parts) {
  static const int hook = SSL_CTX_get_ex_new_index(0, nullptr, prepare_context, nullptr, nullptr);
  KJ_REQUIRE(hook >= 0, "OpenSSL refuses a hook");
  // Connections on this thread would take an error that is left behind for their own.
  KJ_DEFER(ERR_clear_error(); making_server = false);
  making_server = parts.serves;
  std::vector<kj::TlsCertificate> trusted;
  if (!parts.trusted_pem.empty()) trusted = certificates_in(parts.trusted_pem);
  kj::TlsContext::Options options;
  options.useSystemTrustStore = parts.trusts_system;
  options.trustedCertificates = kj::arrayPtr(trusted.data(), trusted.size());
  options.verifyClients = parts.verifies_clients;
  options.minVersion = kj::TlsVersion::TLS_1_2;
  if (parts.certificate_pem.empty()) return std::make_shared<kj::TlsContext>(kj::mv(options));
  const kj::TlsKeypair pair{kj::TlsPrivateKey(kj::StringPtr(parts.key_pem.c_str())),
                            kj::TlsCertificate(kj::StringPtr(parts.certificate_pem.c_str()))};
  options.defaultKeypair = pair;
  return std::make_shared<kj::TlsContext>(kj::mv(options));
}

std::string tls_failure_text(const kj::Exception& exception, std::string_view who) {
  const std::string_view text = exception.getDescription().cStr();
  const auto says = [&](std::string_view part) { return text.find(part) != std::string_view::npos; };
  const std::string name(who);
  if (says("is not trusted")) {
    constexpr std::string_view kReason = "reason = ";
    const std::size_t at = text.find(kReason);
    std::string why = name + "'s certificate is not trusted";
    if (at != std::string_view::npos) why += ": " + std::string(text.substr(at + kReason.size()));
    return why;
  }
  if (says("wrong version number") || says("packet length too long")) return name + " does not speak TLS on this port";
  if (says("unexpected eof") || exception.getType() == kj::Exception::Type::DISCONNECTED)
    return name + " closed the connection during the TLS handshake";
  return "no TLS connection: " + std::string(text);
}

}  // namespace earshot::transport
