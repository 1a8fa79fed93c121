// Raft entries: whatever decodes is encoded the same, and a shard that applies it lives on and can be flushed.
#include <memory>

#include "cluster/shard_machine.hpp"
#include "fuzz/target.hpp"
#include "schema/commands.hpp"
#include "storage/model_environment.hpp"
#include "storage/shard_state.hpp"
#include "storage/state_store.hpp"

namespace earshot::fuzz {
namespace {

constexpr std::uint16_t kShards = 4;
constexpr ShardId kShard{1};

void apply(const std::string& entry) {
  storage::ModelDisk disk(storage::state_tables().size());
  const auto environment = disk.open();
  storage::ShardState state(*environment, kShard);
  auto machine = cluster::ShardMachine::open(state, kShard, kShards);
  require(machine.has_value());
  // Twice: the second time everything in it is a repeat, or comes out of turn.
  for (std::uint64_t index = 1; index <= 2; ++index) (void)(*machine)->apply(LogIndex(index), Term(1), entry);
  if (const auto overlay = (*machine)->freeze()) {
    require(storage::write_overlays(*environment, {&overlay, 1}).has_value());
    (*machine)->flushed();
  }
  require((*machine)->applied_index() == LogIndex(2));
}

}  // namespace
}  // namespace earshot::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace earshot;
  const auto batch = decode_command_batch(fuzz::view(data, size));
  if (!batch) return 0;
  const std::string entry = encode(*batch);
  const auto again = decode_command_batch(entry);
  fuzz::require(again.has_value() && *again == *batch);
  fuzz::apply(entry);
  return 0;
}
