#include "auth/pem.hpp"

#include <array>
#include <memory>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include "auth/openssl.hpp"
#include "base/limits.hpp"

namespace earshot::auth {
namespace {

constexpr unsigned kRsaBitsNew = 3072;
constexpr std::size_t kP256Bytes = 32;

using openssl::Bio;
using openssl::CleanErrors;
using openssl::Free;
using openssl::PKey;
using PKeyContext = std::unique_ptr<EVP_PKEY_CTX, Free<EVP_PKEY_CTX_free>>;
using Number = std::unique_ptr<BIGNUM, Free<BN_free>>;
using ParamBuilder = std::unique_ptr<OSSL_PARAM_BLD, Free<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Free<OSSL_PARAM_free>>;

tl::unexpected<Error> unfit(std::string why) { return fail(ErrorCode::kInvalidArgument, "", std::move(why)); }
tl::unexpected<Error> failed() {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_peek_last_error(), text.data(), text.size());
  return fail(ErrorCode::kInternal, "", std::string("OpenSSL: ") + text.data());
}

std::string text_of(const Bio& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

Result<KeyPair> to_pem(const PKey& key, bool with_private) {
  KeyPair pair;
  const Bio open(BIO_new(BIO_s_mem()));
  if (!open || PEM_write_bio_PUBKEY(open.get(), key.get()) != 1) return failed();
  pair.public_pem = text_of(open);
  if (!with_private) return pair;
  const Bio secret(BIO_new(BIO_s_secmem()));
  if (!secret || PEM_write_bio_PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return failed();
  pair.private_pem = text_of(secret);
  return pair;
}

// A key of another kind would make the library verify by another algorithm than the one that was meant.
Status check_fit(const PKey& key, Algorithm algorithm) {
  if (algorithm == Algorithm::kRs256) {
    if (EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA) return unfit("is no RSA key");
    if (EVP_PKEY_get_bits(key.get()) < limits::kTokenRsaBitsMin)
      return unfit("has " + std::to_string(EVP_PKEY_get_bits(key.get())) + " bits, the least is " +
                   std::to_string(limits::kTokenRsaBitsMin));
    return {};
  }
  std::array<char, 32> group{};
  if (EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_EC ||
      EVP_PKEY_get_group_name(key.get(), group.data(), group.size(), nullptr) != 1 ||
      std::string_view(group.data()) != SN_X9_62_prime256v1)
    return unfit("is no key on the curve P-256");
  return {};
}

Result<KeyPair> from_params(const char* type, const ParamBuilder& builder, Algorithm algorithm) {
  const Params params(OSSL_PARAM_BLD_to_param(builder.get()));
  const PKeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* raw = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &raw, EVP_PKEY_PUBLIC_KEY, params.get()) != 1)
    return unfit("its numbers make no key");
  const PKey key(raw);
  if (auto fit = check_fit(key, algorithm); !fit) return fail(std::move(fit.error()));
  return to_pem(key, false);
}

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

}  // namespace

Result<KeyPair> read_pem(std::string_view pem, Algorithm algorithm) {
  const CleanErrors clean;
  const bool is_private = pem.find("PRIVATE KEY-----") != std::string_view::npos;
  if (pem.find("-----BEGIN CERTIFICATE") != std::string_view::npos)
    return unfit("is a certificate: give its public key (openssl x509 -pubkey -noout)");
  const Bio bio = openssl::reader_of(pem);
  if (!bio) return failed();
  const PKey key(is_private ? PEM_read_bio_PrivateKey(bio.get(), nullptr, openssl::no_password, nullptr)
                            : PEM_read_bio_PUBKEY(bio.get(), nullptr, openssl::no_password, nullptr));
  if (!key) return unfit("is neither a public nor an unencrypted private key in PEM");
  if (auto fit = check_fit(key, algorithm); !fit) return fail(std::move(fit.error()));
  return to_pem(key, is_private);
}

Result<KeyPair> rsa_key(std::string_view n, std::string_view e) {
  const CleanErrors clean;
  const Number modulus(BN_bin2bn(bytes_of(n), static_cast<int>(n.size()), nullptr));
  const Number exponent(BN_bin2bn(bytes_of(e), static_cast<int>(e.size()), nullptr));
  const ParamBuilder builder(OSSL_PARAM_BLD_new());
  if (!builder || !modulus || !exponent ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) != 1)
    return failed();
  return from_params("RSA", builder, Algorithm::kRs256);
}

Result<KeyPair> p256_key(std::string_view x, std::string_view y) {
  const CleanErrors clean;
  if (x.size() != kP256Bytes || y.size() != kP256Bytes) return unfit("x and y must have 32 bytes each");
  std::string point(1, static_cast<char>(POINT_CONVERSION_UNCOMPRESSED));
  point += x;
  point += y;
  const ParamBuilder builder(OSSL_PARAM_BLD_new());
  if (!builder ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, SN_X9_62_prime256v1, 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) != 1)
    return failed();
  return from_params("EC", builder, Algorithm::kEs256);
}

Result<KeyPair> generate(Algorithm algorithm) {
  const CleanErrors clean;
  const PKey key(algorithm == Algorithm::kRs256 ? EVP_RSA_gen(kRsaBitsNew) : EVP_EC_gen(SN_X9_62_prime256v1));
  if (!key) return failed();
  return to_pem(key, true);
}

Result<std::string> random_bytes(std::size_t count) {
  const CleanErrors clean;
  std::string bytes(count, '\0');
  if (RAND_priv_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) != 1) return failed();
  return bytes;
}

}  // namespace earshot::auth
