// Messages between the replicas of a group. Their checksum is made to fit, or nothing would come past it.
#include "base/checksum.hpp"
#include "cluster/raft_message.hpp"
#include "fuzz/target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace earshot;
  std::string bytes(fuzz::view(data, size));
  (void)cluster::decode_raft_message(bytes);
  if (bytes.size() < 8) return 0;
  const std::uint64_t checksum = checksum_of(std::string_view(bytes).substr(0, bytes.size() - 8));
  for (std::size_t i = 0; i < 8; ++i) bytes[bytes.size() - 8 + i] = static_cast<char>(checksum >> (8 * i));
  const auto message = cluster::decode_raft_message(bytes);
  if (!message) return 0;
  const std::string once = cluster::encode(*message);
  const auto again = cluster::decode_raft_message(once);
  fuzz::require(again.has_value() && cluster::encode(*again) == once);
  return 0;
}
