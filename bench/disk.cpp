#include "disk.hpp"

#include <chrono>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "app/load.hpp"
#include "storage/journal_environment.hpp"
#include "storage/lmdb_environment.hpp"
#include "storage/log_store.hpp"

namespace earshot::bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

double group_commit_rate(Result<std::unique_ptr<storage::Environment>> opened, const std::string& path) {
  constexpr std::uint64_t kCommits = 400, kRecords = 256;
  if (!opened) throw std::runtime_error(opened.error().to_string());
  std::unique_ptr<storage::Environment> environment = std::move(*opened);
  auto log = storage::LogStore::open(*environment);
  if (!log) throw std::runtime_error(log.error().to_string());
  const auto record = std::make_shared<const std::string>(200, 'x');
  const auto begin = Clock::now();
  for (std::uint64_t commit = 0, index = 1; commit < kCommits; ++commit) {
    storage::LogWrite write;
    for (std::uint64_t i = 0; i < kRecords; ++i, ++index)
      write.entries.push_back({LogIndex(index), Term(1), storage::EntryType::kCommand, record});
    if (auto written = (*log)->write({&write, 1}); !written) throw std::runtime_error(written.error().to_string());
  }
  const double rate = static_cast<double>(kCommits * kRecords) / seconds_since(begin);
  log->reset();
  environment = nullptr;
  std::filesystem::remove_all(path);
  return rate;
}

}  // namespace

double fdatasync_p50_us(const std::string& directory) {
  constexpr int kAppends = 2000;
  const std::string path = directory + "/fdatasync";
  const int file = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (file < 0) throw std::runtime_error("cannot write " + path);
  const std::vector<char> block(4096, 'x');
  std::vector<double> times_us;
  for (int i = 0; i < kAppends; ++i) {
    const auto begin = Clock::now();
    if (::write(file, block.data(), block.size()) != static_cast<ssize_t>(block.size()) || ::fdatasync(file) != 0)
      throw std::runtime_error("cannot write " + path);
    times_us.push_back(seconds_since(begin) * 1e6);
  }
  ::close(file);
  std::filesystem::remove(path);
  return app::percentile(times_us, 0.5);
}

double journal_group_commit_rate(const std::string& directory) {
  const std::string path = directory + "/group-commit";
  return group_commit_rate(storage::open_journal({.path = path, .tables = storage::LogStore::tables().size()}), path);
}

double lmdb_group_commit_rate(const std::string& directory) {
  storage::LmdbOptions options;
  options.path = directory + "/group-commit";
  options.tables = storage::LogStore::tables();
  return group_commit_rate(storage::open_lmdb(options), options.path);
}

}  // namespace earshot::bench
