// Login tokens, and the files that their keys are in. Nobody is let in by bytes that no key has signed.
#include "auth/keys.hpp"
#include "auth/token.hpp"
#include "fuzz/target.hpp"

namespace earshot::fuzz {
namespace {

constexpr std::string_view kKeys = R"({"keys":[{"kty":"oct","kid":"a","alg":"HS256",)"
                                   R"("k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDE"}]})";
constexpr std::uint64_t kNowMs = 1'800'000'000'000;

}  // namespace
}  // namespace earshot::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace earshot;
  static const auth::KeySet keys = auth::KeySet::parse(fuzz::kKeys).value();
  std::string_view bytes = fuzz::view(data, size);
  switch (fuzz::choose(bytes, 3)) {
    case 0: (void)auth::verify(bytes, keys, {}, fuzz::kNowMs); break;
    case 1: (void)auth::KeySet::parse(bytes); break;
    default: (void)auth::decode(bytes); break;
  }
  return 0;
}
