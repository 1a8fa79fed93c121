#pragma once

#include <string>
#include <string_view>

#include "auth/keys.hpp"
#include "base/error.hpp"

// Private to auth/: asymmetric keys, by OpenSSL. Every function leaves OpenSSL's queue of errors empty, which TLS
// connections on the same thread would take for their own. Errors are kInvalidArgument without a field.
namespace earshot::auth {

struct KeyPair {
  std::string public_pem;
  std::string private_pem;  // empty when only the public half was given
};

// Reads a public or an unencrypted private key, which must be fit for the algorithm.
Result<KeyPair> read_pem(std::string_view pem, Algorithm algorithm);
// From the numbers of a JSON Web Key, big-endian bytes.
Result<KeyPair> rsa_key(std::string_view n, std::string_view e);
Result<KeyPair> p256_key(std::string_view x, std::string_view y);

Result<KeyPair> generate(Algorithm algorithm);
// kInternal when the system has none to give.
Result<std::string> random_bytes(std::size_t count);

}  // namespace earshot::auth
