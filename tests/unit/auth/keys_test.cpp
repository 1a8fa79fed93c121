#include "auth/keys.hpp"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "auth/base64url.hpp"
#include "auth/token.hpp"
#include "base/limits.hpp"
#include "tests/support/temporary_directory.hpp"

namespace earshot::auth {
namespace {

std::string refusal(const std::string& json) {
  const auto set = KeySet::parse(json);
  if (set) return "";
  EXPECT_EQ(set.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(set.error().field, "jwt_keys");
  return set.error().detail;
}
std::string refusal_of_key(const std::string& key) { return refusal("{\"keys\":[" + key + "]}"); }

#define EXPECT_SAYS(text, part) EXPECT_NE((text).find(part), std::string::npos) << "it says: \"" << (text) << "\""

const std::string kSecret = R"("k":"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE")";  // 32 digits

TEST(Keys, NewOnesAreReadBackAsTheyWereWritten) {
  std::vector<Key> keys;
  for (const Algorithm algorithm : {Algorithm::kHs256, Algorithm::kRs256, Algorithm::kEs256})
    keys.push_back(new_key(algorithm, std::string(name_of(algorithm))).value());
  const auto set = KeySet::parse(to_json(keys).value());
  ASSERT_TRUE(set) << set.error().to_string();
  ASSERT_EQ(set->keys().size(), 3u);
  for (const Key& key : keys) {
    const Key* read = set->find(key.id);
    ASSERT_NE(read, nullptr);
    EXPECT_EQ(read->algorithm, key.algorithm);
    EXPECT_EQ(read->secret, key.secret);
    EXPECT_EQ(read->public_pem, key.public_pem);
    EXPECT_EQ(read->private_pem, key.private_pem);
    EXPECT_TRUE(read->can_sign());
  }
  EXPECT_EQ(set->find("none"), nullptr);
}

TEST(Keys, ThePublicHalfVerifiesAndCannotSign) {
  const Key key = new_key(Algorithm::kEs256, "a").value();
  const std::string json = to_json(std::vector<Key>{key}, true).value();
  EXPECT_EQ(json.find("PRIVATE"), std::string::npos);
  const auto set = KeySet::parse(json).value();
  EXPECT_FALSE(set.find("a")->can_sign());
  const Claims claims{UserId::trusted("alice"), Role::kUser, 0, 2'000'000'000};
  EXPECT_TRUE(verify(sign(claims, key).value(), set, {}, 1'900'000'000'000));
  EXPECT_EQ(sign(claims, *set.find("a")).error().field, "key");
  EXPECT_FALSE(to_json(std::vector<Key>{new_key(Algorithm::kHs256, "b").value()}, true))
      << "a shared secret has no public half";
}

// The examples of RFC 7517 A.1 and RFC 7515 A.3, as an identity provider publishes them.
TEST(Keys, ThoseOfAnIdentityProviderAreRead) {
  const auto set = KeySet::parse(R"({"keys":[
    {"kty":"EC","crv":"P-256","use":"sig","kid":"1",
     "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
    {"kty":"RSA","alg":"RS256","kid":"2","e":"AQAB",
     "n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"},
    {"kty":"RSA","use":"enc","kid":"3","alg":"RSA-OAEP","e":"AQAB","n":"AQAB"}]})");
  ASSERT_TRUE(set) << set.error().to_string();
  EXPECT_EQ(set->keys().size(), 2u) << "a key for encryption is none of ours";
  EXPECT_EQ(set->find("1")->algorithm, Algorithm::kEs256);
  EXPECT_FALSE(set->find("2")->can_sign());
  EXPECT_NE(set->find("1")->public_pem.find("BEGIN PUBLIC KEY"), std::string::npos);
}

TEST(Keys, WhatIsNoKeyFileIsRefusedByName) {
  for (const char* json : {"", "[]", "7", "{", "{\"keys\":[]} x"}) EXPECT_SAYS(refusal(json), "no JSON object");
  EXPECT_SAYS(refusal("{}"), "\"keys\"");
  EXPECT_SAYS(refusal(R"({"keys":{}})"), "\"keys\"");
  EXPECT_SAYS(refusal(R"({"keys":[]})"), "holds no key");
  EXPECT_SAYS(refusal(R"({"keys":[7]})"), "key 1 is no object");
  EXPECT_SAYS(refusal_of_key(R"({"alg":"HS256",)" + kSecret + "}"), "\"kid\"");
  EXPECT_SAYS(refusal_of_key(R"({"kid":"","alg":"HS256",)" + kSecret + "}"), "\"kid\"");
  EXPECT_SAYS(refusal_of_key(R"({"kid":"a",)" + kSecret + "}"), "\"alg\"");
  for (const char* name : {"none", "HS512", "EdDSA", "rs256"})
    EXPECT_SAYS(refusal_of_key(R"({"kid":"a","alg":")" + std::string(name) + "\"," + kSecret + "}"), "HS256, RS256");
  const std::string key = R"({"kid":"a","alg":"HS256",)" + kSecret + "}";
  EXPECT_EQ(refusal_of_key(key), "");
}

// What providers publish beside the keys that serve here: at a rotation the new ones must count all the same.
TEST(Keys, ForeignOnesBesideOursArePassedOverAndNamed) {
  const std::string good = R"({"kid":"good","alg":"HS256",)" + kSecret + "}";
  const std::string curve_bytes = to_base64url(std::string(32, 'x'));
  const std::vector<std::pair<std::string, std::string>> foreign{
      {R"({"kty":"OKP","kid":"ed","alg":"EdDSA","crv":"Ed25519","x":")" + curve_bytes + "\"}", "HS256, RS256, ES256"},
      {R"({"kty":"RSA","kid":"pss","alg":"PS256","n":"AQAB","e":"AQAB"})", "HS256, RS256, ES256"},
      {R"({"kty":"EC","kid":"wide","crv":"P-384","x":"AQAB","y":"AQAB"})", "\"crv\" must be P-256"},
      {R"({"kty":"EC","kid":"other","crv":"secp256k1","x":")" + curve_bytes + R"(","y":")" + curve_bytes + "\"}",
       "\"crv\" must be P-256"},
      {R"({"kty":"RSA","kid":"short","alg":"RS256","n":")" + to_base64url(std::string(128, 'x')) + R"(","e":"AQAB"})",
       "the least is 2048"},
      {R"({"kty":"RSA","kid":"part","alg":"RS256","n":"AQAB"})", "\"n\" and \"e\""},
      {R"({"kty":"EC","kid":"good","alg":"ES256","x":"AA","y":"AA"})", "key 2 (\"good\"): x and y"}};
  for (const auto& [key, why] : foreign) {
    const auto set = KeySet::parse("{\"keys\":[" + good + "," + key + "]}");
    ASSERT_TRUE(set) << set.error().to_string();
    ASSERT_EQ(set->keys().size(), 1u);
    EXPECT_EQ(set->find("good")->algorithm, Algorithm::kHs256);
    ASSERT_EQ(set->passed_over().size(), 1u);
    EXPECT_SAYS(set->passed_over()[0], "key 2 (\"");
    EXPECT_SAYS(set->passed_over()[0], why);
    const auto reversed = KeySet::parse("{\"keys\":[" + key + "," + good + "]}");
    ASSERT_TRUE(reversed) << "wherever it stands: " << reversed.error().to_string();
    EXPECT_NE(reversed->find("good"), nullptr);
    EXPECT_SAYS(refusal_of_key(key), "holds no key that can be used; key 1 (\"");
  }
}

TEST(Keys, OfTwoWithOneNameTheFirstCounts) {
  const std::string first = R"({"kid":"a","alg":"HS256",)" + kSecret + "}";
  const std::string second = R"({"kid":"a","alg":"HS256","k":")" + to_base64url(std::string(32, 'x')) + "\"}";
  const auto set = KeySet::parse("{\"keys\":[" + first + "," + second + "]}").value();
  ASSERT_EQ(set.keys().size(), 1u);
  EXPECT_EQ(set.find("a")->secret, KeySet::parse("{\"keys\":[" + first + "]}")->find("a")->secret);
  ASSERT_EQ(set.passed_over().size(), 1u);
  EXPECT_SAYS(set.passed_over()[0], "key 2 (\"a\"): \"kid\" is taken");
}

TEST(Keys, ANameThatCannotBeShownIsNotShown) {
  const std::string reason = refusal_of_key(R"({"kid":"a\nforged","alg":"HS256",)" + kSecret + "}");
  EXPECT_SAYS(reason, "key 1: \"kid\" must name it");
  EXPECT_EQ(reason.find("forged"), std::string::npos);
}

TEST(Keys, AWeakKeyIsRefusedAndOneOfTheLeastLengthIsNot) {
  const auto with_secret = [](std::size_t bytes) {
    return R"({"kid":"a","alg":"HS256","k":")" + to_base64url(std::string(bytes, 'x')) + "\"}";
  };
  EXPECT_EQ(refusal_of_key(with_secret(limits::kTokenSecretBytesMin)), "");
  EXPECT_SAYS(refusal_of_key(with_secret(limits::kTokenSecretBytesMin - 1)), "has 31 bytes, the least is 32");
  EXPECT_SAYS(refusal_of_key(R"({"kid":"a","alg":"HS256","k":""})"), "base64url");
  EXPECT_SAYS(refusal_of_key(R"({"kid":"a","alg":"HS256","k":"not base64!"})"), "base64url");
  EXPECT_SAYS(
      refusal_of_key(R"({"kid":"a","alg":"RS256","n":")" + to_base64url(std::string(128, 'x')) + R"(","e":"AQAB"})"),
      "1023 bits, the least is 2048");
  // Any odd number will do for a modulus: what verifies does not need to know whether it can be factored.
  const auto with_bits = [](int bits) {
    std::string n(static_cast<std::size_t>((bits + 7) / 8), '\xff');
    n.front() = static_cast<char>(0xff >> (n.size() * 8 - static_cast<std::size_t>(bits)));
    return R"({"kid":"a","alg":"RS256","n":")" + to_base64url(n) + R"(","e":"AQAB"})";
  };
  EXPECT_EQ(refusal_of_key(with_bits(limits::kTokenRsaBitsMin)), "");
  EXPECT_SAYS(refusal_of_key(with_bits(limits::kTokenRsaBitsMin - 1)), "2047 bits, the least is 2048");
}

TEST(Keys, AKeyOfAnotherKindIsRefused) {
  const Key rsa = new_key(Algorithm::kRs256, "a").value();
  const Key curve = new_key(Algorithm::kEs256, "a").value();
  const auto with = [](const char* alg, std::string pem) {
    std::string escaped;
    for (const char c : pem) escaped += c == '\n' ? std::string("\\n") : std::string(1, c);
    return R"({"kid":"a","alg":")" + std::string(alg) + R"(","pem":")" + escaped + "\"}";
  };
  EXPECT_EQ(refusal_of_key(with("RS256", rsa.public_pem)), "");
  EXPECT_SAYS(refusal_of_key(with("RS256", curve.public_pem)), "no RSA key");
  EXPECT_SAYS(refusal_of_key(with("ES256", rsa.private_pem)), "P-256");
  EXPECT_SAYS(refusal_of_key(with("ES256", "nonsense")), "PEM");
  EXPECT_SAYS(refusal_of_key(with("RS256", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----")), "x509");
  EXPECT_SAYS(refusal_of_key(R"({"kid":"a","alg":"RS256","kty":"EC","x":"AA","y":"AA"})"), "does not fit");
}

TEST(Keys, AReasonNeverShowsASecret) {
  const std::string secret = "c2hvcnQtc2VjcmV0";
  EXPECT_EQ(refusal_of_key(R"({"kid":"a","alg":"HS256","k":")" + secret + "\"}").find(secret), std::string::npos);
  EXPECT_EQ(refusal(R"({"keys":[{"k":")" + secret + "\" nonsense").find(secret), std::string::npos);
}

TEST(Keys, MoreThanTheLimitAreRefused) {
  const auto many = [](std::size_t count) {
    std::string keys;
    for (std::size_t i = 0; i < count; ++i)
      keys += (i == 0 ? "" : ",") + (R"({"kid":")" + std::to_string(i)) + R"(","alg":"HS256",)" + kSecret + "}";
    return "{\"keys\":[" + keys + "]}";
  };
  EXPECT_EQ(refusal(many(limits::kTokenKeysMax)), "");
  EXPECT_SAYS(refusal(many(limits::kTokenKeysMax + 1)), "the limit is 256");
}

TEST(Keys, AFileThatCannotBeReadIsNamed) {
  const tests::TemporaryDirectory directory;
  const auto missing = KeySet::read(directory / "keys.json");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_SAYS(missing.error().detail, "keys.json");
  EXPECT_FALSE(KeySet::read(directory.path())) << "a directory is no file";
  const std::string keys = "{\"keys\":[{\"kid\":\"a\",\"alg\":\"HS256\"," + kSecret + "}]}";
  std::ofstream(directory / "keys.json") << keys;
  EXPECT_TRUE(KeySet::read(directory / "keys.json"));
}

TEST(Keys, AFileOfTheLargestSizeIsReadAndALargerOneIsNot) {
  const tests::TemporaryDirectory directory;
  const std::string keys = "{\"keys\":[{\"kid\":\"a\",\"alg\":\"HS256\"," + kSecret + "}]}";
  const std::string blank(limits::kKeyFileBytesMax - keys.size(), ' ');
  std::ofstream(directory / "large.json") << keys << blank;
  EXPECT_TRUE(KeySet::read(directory / "large.json"));
  std::ofstream(directory / "larger.json") << keys << blank << ' ';
  const auto larger = KeySet::read(directory / "larger.json");
  ASSERT_FALSE(larger);
  EXPECT_EQ(larger.error().code, ErrorCode::kTooLarge);
  EXPECT_SAYS(larger.error().detail, std::to_string(limits::kKeyFileBytesMax));
}

TEST(Base64Url, HasOneTextForEachSequenceOfBytes) {
  EXPECT_EQ(to_base64url(std::string("\x00\xff\xfe", 3)), "AP_-");
  for (std::size_t size = 0; size < 20; ++size) {
    const std::string bytes(size, '\xa5');
    EXPECT_EQ(from_base64url(to_base64url(bytes)), bytes);
  }
  EXPECT_EQ(from_base64url("QQ"), "A");
  for (const char* text : {"Q", "QR", "QQ==", "Q Q", "QQ+", "QQ/", "A\nAA"}) EXPECT_FALSE(from_base64url(text)) << text;
}

}  // namespace
}  // namespace earshot::auth
