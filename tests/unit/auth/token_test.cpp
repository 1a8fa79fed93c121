#include "auth/token.hpp"

#include <gtest/gtest.h>
#include <openssl/err.h>

#include "auth/base64url.hpp"
#include "tests/support/forged_token.hpp"

namespace earshot::auth {
namespace {

using tests::base64url;
using tests::forge;

constexpr std::uint64_t kNowS = 1'800'000'000;
constexpr std::uint64_t kNowMs = kNowS * 1'000;
const std::string kSecret(32, 'k');
const std::string kHeader = R"({"alg":"HS256","kid":"shared","typ":"JWT"})";
const std::string kGood = R"({"sub":"alice","exp":1800000300})";

const Key& rsa() {
  static const Key key = new_key(Algorithm::kRs256, "rsa").value();
  return key;
}
const Key& curve() {
  static const Key key = new_key(Algorithm::kEs256, "curve").value();
  return key;
}

// What the node has: a shared secret, and the public halves of two pairs.
const KeySet& keys() {
  static const KeySet set = [] {
    std::vector<Key> all{Key{"shared", Algorithm::kHs256, kSecret, {}, {}}, rsa(), curve()};
    all[1].private_pem.clear();
    all[2].private_pem.clear();
    return KeySet::parse(to_json(all).value()).value();
  }();
  return set;
}

Result<Identity> check(const std::string& token, const TokenRules& rules = {}, std::uint64_t now_ms = kNowMs) {
  return verify(token, keys(), rules, now_ms);
}

// The reason why it is refused, "" when it is not.
std::string refusal(const std::string& token, const TokenRules& rules = {}, std::uint64_t now_ms = kNowMs) {
  const auto identity = check(token, rules, now_ms);
  if (identity) return "";
  EXPECT_EQ(identity.error().code, ErrorCode::kUnauthenticated) << identity.error().to_string();
  EXPECT_EQ(identity.error().field, "token");
  return identity.error().detail;
}

std::string refusal_of_claims(const std::string& claims, const TokenRules& rules = {}) {
  return refusal(forge(kHeader, claims, kSecret), rules);
}

#define EXPECT_SAYS(text, part) EXPECT_NE((text).find(part), std::string::npos) << "it says: \"" << (text) << "\""

TEST(Token, EveryAlgorithmSignsWhatItVerifies) {
  Claims claims{UserId::trusted("alice"), Role::kService, kNowS, kNowS + 300};
  for (const Key& key : {Key{"shared", Algorithm::kHs256, kSecret, {}, {}}, rsa(), curve()}) {
    const auto token = sign(claims, key);
    ASSERT_TRUE(token) << token.error().to_string();
    const auto identity = check(*token);
    ASSERT_TRUE(identity) << key.id << ": " << identity.error().to_string();
    EXPECT_EQ(identity->user.text(), "alice");
    EXPECT_EQ(identity->role, Role::kService);
    EXPECT_EQ(identity->expires_at_ms, kNowMs + 300'000 + 60'000) << "the leeway is part of it";
  }
}

TEST(Token, WhatTheLibraryDidNotMakeIsReadAlike) {
  const auto identity = check(forge(kHeader, kGood, kSecret));
  ASSERT_TRUE(identity) << identity.error().to_string();
  EXPECT_EQ(identity->user.text(), "alice");
  EXPECT_EQ(identity->role, Role::kUser);
}

TEST(Token, WithoutAlgorithmItIsRefusedWhateverItClaims) {
  for (const char* name : {"none", "None", "NONE", "nOnE", ""}) {
    const std::string header = std::string(R"({"alg":")") + name + R"(","kid":"shared"})";
    EXPECT_SAYS(refusal(base64url(header) + "." + base64url(kGood) + "."), "algorithm") << name;
    EXPECT_SAYS(refusal(forge(header, kGood, kSecret)), "algorithm") << name;
    EXPECT_SAYS(refusal(forge(header, kGood, "")), "algorithm") << name;
  }
  EXPECT_SAYS(refusal(base64url(kHeader) + "." + base64url(kGood) + "."), "signature");
}

// The classic: the public key, which everybody has, taken for the secret of an HMAC.
TEST(Token, APublicKeyIsNoSharedSecret) {
  for (const char* kid : {"rsa", "curve"}) {
    const std::string header = std::string(R"({"alg":"HS256","kid":")") + kid + R"("})";
    EXPECT_SAYS(refusal(forge(header, kGood, keys().find(kid)->public_pem)), "algorithm (alg) is not that of the key");
  }
}

TEST(Token, TheKeyChoosesTheAlgorithmAndNotTheToken) {
  for (const char* name : {"HS384", "HS512", "RS256", "RS512", "ES256", "PS256", "EdDSA", "hs256", "HS256 "}) {
    const std::string header = std::string(R"({"alg":")") + name + R"(","kid":"shared"})";
    EXPECT_SAYS(refusal(forge(header, kGood, kSecret)), "algorithm") << name;
  }
}

TEST(Token, AKeyThatIsNotKnownOrNotNamedIsRefused) {
  EXPECT_SAYS(refusal(forge(R"({"alg":"HS256","kid":"other"})", kGood, kSecret)), "does not know");
  EXPECT_SAYS(refusal(forge(R"({"alg":"HS256"})", kGood, kSecret)), "names no key");
  EXPECT_SAYS(refusal(forge(R"({"alg":"HS256","kid":7})", kGood, kSecret)), "names no key");
  EXPECT_SAYS(refusal(forge(R"({"alg":"HS256","kid":["shared"]})", kGood, kSecret)), "names no key");
  EXPECT_SAYS(refusal(forge(R"({"kid":"shared"})", kGood, kSecret)), "names no algorithm");
}

TEST(Token, AKeyInsideTheTokenIsNotUsed) {
  const std::string header = R"({"alg":"HS256","kid":"shared","jwk":{"kty":"oct","k":")" + base64url("mine") + R"("}})";
  EXPECT_SAYS(refusal(forge(header, kGood, "mine")), "signature");
}

TEST(Token, AnExtensionThatMustBeUnderstoodIsRefused) {
  EXPECT_SAYS(refusal(forge(R"({"alg":"HS256","kid":"shared","crit":["b64"],"b64":false})", kGood, kSecret)), "crit");
}

TEST(Token, ABadSignatureIsRefused) {
  const std::string good = forge(kHeader, kGood, kSecret);
  ASSERT_EQ(refusal(good), "");
  EXPECT_SAYS(refusal(forge(kHeader, kGood, std::string(32, 'x'))), "signature");
  EXPECT_SAYS(refusal(forge(kHeader, kGood, "")), "signature");
  // Another user under the same signature.
  const std::string signature = good.substr(good.rfind('.'));
  const std::string claims = R"({"sub":"admin","exp":1800000300})";
  EXPECT_SAYS(refusal(base64url(kHeader) + "." + base64url(claims) + signature), "signature");
  // One bit of each byte of the signature.
  const std::string bytes = from_base64url(signature.substr(1)).value();
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string altered = bytes;
    altered[i] = static_cast<char>(altered[i] ^ 1);
    EXPECT_SAYS(refusal(good.substr(0, good.rfind('.') + 1) + base64url(altered)), "signature");
  }
}

TEST(Token, ABadSignatureOfAKeyPairIsRefused) {
  const Claims claims{UserId::trusted("alice"), Role::kUser, kNowS, kNowS + 300};
  for (const Key& key : {rsa(), curve()}) {
    const std::string good = sign(claims, key).value();
    Key other = new_key(key.algorithm, key.id).value();
    EXPECT_SAYS(refusal(sign(claims, other).value()), "signature") << key.id;
    std::string altered = good;
    altered[altered.rfind('.') + 20] ^= 1;
    EXPECT_NE(refusal(altered), "") << key.id;
    EXPECT_SAYS(refusal(good.substr(0, good.rfind('.') + 1) + "AAAA"), "signature") << key.id;
    EXPECT_SAYS(refusal(good.substr(0, good.rfind('.') + 1)), "signature") << key.id;
  }
}

// They stay in a queue of the thread, and TLS connections of the same thread take what they find there for their own.
TEST(Token, NoErrorIsLeftInTheCryptographicLibrary) {
  const Claims claims{UserId::trusted("alice"), Role::kUser, kNowS, kNowS + 300};
  for (const Key& key : {rsa(), curve()}) {
    const std::string good = sign(claims, key).value();
    for (const std::string& end : {std::string("AAAA"), std::string(342, 'A'), std::string(86, 'A'), std::string()}) {
      EXPECT_NE(refusal(good.substr(0, good.rfind('.') + 1) + end), "");
      EXPECT_EQ(ERR_peek_error(), 0u) << key.id << " " << end.size();
    }
  }
  EXPECT_FALSE(KeySet::parse(R"({"keys":[{"kid":"a","alg":"RS256","pem":"-----BEGIN PUBLIC KEY-----\nAAAA"}]})"));
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(Token, WhatIsNoTokenIsRefusedAndHarmsNothing) {
  const std::string good = forge(kHeader, kGood, kSecret);
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT_NE(refusal(good.substr(0, size)), "") << size;
  for (const std::string& text :
       {std::string(), std::string("."), std::string(".."), std::string("..."), std::string("alice"), good + ".",
        good + "=", " " + good, good + "\n", good + std::string(1, '\0'), std::string(1, '\0') + good,
        std::string(5'000, '.'), std::string("\xff\xfe.\xff.\xff"), good + good,
        base64url(kHeader) + ".." + base64url("x"), base64url("[]") + "." + base64url(kGood) + ".AAAA",
        base64url("{") + "." + base64url(kGood) + ".AAAA"})
    EXPECT_NE(refusal(text), "") << text.substr(0, 40);
}

TEST(Token, AHugeOneIsRefusedByItsSize) {
  const std::string filler(limits::kTokenBytesMax, 'x');
  EXPECT_SAYS(refusal_of_claims(R"({"sub":"alice","exp":1800000300,"x":")" + filler + "\"}"), "limit");
  const std::string shorter(limits::kTokenBytesMax / 2, 'x');
  EXPECT_EQ(refusal_of_claims(R"({"sub":"alice","exp":1800000300,"x":")" + shorter + "\"}"), "");
}

TEST(Token, DeepNestingIsRefusedOrHarmless) {
  const std::string deep = std::string(2'500, '[') + std::string(2'500, ']');
  EXPECT_NE(refusal(forge(R"({"alg":"HS256","kid":"shared","x":)" + deep + "}", kGood, kSecret)), "");
  EXPECT_NE(refusal_of_claims(R"({"sub":"alice","exp":1800000300,"x":)" + deep + "}"), "");
}

// Two readers of one text must not see two users.
TEST(Token, ATextThatSaysAThingTwiceIsRefused) {
  EXPECT_SAYS(refusal_of_claims(R"({"sub":"alice","exp":1800000300,"sub":"admin"})"), "twice");
  EXPECT_SAYS(refusal_of_claims(R"({"sub":"alice","exp":1,"exp":1800000300})"), "twice");
  EXPECT_SAYS(refusal(forge(R"({"alg":"HS256","alg":"none","kid":"shared"})", kGood, kSecret)), "twice");
  EXPECT_SAYS(refusal(forge(R"({"alg":"HS256","kid":"x","k\u0069d":"shared"})", kGood, kSecret)), "twice");
  EXPECT_EQ(refusal_of_claims(R"({"sub":"alice","exp":1800000300,"a":{"sub":1},"b":{"sub":2}})"), "");
}

TEST(Token, EndsWithItsExpiryAndTheLeeway) {
  const std::string token = forge(kHeader, R"({"sub":"alice","exp":1800000000})", kSecret);
  EXPECT_EQ(refusal(token, {}, kNowMs + 59'999), "");
  EXPECT_SAYS(refusal(token, {}, kNowMs + 60'000), "expired");
  TokenRules strict;
  strict.leeway_ms = 0;
  EXPECT_EQ(refusal(token, strict, kNowMs - 1), "");
  EXPECT_SAYS(refusal(token, strict, kNowMs), "expired");
}

TEST(Token, BeginsWithItsNotBeforeAndTheLeeway) {
  const std::string token = forge(kHeader, R"({"sub":"alice","exp":1800001000,"nbf":1800000100})", kSecret);
  EXPECT_SAYS(refusal(token, {}, kNowMs + 39'999), "not valid yet");
  EXPECT_EQ(refusal(token, {}, kNowMs + 40'000), "");
}

TEST(Token, AnEndIsRequiredUnlessTheRulesSayOtherwise) {
  EXPECT_SAYS(refusal_of_claims(R"({"sub":"alice"})"), "no end");
  TokenRules rules;
  rules.require_expiry = false;
  const auto identity = check(forge(kHeader, R"({"sub":"alice"})", kSecret), rules);
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->expires_at_ms, 0u) << "never";
  EXPECT_SAYS(refusal_of_claims(R"({"sub":"alice","exp":1700000000})", rules), "expired");
}

TEST(Token, DatesThatAreNoneAreRefused) {
  for (const char* value : {R"("1800000300")", "true", "null", "[]", "{}", R"("never")"})
    for (const char* name : {"exp", "nbf"})
      EXPECT_SAYS(refusal_of_claims(R"({"sub":"alice",")" + std::string(name) + "\":" + value + "}"), "no number");
  for (const char* value : {"-1", "-1e300", "1e300", "253402300800", "9223372036854775807"})
    EXPECT_SAYS(refusal_of_claims(std::string(R"({"sub":"alice","exp":)") + value + "}"), "out of range") << value;
  for (const char* value : {"9223372036854775808", "18446744073709551616", "1e999"})
    EXPECT_NE(refusal_of_claims(std::string(R"({"sub":"alice","exp":)") + value + "}"), "") << value;
  EXPECT_NE(refusal_of_claims(R"({"sub":"alice","exp":NaN})"), "");
  EXPECT_EQ(refusal_of_claims(R"({"sub":"alice","exp":1800000300.75})"), "") << "RFC 7519 allows fractions";
  EXPECT_EQ(refusal_of_claims(R"({"sub":"alice","exp":253402300799})"), "");
}

TEST(Token, ItsAudienceIsOursIfWeHaveOne) {
  TokenRules rules;
  rules.audience = "earshot";
  const auto of = [&](const char* aud) {
    return refusal_of_claims(R"({"sub":"alice","exp":1800000300)" + std::string(aud) + "}", rules);
  };
  EXPECT_EQ(of(R"(,"aud":"earshot")"), "");
  EXPECT_EQ(of(R"(,"aud":["web","earshot"])"), "");
  for (const char* aud : {"", R"(,"aud":"web")", R"(,"aud":"earshot2")", R"(,"aud":"")", R"(,"aud":[])",
                          R"(,"aud":[["earshot"]])", R"(,"aud":{"earshot":1})", R"(,"aud":7)", R"(,"aud":null)"})
    EXPECT_SAYS(of(aud), "audience") << aud;
  EXPECT_EQ(refusal_of_claims(R"({"sub":"alice","exp":1800000300,"aud":"web"})"), "") << "we have none";
}

TEST(Token, ItsIssuerIsOursIfOneIsSet) {
  TokenRules rules;
  rules.issuer = "https://id.example";
  EXPECT_EQ(refusal_of_claims(R"({"sub":"alice","exp":1800000300,"iss":"https://id.example"})", rules), "");
  EXPECT_SAYS(refusal_of_claims(R"({"sub":"alice","exp":1800000300,"iss":"https://evil.example"})", rules), "issuer");
  EXPECT_SAYS(refusal_of_claims(R"({"sub":"alice","exp":1800000300,"iss":["https://id.example"]})", rules), "issuer");
  EXPECT_SAYS(refusal_of_claims(R"({"sub":"alice","exp":1800000300})", rules), "issuer");
}

TEST(Token, ARoleIsOneOfThree) {
  for (const Role role : {Role::kUser, Role::kService, Role::kOperator}) {
    const auto identity =
        check(forge(kHeader, R"({"sub":"a","exp":1800000300,"role":")" + std::string(name_of(role)) + "\"}", kSecret));
    ASSERT_TRUE(identity);
    EXPECT_EQ(identity->role, role);
  }
  for (const char* role : {R"("root")", R"("Operator")", R"("operator ")", "2", "null", R"(["operator"])", R"("")"})
    EXPECT_SAYS(refusal_of_claims(R"({"sub":"a","exp":1800000300,"role":)" + std::string(role) + "}"), "role");
}

TEST(Token, ASubjectIsAUserThatCanBe) {
  for (const std::string& subject :
       {std::string(), R"("sub":7,)" + std::string(), std::string(R"("sub":null,)"), std::string(R"("sub":["a"],)"),
        std::string(R"("sub":"",)"), R"("sub":")" + std::string(129, 'a') + "\",", std::string(R"("sub":"a\u0000b",)"),
        std::string(R"("sub":"a\nb",)"), std::string("\"sub\":\"\xff\xfe\","), std::string("\"sub\":\"\xc0\x80\","),
        std::string(R"("sub":"\ud800",)")})
    EXPECT_NE(refusal_of_claims("{" + subject + R"("exp":1800000300})"), "") << subject;
  EXPECT_EQ(refusal_of_claims("{\"sub\":\"J\xc3\xbcrgen\",\"exp\":1800000300}"), "");
}

TEST(Token, AReasonTellsNothingOfTheKeyOrTheToken) {
  for (const std::string& token :
       {forge(kHeader, kGood, "wrong"), forge(kHeader, R"({"sub":"alice","exp":1})", kSecret),
        forge(R"({"alg":"HS256","kid":"guess-me"})", kGood, kSecret)}) {
    const std::string reason = refusal(token);
    EXPECT_EQ(reason.find(kSecret), std::string::npos);
    EXPECT_EQ(reason.find("guess-me"), std::string::npos) << "what a stranger wrote does not belong into our log";
    EXPECT_EQ(reason.find(token.substr(0, 20)), std::string::npos);
  }
}

TEST(Token, IsDecodedForPeopleWithoutBeingTrusted) {
  const auto text = decode(forge(kHeader, kGood, "anything"));
  ASSERT_TRUE(text);
  EXPECT_NE(text->header.find("shared"), std::string::npos);
  EXPECT_NE(text->claims.find("alice"), std::string::npos);
  EXPECT_FALSE(decode("alice"));
}

}  // namespace
}  // namespace earshot::auth
