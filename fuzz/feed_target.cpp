// What leaders tell other nodes of places, and what those ask of them, with a checksum that is made to fit. The first
// byte chooses which of the two.
#include "actors/feed_message.hpp"
#include "fuzz/target.hpp"
#include "schema/flat.hpp"

namespace earshot::fuzz {
namespace {

constexpr std::size_t kEndBytes = flat::kChecksumWords * sizeof(capnp::word) + 1;  // the checksum and the mark

template <class Decode>
void try_message(const std::string& bytes, Decode decode) {
  const auto message = decode(bytes);
  if (!message) return;
  const std::string once = actors::encode(*message);
  const auto again = decode(once);
  require(again.has_value() && actors::encode(*again) == once);
}

}  // namespace
}  // namespace earshot::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace earshot;
  std::string_view input = fuzz::view(data, size);
  (void)actors::decode_feed_request(input);
  (void)actors::decode_feed_tiding(input);
  const bool is_request = fuzz::choose(input, 2) == 0;
  if (input.size() < fuzz::kEndBytes) return 0;
  std::string bytes(input.substr(0, input.size() - fuzz::kEndBytes));
  bytes = flat::with_checksum(std::move(bytes)) + (is_request ? 'r' : 't');
  if (is_request)
    fuzz::try_message(bytes, actors::decode_feed_request);
  else
    fuzz::try_message(bytes, actors::decode_feed_tiding);
  return 0;
}
