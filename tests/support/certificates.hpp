#pragma once

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

// Certificates that a test makes for itself: an authority, and servers that it vouches for.
namespace earshot::tests {

struct Issued {
  std::string certificate_pem;
  std::string key_pem;
};

class Authority {
 public:
  Authority() : key_(EVP_EC_gen("P-256")), certificate_(make("authority", key_.get(), -3'600, 3'600 * 24 * 30)) {
    extend(certificate_.get(), certificate_.get(), NID_basic_constraints, "critical,CA:TRUE");
    X509_sign(certificate_.get(), key_.get(), EVP_sha256());
  }

  [[nodiscard]] std::string pem() const { return pem_of(certificate_.get()); }

  // For a server of this name, valid between these two times from now; with another common name if there is one.
  [[nodiscard]] Issued issue(const std::string& name, long begins_in_s = -3'600, long ends_in_s = 3'600,
                             const std::string& common_name = {}) const {
    const Key key(EVP_EC_gen("P-256"));
    const Certificate made = make(common_name.empty() ? name : common_name, key.get(), begins_in_s, ends_in_s);
    X509_set_issuer_name(made.get(), X509_get_subject_name(certificate_.get()));
    extend(made.get(), certificate_.get(), NID_subject_alt_name, "DNS:" + name);
    X509_sign(made.get(), key_.get(), EVP_sha256());
    return {pem_of(made.get()), pem_of(key.get())};
  }

 private:
  struct FreeKey {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  };
  struct FreeCertificate {
    void operator()(X509* certificate) const { X509_free(certificate); }
  };
  using Key = std::unique_ptr<EVP_PKEY, FreeKey>;
  using Certificate = std::unique_ptr<X509, FreeCertificate>;

  // Signed by nobody yet.
  static Certificate make(const std::string& name, EVP_PKEY* key, long begins_in_s, long ends_in_s) {
    Certificate made(X509_new());
    static long serial = 0;
    X509_set_version(made.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), begins_in_s);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), ends_in_s);
    X509_set_pubkey(made.get(), key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(made.get(), X509_get_subject_name(made.get()));
    return made;
  }

  static void extend(X509* certificate, X509* issuer, int what, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str());
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }

  template <class Write>
  static std::string written(Write write) {
    BIO* bio = BIO_new(BIO_s_mem());
    write(bio);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    std::string text(data, static_cast<std::size_t>(size));
    BIO_free(bio);
    return text;
  }
  static std::string pem_of(X509* certificate) {
    return written([&](BIO* bio) { PEM_write_bio_X509(bio, certificate); });
  }
  static std::string pem_of(EVP_PKEY* key) {
    return written([&](BIO* bio) { PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr); });
  }

  const Key key_;
  const Certificate certificate_;
};

// For its owner alone, as keys want it.
inline void write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  using std::filesystem::perms;
  std::filesystem::permissions(path, perms::owner_read | perms::owner_write);
  file << text;
}

}  // namespace earshot::tests
