// What another node says to sessions and shards: whatever decodes is encoded the same. Its checksum is made to fit, or
// nothing would come past it.
#include "actors/call_codec.hpp"
#include "fuzz/target.hpp"
#include "schema/flat.hpp"

namespace earshot::fuzz {
namespace {

constexpr std::uint16_t kShards = 64;

void read_call(const std::string& bytes) {
  (void)actors::decode_call_from(bytes);
  const auto call = actors::decode_call(bytes, kShards);
  if (!call) return;
  const std::string once = actors::encode_call(*call);
  const auto again = actors::decode_call(once, kShards);
  require(again.has_value() && actors::encode_call(*again) == once);
}

void read_answer(const std::string& bytes) {
  const auto answer = actors::decode_answer(bytes, kShards);
  if (!answer) return;
  const std::string once = actors::encode_answer(*answer);
  const auto again = actors::decode_answer(once, kShards);
  require(again.has_value() && actors::encode_answer(*again) == once);
}

}  // namespace
}  // namespace earshot::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace earshot;
  std::string_view bytes = fuzz::view(data, size);
  const bool is_call = fuzz::choose(bytes, 2) == 0;
  const std::string frame = flat::with_checksum(std::string(bytes.substr(0, bytes.size() - bytes.size() % 8)));
  is_call ? fuzz::read_call(frame) : fuzz::read_answer(frame);
  return 0;
}
