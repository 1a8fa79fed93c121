// What other nodes ask and tell about members: whatever decodes is encoded the same. Its checksum is made to fit, or
// nothing would come past it.
#include "actors/question_codec.hpp"
#include "fuzz/target.hpp"
#include "schema/flat.hpp"

namespace earshot::fuzz {
namespace {

std::string encode_any(const actors::QuestionMessage& message) {
  return std::visit([](const auto& one) { return actors::encode(one); }, message);
}

void read_message(const std::string& bytes) {
  const auto message = actors::decode_question_message(bytes);
  if (!message) return;
  const std::string once = encode_any(*message);
  const auto again = actors::decode_question_message(once);
  require(again.has_value() && encode_any(*again) == once);
}

}  // namespace
}  // namespace earshot::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace earshot;
  const std::string_view bytes = fuzz::view(data, size);
  fuzz::read_message(flat::with_checksum(std::string(bytes.substr(0, bytes.size() - bytes.size() % 8))));
  return 0;
}
