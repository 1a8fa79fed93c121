#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

// The keys that tokens are signed with, and the files that hold them: JSON Web Key Sets (RFC 7517) as identity
// providers publish them, with one addition: a key may also be given as PEM text.
//
//   {"keys": [{"kid": "a", "alg": "HS256", "kty": "oct", "k": "…base64url…"},
//             {"kid": "b", "alg": "RS256", "kty": "RSA", "n": "…", "e": "AQAB"},
//             {"kid": "c", "alg": "ES256", "pem": "-----BEGIN PUBLIC KEY-----\n…"}]}
namespace earshot::auth {

enum class Algorithm : std::uint8_t {
  kHs256,  // HMAC with SHA-256: who verifies can also sign
  kRs256,  // RSA, PKCS #1 v1.5, SHA-256; 2048 bits or more
  kEs256,  // ECDSA on P-256, SHA-256
};
std::string_view name_of(Algorithm algorithm);
Result<Algorithm> parse_algorithm(std::string_view name);

// A key is for one algorithm: what a token says of itself never chooses another one.
struct Key {
  std::string id;  // "kid"
  Algorithm algorithm = Algorithm::kHs256;
  std::string secret;       // HS256: the bytes that both sides share
  std::string public_pem;   // the others: what verifies …
  std::string private_pem;  // … and what signs; empty at who only verifies

  [[nodiscard]] bool can_sign() const { return !secret.empty() || !private_pem.empty(); }
};

// The keys of one file.
class KeySet {
 public:
  KeySet() = default;
  // kInvalidArgument(jwt_keys), naming what is at fault and never a secret, when nothing in it can be used. Keys that
  // are not for signatures ("use": "enc") are none of ours; others that cannot be used here, which an identity provider
  // may publish beside those that can, are passed over too, and remembered.
  static Result<KeySet> parse(std::string_view json);
  static Result<KeySet> read(const std::string& path);

  // nullptr: there is no such key.
  [[nodiscard]] const Key* find(std::string_view id) const;
  [[nodiscard]] std::span<const Key> keys() const { return keys_; }
  // The keys that cannot be used here: which it is, and why.
  [[nodiscard]] std::span<const std::string> passed_over() const { return passed_over_; }

 private:
  std::vector<Key> keys_;
  std::vector<std::string> passed_over_;
};

// A new key from the system's source of secrets.
Result<Key> new_key(Algorithm algorithm, std::string id);

// A key file. With `public_only` what a node needs to verify; a shared secret has no public half and is
// kInvalidArgument(key) then.
Result<std::string> to_json(std::span<const Key> keys, bool public_only = false);

}  // namespace earshot::auth
