#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "auth/keys.hpp"
#include "base/error.hpp"
#include "base/ids.hpp"
#include "base/limits.hpp"
#include "schema/messages.hpp"

// Login tokens: JSON Web Tokens (RFC 7519) signed by one of a set of keys.
//
//   header  kid    names the key; the key alone decides the algorithm
//   claims  sub    the user (required)
//           exp    when it ends (required unless the rules say otherwise), nbf: when it begins
//           aud    a text or a list of texts, one of which must be ours, if we have a name
//           iss    who made it; must be ours, if one is set
//           role   "user" (default), "service" or "operator"
namespace earshot::auth {

struct TokenRules {
  std::string audience;  // "": any
  std::string issuer;    // "": any
  bool require_expiry = true;
  std::uint64_t leeway_ms = std::uint64_t{limits::kJwtLeewaySDefault} * 1'000;  // for clocks that are apart
};

// Whom the token proves its holder to be; expires_at_ms includes the leeway. `now_ms` is the wall clock.
// kUnauthenticated(token) with a reason that tells the holder of an honest token what is wrong with it, and nothing of
// the keys.
Result<Identity> verify(std::string_view token, const KeySet& keys, const TokenRules& rules, std::uint64_t now_ms);

struct Claims {
  UserId user;
  Role role = Role::kUser;
  std::uint64_t issued_at_s = 0;  // wall clock
  std::optional<std::uint64_t> expires_at_s = {};
  std::string audience = {};  // "": none
  std::string issuer = {};    // "": none
};

// kInvalidArgument(key) when the key cannot sign.
Result<std::string> sign(const Claims& claims, const Key& key);

// What a token says, as two JSON texts; nothing of it is verified. kInvalidArgument(token) when it is no JWT.
struct TokenText {
  std::string header;
  std::string claims;
};
Result<TokenText> decode(std::string_view token);

}  // namespace earshot::auth
