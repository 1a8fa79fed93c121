#include "tests/support/cluster_states.hpp"

#include <filesystem>
#include <optional>

#include "schema/shard_sums.hpp"
#include "storage/data_directory.hpp"
#include "storage/lmdb_environment.hpp"
#include "storage/record_kinds.hpp"
#include "storage/state_store.hpp"
#include "storage/table_sums.hpp"

namespace earshot::tests {
namespace {

// By shard: how many records there are of each kind, and their digest.
std::vector<ShardSums> sums_in(const std::string& path) {
  std::vector<ShardSums> sums;
  if (!std::filesystem::exists(path + "/state/data.mdb")) return sums;
  const auto directory = storage::DataDirectory::open_identity(path).value();
  const auto state = storage::open_lmdb({.path = path + "/state", .tables = storage::state_tables()}).value();
  const auto transaction = state->begin_read().value();
  for (std::uint16_t shard = 0; shard < directory.identity.shard_count; ++shard)
    sums.push_back(storage::count_sums(*transaction, ShardId(shard)).value());
  return sums;
}

ShardSums::Kind of_kind(const ShardSums& sums, char kind) {
  const auto found = sums.kinds.find(static_cast<std::uint8_t>(kind));
  return found == sums.kinds.end() ? ShardSums::Kind{} : found->second;
}

}  // namespace

std::string difference_of_states(const std::vector<std::string>& paths, std::string_view kinds) {
  std::optional<std::vector<ShardSums>> first;
  for (const std::string& path : paths) {
    const std::vector<ShardSums> sums = sums_in(path);
    if (sums.empty()) continue;
    if (!first) first = sums;
    for (std::size_t shard = 0; shard < sums.size(); ++shard)
      for (const char kind : kinds) {
        const auto one = of_kind(first->at(shard), kind);
        const auto other = of_kind(sums[shard], kind);
        if (one == other) continue;
        return "shard " + std::to_string(shard) + ": " + std::to_string(other.count) + " " + storage::plural_of(kind) +
               " in " + path + " are not the " + std::to_string(one.count) + " of the first node";
      }
  }
  return "";
}

}  // namespace earshot::tests
