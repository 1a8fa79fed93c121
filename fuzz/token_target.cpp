// Login tokens, and the files that their keys are in. Headers and claims are also tried with a signature that fits, or
// nothing would come past it.
#include "auth/keys.hpp"
#include "auth/token.hpp"
#include "base/limits.hpp"
#include "fuzz/target.hpp"
#include "tests/support/forged_token.hpp"

namespace earshot::fuzz {
namespace {

constexpr std::string_view kKeys = R"({"keys":[{"kty":"oct","kid":"a","alg":"HS256",)"
                                   R"("k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDE"}]})";
constexpr std::uint64_t kNowMs = 1'800'000'000'000;
constexpr std::string_view kHeader = R"({"alg":"HS256","kid":"a"})";
constexpr std::string_view kClaims = R"({"sub":"alice","exp":1900000000})";

const auth::KeySet& keys() {
  static const auth::KeySet set = auth::KeySet::parse(kKeys).value();
  return set;
}

// What only the issuer could have made; who is let in by it must be somebody, and not for ever.
void try_signed(std::string_view header, std::string_view claims) {
  static const auth::TokenRules strict{"earshot", "issuer"};
  const std::string token = tests::forge(header, claims, keys().find("a")->secret);
  (void)auth::verify(token, keys(), strict, kNowMs);
  const auto identity = auth::verify(token, keys(), {}, kNowMs);
  if (!identity) return;
  require(check_name(identity->user.text(), "user").has_value());
  require(identity->expires_at_ms > kNowMs && identity->expires_at_ms / 1'000 <= limits::kTokenTimeSMax + 60);
}

}  // namespace
}  // namespace earshot::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace earshot;
  std::string_view bytes = fuzz::view(data, size);
  switch (fuzz::choose(bytes, 5)) {
    case 0: (void)auth::verify(bytes, fuzz::keys(), {}, fuzz::kNowMs); break;
    case 1: (void)auth::KeySet::parse(bytes); break;
    case 2: fuzz::try_signed(fuzz::kHeader, bytes); break;
    case 3: fuzz::try_signed(bytes, fuzz::kClaims); break;
    default: (void)auth::decode(bytes); break;
  }
  return 0;
}
