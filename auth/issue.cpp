#include "auth/issue.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "auth/openssl.hpp"

namespace earshot::auth {
namespace {

using Certificate = std::unique_ptr<X509, openssl::Free<X509_free>>;
using Number = std::unique_ptr<BIGNUM, openssl::Free<BN_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, openssl::Free<GENERAL_NAMES_free>>;

constexpr int kSerialBits = 127;            // at least 64 random ones (CA/Browser Forum); positive in 16 bytes
constexpr long kBeforeS = 300;              // clocks of nodes differ a little
constexpr std::size_t kHostBytesMax = 253;  // of a DNS name (RFC 1035)

tl::unexpected<Error> openssl_failed(const char* what) {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  return fail(ErrorCode::kInternal, "", std::string(what) + ": " + text.data());
}

tl::unexpected<Error> refuse(const char* field, std::string why) {
  return fail(ErrorCode::kInvalidArgument, field, std::move(why));
}

template <class Write>
std::string written(Write write) {
  const openssl::Bio bio(BIO_new(BIO_s_mem()));
  if (!bio || write(bio.get()) != 1) return {};
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}
std::string pem_of(X509* certificate) {
  return written([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
}
std::string pem_of(EVP_PKEY* key) {
  return written(
      [&](BIO* bio) { return PEM_write_bio_PKCS8PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr); });
}

Certificate read_certificate(std::string_view pem) {
  const openssl::Bio bio = openssl::reader_of(pem);
  return Certificate(PEM_read_bio_X509(bio.get(), nullptr, openssl::no_password, nullptr));
}

bool draw_serial(X509* certificate) {
  const Number serial(BN_new());
  return serial && BN_rand(serial.get(), kSerialBits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
         BN_set_bit(serial.get(), kSerialBits - 1) == 1 &&
         BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate)) != nullptr;
}

// Signed by nobody yet, and issued by itself.
Certificate begin_certificate(const std::string& name, EVP_PKEY* key, std::uint64_t days) {
  Certificate made(X509_new());
  const auto* common_name = reinterpret_cast<const unsigned char*>(name.data());
  const bool done = made && X509_set_version(made.get(), X509_VERSION_3) == 1 && draw_serial(made.get()) &&
                    X509_gmtime_adj(X509_getm_notBefore(made.get()), -kBeforeS) != nullptr &&
                    X509_time_adj_ex(X509_getm_notAfter(made.get()), static_cast<int>(days), 0, nullptr) != nullptr &&
                    X509_set_pubkey(made.get(), key) == 1 &&
                    X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_UTF8, common_name,
                                               static_cast<int>(name.size()), -1, 0) == 1 &&
                    X509_set_issuer_name(made.get(), X509_get_subject_name(made.get())) == 1;
  return done ? std::move(made) : nullptr;
}

bool extend(X509* certificate, X509* issuer, int what, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, openssl::Free<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool is_address(const std::string& host) {
  in6_addr address{};
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1 || ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

bool is_dns_name(const std::string& host) {
  const auto fits = [](char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9') ||
           letter == '-' || letter == '.';
  };
  return !host.empty() && host.size() <= kHostBytesMax && std::ranges::all_of(host, fits) && host.front() != '.' &&
         host.front() != '-' && host.back() != '-' && host.find("..") == std::string::npos;
}

// In the words of OpenSSL's configuration, which commas and colons steer: only checked names may get there.
Result<std::string> alternative_names(const std::vector<std::string>& hosts) {
  std::string names;
  for (const std::string& host : hosts) {
    const bool address = is_address(host);
    if (!address && !is_dns_name(host)) return refuse("host", "\"" + host + "\" is neither a DNS name nor an address");
    names += (names.empty() ? "" : ",") + std::string(address ? "IP:" : "DNS:") + host;
  }
  return names;
}

std::string text_of(const X509_NAME* name) {
  return written(
      [&](BIO* bio) { return X509_NAME_print_ex(bio, name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB) >= 0; });
}
std::string text_of(const ASN1_TIME* time) {
  return written([&](BIO* bio) { return ASN1_TIME_print(bio, time); });
}

std::string text_of(const GENERAL_NAME* name) {
  int kind = 0;
  const void* value = GENERAL_NAME_get0_value(name, &kind);
  const auto* string = static_cast<const ASN1_STRING*>(value);
  if (kind == GEN_DNS || kind == GEN_URI || kind == GEN_EMAIL)
    return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
            static_cast<std::size_t>(ASN1_STRING_length(string))};
  if (kind != GEN_IPADD) return "(a name of another kind)";
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = ASN1_STRING_length(string) == 4 ? AF_INET : AF_INET6;
  if (family == AF_INET6 && ASN1_STRING_length(string) != 16) return "(no address)";
  ::inet_ntop(family, ASN1_STRING_get0_data(string), text.data(), text.size());
  return text.data();
}

std::string key_text_of(const X509* certificate) {
  const EVP_PKEY* key = X509_get0_pubkey(certificate);
  if (key == nullptr) return "unknown";
  std::array<char, 64> group{};
  std::size_t size = 0;
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
      EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) == 1) {
    const std::string name(group.data());
    return "EC " + (name == "prime256v1" ? std::string("P-256") : name);
  }
  const char* type = EVP_PKEY_get0_type_name(key);
  return std::string(type != nullptr ? type : "unknown") + " " + std::to_string(EVP_PKEY_get_bits(key)) + " bits";
}

}  // namespace

Result<Issued> issue_authority(const std::string& name, std::uint64_t days) {
  const openssl::CleanErrors clean;
  const openssl::PKey key(EVP_EC_gen("P-256"));
  if (!key) return openssl_failed("no key");
  const Certificate made = begin_certificate(name, key.get(), days);
  const bool done = made && extend(made.get(), made.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
                    extend(made.get(), made.get(), NID_key_usage, "critical,keyCertSign,cRLSign") &&
                    extend(made.get(), made.get(), NID_subject_key_identifier, "hash") &&
                    X509_sign(made.get(), key.get(), EVP_sha256()) > 0;
  if (!done) return openssl_failed("no certificate");
  return Issued{pem_of(made.get()), pem_of(key.get())};
}

Result<Issued> issue_node(const Issued& authority, const NodeCertificate& node) {
  const openssl::CleanErrors clean;
  const auto names = alternative_names(node.hosts);
  if (!names) return fail(names.error());
  const Certificate issuer = read_certificate(authority.certificate_pem);
  const openssl::Bio key_bio = openssl::reader_of(authority.key_pem);
  const openssl::PKey issuer_key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, openssl::no_password, nullptr));
  if (!issuer || !issuer_key || X509_check_private_key(issuer.get(), issuer_key.get()) != 1)
    return refuse("ca", "the certificate and the key of the authority do not belong together");
  if (X509_check_ca(issuer.get()) != 1) return refuse("ca", "the certificate is not an authority's");
  const openssl::PKey key(EVP_EC_gen("P-256"));
  if (!key) return openssl_failed("no key");
  const Certificate made = begin_certificate(node.name, key.get(), node.days);
  if (!made) return openssl_failed("no certificate");
  if (ASN1_TIME_compare(X509_get0_notAfter(made.get()), X509_get0_notAfter(issuer.get())) > 0)
    return refuse("days", "the certificate would outlive the authority's, which ends " +
                              text_of(X509_get0_notAfter(issuer.get())));
  const bool done = X509_set_issuer_name(made.get(), X509_get_subject_name(issuer.get())) == 1 &&
                    extend(made.get(), issuer.get(), NID_basic_constraints, "critical,CA:FALSE") &&
                    extend(made.get(), issuer.get(), NID_key_usage, "critical,digitalSignature") &&
                    extend(made.get(), issuer.get(), NID_ext_key_usage, "serverAuth,clientAuth") &&
                    extend(made.get(), issuer.get(), NID_subject_key_identifier, "hash") &&
                    extend(made.get(), issuer.get(), NID_authority_key_identifier, "keyid") &&
                    extend(made.get(), issuer.get(), NID_subject_alt_name, *names) &&
                    X509_sign(made.get(), issuer_key.get(), EVP_sha256()) > 0;
  if (!done) return openssl_failed("no certificate");
  return Issued{pem_of(made.get()), pem_of(key.get())};
}

Result<CertificateText> describe(std::string_view pem) {
  const openssl::CleanErrors clean;
  const Certificate certificate = read_certificate(pem);
  if (!certificate) return refuse("certificate", "there is no certificate in PEM");
  CertificateText text;
  text.subject = text_of(X509_get_subject_name(certificate.get()));
  text.issuer = text_of(X509_get_issuer_name(certificate.get()));
  const Number serial(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate.get()), nullptr));
  char* hex = serial ? BN_bn2hex(serial.get()) : nullptr;
  text.serial = hex != nullptr ? hex : "";
  OPENSSL_free(hex);
  text.begins = text_of(X509_get0_notBefore(certificate.get()));
  text.ends = text_of(X509_get0_notAfter(certificate.get()));
  text.key = key_text_of(certificate.get());
  text.is_authority = X509_check_ca(certificate.get()) == 1;
  const Names names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i)
    text.hosts.push_back(text_of(sk_GENERAL_NAME_value(names.get(), i)));
  return text;
}

}  // namespace earshot::auth
