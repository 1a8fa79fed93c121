#include "app/verify_worker.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "storage/journal_environment.hpp"
#include "storage/lmdb_environment.hpp"
#include "storage/log_store.hpp"
#include "storage/state_store.hpp"

namespace earshot::app {
namespace {

using storage::Finding;
using storage::Section;

std::string to_line(const Finding& finding) {
  const nlohmann::json json{{"kind", static_cast<int>(finding.kind)},
                            {"file", finding.file},
                            {"table", finding.table},
                            {"where", finding.where},
                            {"lost", finding.lost},
                            {"keeps", finding.keeps_from_starting}};
  // Names come from keys that may be damaged.
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::unique_ptr<storage::Environment> opened(Result<std::unique_ptr<storage::Environment>> environment,
                                             const char* file, storage::Witness& witness, bool tells) {
  if (environment) return std::move(*environment);
  if (tells) {
    witness.found(Finding{Finding::Kind::kUnreadable, file, "all tables", "all of it",
                          environment.error().to_string() + ": the node refuses to start", true});
  }
  return nullptr;
}

Result<std::unique_ptr<storage::Environment>> open_to_read(const std::string& path, std::vector<std::string> tables) {
  storage::LmdbOptions options;
  options.path = path;
  options.tables = std::move(tables);
  options.read_only = true;
  return storage::open_lmdb(options);
}

// As no node of this release has opened it yet, or as the last one has left it.
Result<std::unique_ptr<storage::Environment>> open_log_to_read(const std::string& path) {
  std::error_code error;
  if (std::filesystem::exists(path + "/data.mdb", error)) return open_to_read(path, storage::LogStore::tables());
  return storage::open_journal({.path = path, .tables = storage::LogStore::tables().size(), .read_only = true});
}

void count_total(storage::Environment* environment, std::size_t tables, VerifyShared& shared) {
  if (environment == nullptr) return;
  auto transaction = environment->begin_read();
  for (storage::Table table = 0; transaction && table < tables; ++table) {
    if (const auto count = (*transaction)->count(table)) shared.total += *count;
  }
}

}  // namespace

std::optional<Finding> finding_of_line(std::string_view line) {
  const auto json = nlohmann::json::parse(line, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  Finding finding;
  finding.kind = static_cast<Finding::Kind>(json.value("kind", 0));
  finding.file = json.value("file", "");
  finding.table = json.value("table", "");
  finding.where = json.value("where", "");
  finding.lost = json.value("lost", "");
  finding.keeps_from_starting = json.value("keeps", false);
  return finding;
}

void PipeWitness::reached(std::string_view full_key, std::size_t bytes) {
  const std::size_t size = std::min(full_key.size(), shared_.key.size());
  std::memcpy(shared_.key.data(), full_key.data(), size);
  shared_.key_bytes.store(size, std::memory_order_relaxed);
  shared_.records.fetch_add(1, std::memory_order_relaxed);
  shared_.bytes.fetch_add(full_key.size() + bytes, std::memory_order_relaxed);
}

void PipeWitness::looked_at_page() { shared_.pages.fetch_add(1, std::memory_order_relaxed); }

void PipeWitness::found(Finding finding) {
  const std::string line = to_line(finding);
  for (std::string_view left = line; !left.empty();) {
    const ssize_t written = ::write(pipe_, left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) ::_exit(1);  // nobody listens any more
    left.remove_prefix(static_cast<std::size_t>(written));
  }
}

void PipeWitness::stands(ShardId shard, LogIndex applied) {
  if (auto* applied_plus_1 = shared_.applied_plus_1_of(shard)) *applied_plus_1 = applied.value + 1;
}

void PipeWitness::is_fetching(ShardId shard) {
  if (shard.value < shared_.is_fetching.size()) shared_.is_fetching[shard.value] = true;
}

void verify_sections(const std::string& path, std::uint16_t shard_count, const std::vector<Section>& sections,
                     const VerifyStart& start, VerifyShared& shared, storage::Witness& witness) {
  const bool is_first = start.section == 0 && start.key.empty() && start.opens_state && start.opens_log;
  shared.stage = VerifyShared::kOpenState;
  std::unique_ptr<storage::Environment> state;
  if (start.opens_state) {
    state = opened(open_to_read(path + "/state", storage::state_tables()), "state/data.mdb", witness, is_first);
  }
  shared.stage = VerifyShared::kOpenLog;
  std::unique_ptr<storage::Environment> log;
  if (start.opens_log) {
    const bool tells = start.section == 0 && start.key.empty();
    log = opened(open_log_to_read(path + "/log"), "log", witness, tells);
  }
  if (is_first) {
    count_total(state.get(), storage::state_tables().size(), shared);
    count_total(log.get(), storage::LogStore::tables().size(), shared);
  }
  shared.stage = VerifyShared::kSections;
  const storage::Applied applied = [&shared](ShardId shard) -> std::optional<LogIndex> {
    const auto* applied_plus_1 = shared.applied_plus_1_of(shard);
    const std::uint64_t known = applied_plus_1 == nullptr ? 0 : applied_plus_1->load();
    return known == 0 ? std::nullopt : std::optional(LogIndex(known - 1));
  };
  for (std::size_t i = start.section; i < sections.size(); ++i) {
    shared.section = i;
    shared.key_bytes = 0;
    const std::string from = i == start.section ? start.key : std::string();
    storage::Environment* environment = sections[i].is_of_state() ? state.get() : log.get();
    if (environment == nullptr) continue;
    if (sections[i].is_of_pages()) {
      storage::verify_pages(*environment, sections[i], witness);
    } else if (sections[i].is_of_state()) {
      storage::verify_state(*environment, sections[i], from, witness);
    } else {
      storage::verify_log(*environment, sections[i], from, shard_count, applied, witness);
    }
  }
}

}  // namespace earshot::app
