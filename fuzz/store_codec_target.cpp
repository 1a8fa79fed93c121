// The values of the client's own database.
#include "client/store_codec.hpp"
#include "fuzz/target.hpp"

namespace earshot::fuzz {
namespace {

template <class Decode>
void try_value(std::string_view bytes, Decode decode) {
  const auto value = decode(bytes);
  if (!value) return;
  std::string once;
  client::encode(*value, once);
  const auto again = decode(once);
  require(again.has_value());
  std::string twice;
  client::encode(*again, twice);
  require(once == twice);
}

}  // namespace
}  // namespace earshot::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace earshot;
  std::string_view bytes = fuzz::view(data, size);
  switch (fuzz::choose(bytes, 5)) {
    case 0: fuzz::try_value(bytes, client::decode_outbox_head); break;
    case 1: fuzz::try_value(bytes, client::decode_inbox_head); break;
    case 2:
      fuzz::try_value(bytes,
                      [](std::string_view one) { return client::decode_outbox_message(client::Ticket{7}, one); });
      break;
    case 3: fuzz::try_value(bytes, client::decode_incoming); break;
    default: fuzz::try_value(bytes, client::decode_lost); break;
  }
  return 0;
}
