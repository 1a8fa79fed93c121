#include "auth/certificate.hpp"

#include <array>
#include <memory>
#include <utility>

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "auth/openssl.hpp"

namespace earshot::auth {
namespace {

using Certificate = std::unique_ptr<X509, openssl::Free<X509_free>>;

constexpr std::int64_t kDayS = std::int64_t{24} * 3600;

tl::unexpected<Error> unfit(const PemFile& file, const char* why) {
  return fail(ErrorCode::kInvalidArgument, std::string(file.field), file.path + " " + why);
}

Certificate read_certificate(std::string_view pem) {
  const openssl::Bio bio = openssl::reader_of(pem);
  return Certificate(PEM_read_bio_X509(bio.get(), nullptr, openssl::no_password, nullptr));
}

std::string common_name_of(const X509* certificate) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0) return {};
  const ASN1_STRING* name = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(name)),
          static_cast<std::size_t>(ASN1_STRING_length(name))};
}

CertificateFacts facts_of(const X509* certificate) {
  std::array<char, 256> name{};
  X509_NAME_oneline(X509_get_subject_name(certificate), name.data(), static_cast<int>(name.size()));
  CertificateFacts facts{name.data(), common_name_of(certificate), 0};
  int days = 0;
  int seconds = 0;
  const std::unique_ptr<ASN1_TIME, openssl::Free<ASN1_STRING_free>> epoch(ASN1_TIME_set(nullptr, 0));
  if (epoch && ASN1_TIME_diff(&days, &seconds, epoch.get(), X509_get0_notAfter(certificate)) == 1)
    facts.ends_at_s = days * kDayS + seconds;
  return facts;
}

}  // namespace

Result<CertificateFacts> check_pair(const PemFile& certificate_file, const PemFile& key_file) {
  const openssl::CleanErrors clean;
  const openssl::Bio key_bio = openssl::reader_of(key_file.text);
  const Certificate certificate = read_certificate(certificate_file.text);
  const openssl::PKey key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, openssl::no_password, nullptr));
  const bool fit = certificate && key && X509_check_private_key(certificate.get(), key.get()) == 1;
  if (!certificate) return unfit(certificate_file, "holds no certificate in PEM");
  if (!key) return unfit(key_file, "holds no unencrypted private key in PEM");
  if (!fit) return unfit(key_file, "is not the key of the certificate");
  return facts_of(certificate.get());
}

Result<CertificateFacts> check_certificate(const PemFile& file) {
  const openssl::CleanErrors clean;
  const Certificate certificate = read_certificate(file.text);
  if (!certificate) return unfit(file, "holds no certificate in PEM");
  return facts_of(certificate.get());
}

bool names_host(std::string_view certificate_pem, const std::string& host) {
  const openssl::CleanErrors clean;
  const Certificate certificate = read_certificate(certificate_pem);
  return certificate && X509_check_host(certificate.get(), host.data(), host.size(), 0, nullptr) == 1;
}

}  // namespace earshot::auth
