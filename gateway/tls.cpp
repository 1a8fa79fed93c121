#include "gateway/tls.hpp"

#include <array>
#include <cstdint>
#include <utility>

#include <kj/exception.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <spdlog/spdlog.h>

#include "auth/openssl.hpp"
#include "auth/secret_file.hpp"

namespace earshot::gateway {
namespace {

constexpr std::int64_t kDayS = std::int64_t{24} * 3600;
constexpr int kWarnDays = 14;  // before a certificate ends

using Certificate = std::unique_ptr<X509, openssl::Free<X509_free>>;

tl::unexpected<Error> unfit(std::string field, const std::string& path, const char* why) {
  return fail(ErrorCode::kInvalidArgument, std::move(field), path + " " + why);
}

struct Facts {
  std::string subject;
  std::int64_t ends_at_s = 0;
};

Facts facts_of(const X509* certificate) {
  std::array<char, 256> name{};
  X509_NAME_oneline(X509_get_subject_name(certificate), name.data(), static_cast<int>(name.size()));
  Facts facts{name.data(), 0};
  int days = 0;
  int seconds = 0;
  const std::unique_ptr<ASN1_TIME, openssl::Free<ASN1_STRING_free>> epoch(ASN1_TIME_set(nullptr, 0));
  if (epoch && ASN1_TIME_diff(&days, &seconds, epoch.get(), X509_get0_notAfter(certificate)) == 1)
    facts.ends_at_s = days * kDayS + seconds;
  return facts;
}

// OpenSSL would take a key that belongs to another certificate and fail every handshake.
Result<Facts> check_pair(const std::string& certificate_path, const std::string& certificate_pem,
                         const std::string& key_path, const std::string& key_pem) {
  const openssl::CleanErrors clean;
  const openssl::Bio certificate_bio = openssl::reader_of(certificate_pem);
  const openssl::Bio key_bio = openssl::reader_of(key_pem);
  const Certificate certificate(PEM_read_bio_X509(certificate_bio.get(), nullptr, openssl::no_password, nullptr));
  const openssl::PKey key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, openssl::no_password, nullptr));
  const bool fit = certificate && key && X509_check_private_key(certificate.get(), key.get()) == 1;
  if (!certificate) return unfit("tls_certificate", certificate_path, "holds no certificate in PEM");
  if (!key) return unfit("tls_key", key_path, "holds no unencrypted private key in PEM");
  if (!fit) return unfit("tls_key", key_path, "is not the key of the certificate");
  return facts_of(certificate.get());
}

// What KJ does not let its users set: OpenSSL tells about every context that it makes.
//
//  * Buffers of idle connections are given back: 32 KiB less for each.
//  * A peer that goes without a farewell is gone, and that is no error: Cap'n Proto's frames show what was cut off.
//  * No renegotiation, which TLS 1.3 abolished for the work that it lets a client make.
thread_local bool making_context = false;

void prepare_context(void* context, void*, CRYPTO_EX_DATA*, int, long, void*) {
  if (!making_context) return;
  SSL_CTX_set_mode(static_cast<SSL_CTX*>(context), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_options(static_cast<SSL_CTX*>(context), SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION);
}

Result<std::shared_ptr<kj::TlsContext>> make_context(const std::string& certificate_pem, const std::string& key_pem) {
  const openssl::CleanErrors clean;
  static const int hook = SSL_CTX_get_ex_new_index(0, nullptr, prepare_context, nullptr, nullptr);
  if (hook < 0) return fail(ErrorCode::kInternal, "", "OpenSSL refuses a hook");
  std::shared_ptr<kj::TlsContext> context;
  making_context = true;
  auto failure = kj::runCatchingExceptions([&] {
    const kj::TlsKeypair pair{kj::TlsPrivateKey(kj::StringPtr(key_pem.c_str())),
                              kj::TlsCertificate(kj::StringPtr(certificate_pem.c_str()))};
    kj::TlsContext::Options options;
    options.useSystemTrustStore = false;  // clients show no certificates
    options.minVersion = kj::TlsVersion::TLS_1_2;
    options.defaultKeypair = pair;
    context = std::make_shared<kj::TlsContext>(kj::mv(options));
  });
  making_context = false;
  KJ_IF_MAYBE (exception, failure)
    return fail(ErrorCode::kInvalidArgument, "tls_certificate",
                std::string("cannot be used: ") + exception->getDescription().cStr());
  return context;
}

}  // namespace

Result<std::unique_ptr<ServerTls>> ServerTls::open(std::string certificate_path, std::string key_path,
                                                   const Clock& clock) {
  std::unique_ptr<ServerTls> tls(new ServerTls(std::move(certificate_path), std::move(key_path), clock));
  if (auto loaded = tls->reload(); !loaded) return fail(std::move(loaded.error()));
  return tls;
}

Status ServerTls::reload() {
  auto certificate = auth::read_secret_file(certificate_path_, "tls_certificate");
  auto key = auth::read_secret_file(key_path_, "tls_key");
  for (const auto* file : {&certificate, &key})
    if (!*file) return fail(ErrorCode::kInvalidArgument, file->error().field, file->error().detail);
  auto facts = check_pair(certificate_path_, certificate->text, key_path_, key->text);
  if (!facts) return fail(std::move(facts.error()));
  auto context = make_context(certificate->text, key->text);
  if (!context) return fail(std::move(context.error()));
  const std::lock_guard lock(mutex_);
  context_ = std::move(*context);
  subject_ = std::move(facts->subject);
  ends_at_s_ = facts->ends_at_s;
  key_read_by_others_ = key->read_by_others;
  return {};
}

// An expired certificate is used all the same: what to think of it is for clients to decide, and none is no better. But
// nobody shall have to guess why they refuse it.
void ServerTls::tell() const {
  const std::lock_guard lock(mutex_);
  const std::int64_t left_s = ends_at_s_ - static_cast<std::int64_t>(clock_.wall_ms() / 1'000);
  if (left_s <= 0)
    spdlog::error("the certificate {} has expired: clients will refuse this node", subject_);
  else if (left_s < kWarnDays * kDayS)
    spdlog::warn("the certificate {} ends in {} days", subject_, left_s / kDayS);
  else
    spdlog::info("TLS with the certificate {}, for {} days more", subject_, left_s / kDayS);
  if (key_read_by_others_) spdlog::warn("the key of the certificate, {}, can be read by others: chmod 600", key_path_);
}

std::shared_ptr<kj::TlsContext> ServerTls::context() const {
  const std::lock_guard lock(mutex_);
  return context_;
}

}  // namespace earshot::gateway
