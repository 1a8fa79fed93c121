// A state on its way between nodes: messages, whose checksum is made to fit, and what the receiver makes of their
// parts.
#include "cluster/seed_message.hpp"
#include "fuzz/target.hpp"
#include "schema/flat.hpp"
#include "storage/model_environment.hpp"
#include "storage/seed_sink.hpp"
#include "storage/state_store.hpp"

namespace earshot::fuzz {
namespace {

constexpr std::size_t kChecksumBytes = flat::kChecksumWords * sizeof(capnp::word);

// A receiver takes it as the first part of a fetch, or refuses it.
void try_part(const storage::SeedPart& part) {
  storage::ModelDisk disk(storage::state_tables().size());
  const auto environment = disk.open();
  auto sink = storage::SeedSink::open(*environment, ShardId(1));
  require(sink.has_value());
  if (!sink->take(part, NodeId(2))) return;
  for (;;) {
    const auto overlay = sink->next_overlay();
    if (!overlay || *overlay == nullptr) return;
    require(storage::write_overlays(*environment, {&*overlay, 1}).has_value());
    sink->written();
  }
}

}  // namespace
}  // namespace earshot::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace earshot;
  std::string bytes(fuzz::view(data, size));
  (void)cluster::decode_seed_message(bytes);
  if (bytes.size() < fuzz::kChecksumBytes) return 0;
  bytes.resize(bytes.size() - fuzz::kChecksumBytes);
  bytes = flat::with_checksum(std::move(bytes));
  const auto message = cluster::decode_seed_message(bytes);
  if (!message) return 0;
  const std::string once = cluster::encode(*message);
  const auto again = cluster::decode_seed_message(once);
  fuzz::require(again.has_value() && cluster::encode(*again) == once);
  if (const auto* part = std::get_if<storage::SeedPart>(&message->content)) fuzz::try_part(*part);
  return 0;
}
