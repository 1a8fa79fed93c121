#include "auth/keys.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "auth/base64url.hpp"
#include "auth/json.hpp"
#include "auth/pem.hpp"
#include "auth/secret_file.hpp"
#include "base/ids.hpp"
#include "base/limits.hpp"

namespace earshot::auth {
namespace {

struct AlgorithmName {
  Algorithm algorithm;
  std::string_view name;
  std::string_view key_type;  // "kty"
};
constexpr std::array kAlgorithms{AlgorithmName{Algorithm::kHs256, "HS256", "oct"},
                                 AlgorithmName{Algorithm::kRs256, "RS256", "RSA"},
                                 AlgorithmName{Algorithm::kEs256, "ES256", "EC"}};

tl::unexpected<Error> refuse(std::string why) { return fail(ErrorCode::kInvalidArgument, "jwt_keys", std::move(why)); }

// A member that is a text, "" when there is none. Nothing when it is something else.
std::optional<std::string> text_of(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end()) return std::string();
  if (!found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

std::optional<std::string> bytes_of(const Json& object, const char* name) {
  const auto text = text_of(object, name);
  if (!text || text->empty()) return std::nullopt;
  return from_base64url(*text);
}

Result<Algorithm> algorithm_of(const Json& object) {
  const auto name = text_of(object, "alg");
  const auto type = text_of(object, "kty");
  if (!name || !type) return fail(ErrorCode::kInvalidArgument, "", "\"alg\" and \"kty\" must be texts");
  for (const AlgorithmName& known : kAlgorithms) {
    const bool named = known.name == *name;
    const bool typed = known.key_type == *type;
    if (named && !typed && !type->empty())
      return fail(ErrorCode::kInvalidArgument, "", "\"kty\" does not fit to \"alg\"");
    if (named || (name->empty() && typed)) return known.algorithm;
  }
  return fail(ErrorCode::kInvalidArgument, "", "\"alg\" must be one of HS256, RS256, ES256");
}

Status read_secret(const Json& object, Key& key) {
  auto secret = bytes_of(object, "k");
  if (!secret) return fail(ErrorCode::kInvalidArgument, "", "\"k\" must be a secret in base64url");
  if (secret->size() < limits::kTokenSecretBytesMin)
    return fail(ErrorCode::kInvalidArgument, "",
                "\"k\" has " + std::to_string(secret->size()) + " bytes, the least is " +
                    std::to_string(limits::kTokenSecretBytesMin));
  key.secret = std::move(*secret);
  return {};
}

Status read_pair(const Json& object, Key& key) {
  const auto pem = text_of(object, "pem");
  Result<KeyPair> pair = fail(ErrorCode::kInvalidArgument, "", "");
  if (pem && !pem->empty()) {
    pair = read_pem(*pem, key.algorithm);
  } else if (key.algorithm == Algorithm::kRs256) {
    const auto n = bytes_of(object, "n");
    const auto e = bytes_of(object, "e");
    if (!n || !e) return fail(ErrorCode::kInvalidArgument, "", "needs \"pem\", or \"n\" and \"e\" in base64url");
    pair = rsa_key(*n, *e);
  } else {
    const auto curve = text_of(object, "crv");
    if (!curve || (!curve->empty() && *curve != "P-256"))
      return fail(ErrorCode::kInvalidArgument, "", "\"crv\" must be P-256");
    const auto x = bytes_of(object, "x");
    const auto y = bytes_of(object, "y");
    if (!x || !y) return fail(ErrorCode::kInvalidArgument, "", "needs \"pem\", or \"x\" and \"y\" in base64url");
    pair = p256_key(*x, *y);
  }
  if (!pair) return fail(std::move(pair.error()));
  key.public_pem = std::move(pair->public_pem);
  key.private_pem = std::move(pair->private_pem);
  return {};
}

Result<Key> read_key(const Json& object) {
  Key key;
  const auto id = text_of(object, "kid");
  if (!id || !check_name(*id, "kid")) return fail(ErrorCode::kInvalidArgument, "", "\"kid\" must name it");
  key.id = *id;
  const auto algorithm = algorithm_of(object);
  if (!algorithm) return fail(algorithm.error());
  key.algorithm = *algorithm;
  const Status read = key.algorithm == Algorithm::kHs256 ? read_secret(object, key) : read_pair(object, key);
  if (!read) return fail(read.error());
  return key;
}

// "key 3", and its name where it has one that can be shown.
std::string place_of(const Json& object, std::size_t index) {
  const auto id = text_of(object, "kid");
  const std::string place = "key " + std::to_string(index + 1);
  return id && check_name(*id, "kid") ? place + " (\"" + *id + "\")" : place;
}

}  // namespace

std::string_view name_of(Algorithm algorithm) {
  return std::ranges::find(kAlgorithms, algorithm, &AlgorithmName::algorithm)->name;
}

Result<Algorithm> parse_algorithm(std::string_view name) {
  const auto found = std::ranges::find(kAlgorithms, name, &AlgorithmName::name);
  if (found == kAlgorithms.end()) return fail(ErrorCode::kInvalidArgument, "alg", "must be one of HS256, RS256, ES256");
  return found->algorithm;
}

Result<KeySet> KeySet::parse(std::string_view text) {
  const auto json = parse_object(text);
  if (!json) return refuse("is no JSON object");
  const auto keys = json->find("keys");
  if (keys == json->end() || !keys->is_array()) return refuse("must hold \"keys\": [...]");
  if (keys->size() > limits::kTokenKeysMax)
    return refuse("holds " + std::to_string(keys->size()) + " keys, the limit is " +
                  std::to_string(limits::kTokenKeysMax));
  KeySet set;
  for (std::size_t i = 0; i < keys->size(); ++i) {
    const Json& object = (*keys)[i];
    if (!object.is_object()) return refuse("key " + std::to_string(i + 1) + " is no object");
    const auto use = text_of(object, "use");
    if (use && !use->empty() && *use != "sig") continue;
    auto key = read_key(object);
    if (key && set.find(key->id) != nullptr)
      key = fail(ErrorCode::kInvalidArgument, "", "\"kid\" is taken by an earlier one");
    if (key)
      set.keys_.push_back(std::move(*key));
    else  // RFC 7517 §5: what is not understood in a set is ignored
      set.passed_over_.push_back(place_of(object, i) + ": " + key.error().detail);
  }
  if (!set.keys_.empty()) return set;
  if (set.passed_over_.empty()) return refuse("holds no key");
  return refuse("holds no key that can be used; " + set.passed_over_.front());
}

Result<KeySet> KeySet::read(const std::string& path) {
  auto file = read_secret_file(path, "jwt_keys");
  if (!file) return fail(std::move(file.error()));
  auto set = parse(file->text);
  if (!set) set.error().detail = path + ": " + set.error().detail;
  return set;
}

const Key* KeySet::find(std::string_view id) const {
  const auto found = std::ranges::find(keys_, id, &Key::id);
  return found == keys_.end() ? nullptr : &*found;
}

Result<Key> new_key(Algorithm algorithm, std::string id) {
  if (auto named = check_name(id, "kid"); !named) return fail(std::move(named.error()));
  Key key{std::move(id), algorithm, {}, {}, {}};
  if (algorithm == Algorithm::kHs256) {
    auto secret = random_bytes(limits::kTokenSecretBytesMin);
    if (!secret) return fail(std::move(secret.error()));
    key.secret = std::move(*secret);
    return key;
  }
  auto pair = generate(algorithm);
  if (!pair) return fail(std::move(pair.error()));
  key.public_pem = std::move(pair->public_pem);
  key.private_pem = std::move(pair->private_pem);
  return key;
}

Result<std::string> to_json(std::span<const Key> keys, bool public_only) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Key& key : keys) {
    const auto name = std::ranges::find(kAlgorithms, key.algorithm, &AlgorithmName::algorithm);
    nlohmann::ordered_json object{{"kid", key.id}, {"alg", name->name}, {"kty", name->key_type}};
    if (key.algorithm == Algorithm::kHs256) {
      if (public_only)
        return fail(ErrorCode::kInvalidArgument, "key",
                    "\"" + key.id + "\" is a shared secret (HS256): it has no public half");
      object["k"] = to_base64url(key.secret);
    } else {
      object["pem"] = public_only || key.private_pem.empty() ? key.public_pem : key.private_pem;
    }
    list.push_back(std::move(object));
  }
  return nlohmann::ordered_json{{"keys", std::move(list)}}.dump(2) + "\n";
}

}  // namespace earshot::auth
