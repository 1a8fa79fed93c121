#pragma once

#include <array>
#include <string>
#include <string_view>

#include <openssl/evp.h>
#include <openssl/hmac.h>

// Tokens with any header and any claims, for tests: what an attacker or a careless issuer could make.
namespace earshot::tests {

inline std::string base64url(std::string_view bytes) {
  std::string text(bytes.size() * 4 / 3 + 8, '\0');
  const int size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  while (!text.empty() && text.back() == '=') text.pop_back();
  for (char& digit : text) digit = digit == '+' ? '-' : digit == '/' ? '_' : digit;
  return text;
}

inline std::string hmac_sha256(std::string_view secret, std::string_view text) {
  std::array<unsigned char, 32> mac{};
  unsigned size = mac.size();
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac.data(), &size);
  return {reinterpret_cast<const char*>(mac.data()), size};
}

inline std::string forge(std::string_view header, std::string_view claims, std::string_view secret) {
  const std::string text = base64url(header) + "." + base64url(claims);
  return text + "." + base64url(hmac_sha256(secret, text));
}

}  // namespace earshot::tests
