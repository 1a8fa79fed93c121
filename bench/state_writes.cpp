// What the sums beside the state's records cost: flushes to a real LMDB, with them and without.
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "storage/keys.hpp"
#include "storage/lmdb_environment.hpp"
#include "storage/seal.hpp"
#include "storage/state_store.hpp"

namespace earshot {
namespace {

constexpr std::uint64_t kUsers = 10'000;
constexpr std::size_t kMessages = 4'096;  // of one flush, each to another user, whose head it changes too

std::shared_ptr<const storage::FrozenOverlay> overlay_of(std::uint64_t flush) {
  auto overlay = std::make_shared<storage::FrozenOverlay>();
  overlay->shard = ShardId(1);
  for (std::uint64_t i = 0; i < kMessages; ++i) {
    const auto user = UserId::trusted("user-" + std::to_string((flush * kMessages + i) * 7919 % kUsers));
    overlay->changes.put(storage::keys::message(user, Sequence(flush + 1)), std::string(200, 'm'));
    overlay->changes.put(storage::keys::mailbox_head(user), std::string(40, 'h') + std::to_string(flush));
  }
  return overlay;
}

Status write_without_sums(storage::Environment& environment, const storage::FrozenOverlay& overlay) {
  auto transaction = environment.begin_write();
  if (!transaction) return fail(std::move(transaction.error()));
  for (const storage::Overlay::Change* change : overlay.changes.in_order()) {
    const std::string full_key = storage::state_key(overlay.shard, change->key());
    if (auto put = (*transaction)->put(storage::kStateTable, full_key, storage::seal(full_key, *change->value())); !put)
      return put;
  }
  return (*transaction)->commit();
}

template <class Write>
void flush_repeatedly(benchmark::State& state, Write&& write) {
  std::string path = (std::filesystem::temp_directory_path() / "earshot-bench-XXXXXX").string();
  if (::mkdtemp(path.data()) == nullptr) return state.SkipWithError("no temporary directory");
  {
    storage::LmdbOptions options;
    options.path = path;
    options.tables = storage::state_tables();
    auto environment = storage::open_lmdb(options);
    if (!environment) return state.SkipWithError(environment.error().to_string().c_str());
    std::uint64_t flush = 0;
    for (auto _ : state) {
      state.PauseTiming();
      const auto overlay = overlay_of(flush++);
      state.ResumeTiming();
      if (!write(**environment, overlay)) state.SkipWithError("cannot write");
    }
  }
  std::filesystem::remove_all(path);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kMessages));
}

void WriteOverlaysWithSums(benchmark::State& state) {
  flush_repeatedly(state, [](storage::Environment& environment, const auto& overlay) {
    return storage::write_overlays(environment, {&overlay, 1}).has_value();
  });
}
BENCHMARK(WriteOverlaysWithSums)->Iterations(60)->UseRealTime()->Unit(benchmark::kMillisecond);

void WriteOverlaysWithoutSums(benchmark::State& state) {
  flush_repeatedly(state, [](storage::Environment& environment, const auto& overlay) {
    return write_without_sums(environment, *overlay).has_value();
  });
}
BENCHMARK(WriteOverlaysWithoutSums)->Iterations(60)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace earshot
