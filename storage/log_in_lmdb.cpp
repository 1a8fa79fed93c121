#include "storage/log_in_lmdb.hpp"

#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "storage/files.hpp"
#include "storage/journal_environment.hpp"
#include "storage/lmdb_environment.hpp"
#include "storage/log_store.hpp"

namespace earshot::storage {
namespace {

constexpr std::size_t kCopiedBytesMax = 4 << 20;  // in one commit

Status remove_all(const std::string& path, std::string_view suffix) {
  std::error_code error;
  std::filesystem::directory_iterator entries(path, error);
  for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    if (entries->path().string().ends_with(suffix)) std::filesystem::remove(entries->path(), error);
  }
  if (error) return fail(file_error(error.value(), "remove files of", path));
  return sync_directory(path);
}

// Everything in a table, a few commits long.
class Copier {
 public:
  Copier(ReadTransaction& from, Environment& to) : from_(from), to_(to) {}

  Status copy(Table table) {
    Status outcome;
    const auto visit = [&](std::string_view key, std::string_view value) {
      outcome = put(table, key, value);
      return outcome.has_value();
    };
    if (auto scanned = from_.scan(table, {}, {}, visit); !scanned) return scanned;
    return outcome ? commit() : outcome;
  }

 private:
  Status put(Table table, std::string_view key, std::string_view value) {
    if (!writer_) {
      auto begun = to_.begin_write();
      if (!begun) return fail(std::move(begun.error()));
      writer_ = std::move(*begun);
    }
    if (auto written = writer_->put(table, key, value); !written) return written;
    bytes_ += key.size() + value.size();
    return bytes_ < kCopiedBytesMax ? Status() : commit();
  }
  Status commit() {
    bytes_ = 0;
    const auto writer = std::exchange(writer_, nullptr);
    return writer ? writer->commit() : Status();
  }

  ReadTransaction& from_;
  Environment& to_;
  std::unique_ptr<WriteTransaction> writer_;
  std::size_t bytes_ = 0;
};

}  // namespace

Status move_log_out_of_lmdb(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path + "/data.mdb", error)) return {};
  // Of a move that was not ended.
  if (auto removed = remove_all(path, ".journal"); !removed) return removed;
  LmdbOptions options;
  options.path = path;
  options.tables = LogStore::tables();
  options.read_only = true;
  auto old_log = open_lmdb(options);
  if (!old_log) return fail(std::move(old_log.error()));
  // Nothing is copied on a guess.
  if (auto whole = LogStore::open(**old_log); !whole) return fail(std::move(whole.error()));
  auto journal = open_journal(JournalOptions{.path = path, .tables = LogStore::tables().size()});
  if (!journal) return fail(std::move(journal.error()));
  auto reader = (*old_log)->begin_read();
  if (!reader) return fail(std::move(reader.error()));
  Copier copier(**reader, **journal);
  for (Table table = 0; table < LogStore::tables().size(); ++table) {
    if (auto copied = copier.copy(table); !copied) return copied;
  }
  return {};
}

Status remove_log_in_lmdb(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path + "/data.mdb", error)) return {};
  for (const char* file : {"lock.mdb", "meta.note", "data.mdb"}) {
    if (auto removed = remove_all(path, file); !removed) return removed;
  }
  return {};
}

}  // namespace earshot::storage
