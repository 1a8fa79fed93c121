// The records on disk: what is read back must be a value whose encoding is read as the same value.
#include "fuzz/target.hpp"
#include "schema/records.hpp"
#include "schema/shard_sums.hpp"

namespace earshot::fuzz {
namespace {

template <class Record>
void try_record(std::string_view bytes, Result<Record> (*decode)(std::string_view)) {
  const auto record = decode(bytes);
  if (!record) return;
  const auto again = decode(encode(*record));
  require(again.has_value() && *again == *record);
}

}  // namespace
}  // namespace earshot::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace earshot;
  std::string_view bytes = fuzz::view(data, size);
  switch (fuzz::choose(bytes, 15)) {
    case 0: fuzz::try_record(bytes, decode_mailbox_record); break;
    case 1: fuzz::try_record(bytes, decode_mailbox_head); break;
    case 2: fuzz::try_record(bytes, decode_cursor_record); break;
    case 3: fuzz::try_record(bytes, decode_parked_record); break;
    case 4: fuzz::try_record(bytes, decode_policy_record); break;
    case 5: fuzz::try_record(bytes, decode_sweep_head); break;
    case 6: fuzz::try_record(bytes, decode_lane_record); break;
    case 7: fuzz::try_record(bytes, decode_outbox_record); break;
    case 8: fuzz::try_record(bytes, decode_outbox_head); break;
    case 9: fuzz::try_record(bytes, decode_inbound_head); break;
    case 10: fuzz::try_record(bytes, decode_shard_head); break;
    case 11: (void)decode_message_id(bytes); break;
    case 12: fuzz::try_record(bytes, decode_shard_sums); break;
    case 13: fuzz::try_record(bytes, decode_forgotten_producer); break;
    default: fuzz::try_record(bytes, decode_last_login); break;
  }
  return 0;
}
