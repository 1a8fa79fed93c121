#include "auth/token.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <utility>

#include <jwt.h>
#include <openssl/err.h>

#include "auth/base64url.hpp"
#include "auth/json.hpp"

namespace earshot::auth {
namespace {

struct FreeToken {
  void operator()(jwt_t* token) const { jwt_free(token); }
};
using Token = std::unique_ptr<jwt_t, FreeToken>;

tl::unexpected<Error> refuse(std::string why) { return fail(ErrorCode::kUnauthenticated, "token", std::move(why)); }

jwt_alg_t library_algorithm(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kHs256: return JWT_ALG_HS256;
    case Algorithm::kRs256: return JWT_ALG_RS256;
    case Algorithm::kEs256: return JWT_ALG_ES256;
  }
  return JWT_ALG_INVAL;
}

struct Parts {
  std::string header;
  std::string claims;
};

// Header and claims as texts, by the letter of RFC 7515: three parts in base64url. The library is more lenient.
std::optional<Parts> parts_of(std::string_view token) {
  const std::size_t first = token.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = token.find('.', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  auto header = from_base64url(token.substr(0, first));
  auto claims = from_base64url(token.substr(first + 1, second - first - 1));
  const auto signature = from_base64url(token.substr(second + 1));  // which holds no dot, so there is no fourth part
  if (!header || !claims || !signature) return std::nullopt;
  return Parts{std::move(*header), std::move(*claims)};
}

std::optional<std::string> text_of(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

// The key that the header names, if that key is for the algorithm that the header claims.
Result<const Key*> key_for(const std::string& header_text, const KeySet& keys) {
  const auto header = parse_object(header_text);
  if (!header) return refuse("its header is no JSON object, or says a thing twice");
  if (header->contains("crit")) return refuse("its header asks for an extension (crit) that is not known here");
  const auto id = text_of(*header, "kid");
  if (!id) return refuse("its header names no key (kid)");
  const auto algorithm = text_of(*header, "alg");
  if (!algorithm) return refuse("its header names no algorithm (alg)");
  const Key* key = keys.find(*id);
  if (key == nullptr) return refuse("it is signed with a key (kid) that this node does not know");
  if (*algorithm != name_of(key->algorithm))
    return refuse("its algorithm (alg) is not that of the key which it names, " + std::string(name_of(key->algorithm)));
  return key;
}

bool has_good_signature(const std::string& token, const Key& key) {
  const std::string& secret = key.algorithm == Algorithm::kHs256 ? key.secret : key.public_pem;
  jwt_t* raw = nullptr;
  const int status = jwt_decode(&raw, token.c_str(), reinterpret_cast<const unsigned char*>(secret.data()),
                                static_cast<int>(secret.size()));
  const Token decoded(raw);
  // OpenSSL's errors stay in a queue of the thread, where a TLS connection would find them and fail.
  ERR_clear_error();
  return status == 0 && decoded && jwt_get_alg(decoded.get()) == library_algorithm(key.algorithm);
}

// A NumericDate of RFC 7519 in whole seconds; fractions are dropped.
Result<std::optional<std::uint64_t>> date_of(const Json& claims, const char* name) {
  const auto found = claims.find(name);
  if (found == claims.end()) return std::nullopt;
  if (!found->is_number()) return refuse(std::string("its ") + name + " is no number");
  const double seconds = found->get<double>();
  if (!(seconds >= 0) || seconds > static_cast<double>(limits::kTokenTimeSMax))
    return refuse(std::string("its ") + name + " is out of range");
  return static_cast<std::uint64_t>(seconds);
}

Status check_audience(const Json& claims, const std::string& audience) {
  if (audience.empty()) return {};
  const auto found = claims.find("aud");
  if (found != claims.end()) {
    if (found->is_string() && found->get<std::string>() == audience) return {};
    if (found->is_array() && std::ranges::any_of(*found, [&](const Json& one) { return one == audience; })) return {};
  }
  return refuse("it is not for this audience (aud), " + audience);
}

Result<Role> role_of(const Json& claims) {
  if (!claims.contains("role")) return Role::kUser;
  const auto name = text_of(claims, "role");
  for (const Role role : {Role::kUser, Role::kService, Role::kOperator})
    if (name && *name == name_of(role)) return role;
  return refuse("its role must be user, service or operator");
}

Result<Identity> identity_of(const Json& claims, const TokenRules& rules, std::uint64_t now_ms) {
  const auto expiry_s = date_of(claims, "exp");
  if (!expiry_s) return fail(expiry_s.error());
  const auto beginning_s = date_of(claims, "nbf");
  if (!beginning_s) return fail(beginning_s.error());
  Identity identity;
  if (*expiry_s) {
    identity.expires_at_ms = **expiry_s * 1'000 + rules.leeway_ms;
    if (now_ms >= identity.expires_at_ms) return refuse("it has expired");
  } else if (rules.require_expiry) {
    return refuse("it has no end (exp)");
  }
  if (*beginning_s && now_ms + rules.leeway_ms < **beginning_s * 1'000) return refuse("it is not valid yet (nbf)");
  if (auto meant = check_audience(claims, rules.audience); !meant) return fail(std::move(meant.error()));
  if (!rules.issuer.empty() && text_of(claims, "iss") != rules.issuer)
    return refuse("it was not made by the issuer (iss) that this node trusts");
  const auto role = role_of(claims);
  if (!role) return fail(role.error());
  identity.role = *role;
  const auto subject = text_of(claims, "sub");
  if (!subject) return refuse("it names no user (sub)");
  auto user = UserId::parse(*subject, "sub");
  if (!user) return refuse("its user (sub) " + user.error().detail);
  identity.user = std::move(*user);
  return identity;
}

}  // namespace

Result<Identity> verify(std::string_view token, const KeySet& keys, const TokenRules& rules, std::uint64_t now_ms) {
  if (token.size() > limits::kTokenBytesMax)
    return refuse("it has " + std::to_string(token.size()) + " bytes, the limit is " +
                  std::to_string(limits::kTokenBytesMax));
  const auto parts = parts_of(token);
  if (!parts) return refuse("it is no JSON Web Token");
  const auto key = key_for(parts->header, keys);
  if (!key) return fail(key.error());
  if (!has_good_signature(std::string(token), **key)) return refuse("its signature is wrong");
  const auto claims = parse_object(parts->claims);
  if (!claims) return refuse("its claims are no JSON object, or say a thing twice");
  return identity_of(*claims, rules, now_ms);
}

Result<std::string> sign(const Claims& claims, const Key& key) {
  if (!key.can_sign()) return fail(ErrorCode::kInvalidArgument, "key", "\"" + key.id + "\" is a public key");
  Json json{{"sub", claims.user.text()}, {"role", name_of(claims.role)}, {"iat", claims.issued_at_s}};
  if (claims.expires_at_s) json["exp"] = *claims.expires_at_s;
  if (!claims.audience.empty()) json["aud"] = claims.audience;
  if (!claims.issuer.empty()) json["iss"] = claims.issuer;
  const std::string& secret = key.algorithm == Algorithm::kHs256 ? key.secret : key.private_pem;
  jwt_t* raw = nullptr;
  if (jwt_new(&raw) != 0) return fail(ErrorCode::kInternal, "", "no memory for a token");
  const Token token(raw);
  const auto* bytes = reinterpret_cast<const unsigned char*>(secret.data());
  char* text = nullptr;
  if (jwt_add_header(raw, "kid", key.id.c_str()) == 0 && jwt_add_grants_json(raw, json.dump().c_str()) == 0 &&
      jwt_set_alg(raw, library_algorithm(key.algorithm), bytes, static_cast<int>(secret.size())) == 0)
    text = jwt_encode_str(raw);
  ERR_clear_error();
  if (text == nullptr) return fail(ErrorCode::kInternal, "", "the token cannot be signed");
  std::string made(text);
  std::free(text);
  return made;
}

Result<TokenText> decode(std::string_view token) {
  const auto parts = parts_of(token);
  const auto header = parts ? parse_object(parts->header) : std::nullopt;
  const auto claims = parts ? parse_object(parts->claims) : std::nullopt;
  if (!header || !claims) return fail(ErrorCode::kInvalidArgument, "token", "is no JSON Web Token");
  return TokenText{header->dump(2), claims->dump(2)};
}

}  // namespace earshot::auth
