#pragma once

#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "storage/environment.hpp"
#include "storage/journal_environment.hpp"
#include "storage/lmdb_environment.hpp"
#include "storage/model_environment.hpp"
#include "tests/support/temporary_directory.hpp"

namespace earshot::storage {

enum class Backend { kLmdb, kJournal, kModel };

inline const char* text_of(Backend backend) {
  return backend == Backend::kLmdb ? "Lmdb" : backend == Backend::kJournal ? "Journal" : "Model";
}
inline void PrintTo(Backend backend, std::ostream* out) { *out << text_of(backend); }
inline std::string name_of_backend(const testing::TestParamInfo<Backend>& info) { return text_of(info.param); }

// A disk that outlives the environments opened on it, real or modelled.
class TestDisk {
 public:
  TestDisk(Backend backend, std::vector<std::string> tables, std::uint64_t map_bytes = 1ull << 30)
      : backend_(backend), tables_(std::move(tables)), map_bytes_(map_bytes), model_(tables_.size()) {}

  std::unique_ptr<Environment> open() {
    if (backend_ == Backend::kModel) return model_.open();
    auto environment = backend_ == Backend::kLmdb ? open_lmdb(LmdbOptions{directory_.path(), tables_, map_bytes_, 126})
                                                  : open_journal(journal_options());
    if (!environment) ADD_FAILURE() << environment.error().to_string();
    return environment ? std::move(*environment) : nullptr;
  }

  ModelDisk& model() { return model_; }
  // With files that are short, so that there are many.
  [[nodiscard]] JournalOptions journal_options() const {
    return JournalOptions{directory_.path(), tables_.size(), 64 << 10, 16 << 10};
  }

 private:
  Backend backend_;
  std::vector<std::string> tables_;
  std::uint64_t map_bytes_;
  tests::TemporaryDirectory directory_;
  ModelDisk model_;
};

// Short forms for tests: they fail the test on an unexpected error.
template <class T>
T must(Result<T> result) {
  if (!result) ADD_FAILURE() << result.error().to_string();
  return std::move(result).value();
}
inline void must(const Status& status) {
  if (!status) ADD_FAILURE() << status.error().to_string();
}

using Record = std::pair<std::string, std::string>;

inline std::optional<std::string> get(ReadTransaction& transaction, Table table, std::string_view key) {
  const auto value = must(transaction.get(table, key));
  return value ? std::optional<std::string>(*value) : std::nullopt;
}

inline std::vector<Record> scan(ReadTransaction& transaction, Table table, std::string_view from = {},
                                std::string_view to = {}, std::size_t records_max = SIZE_MAX) {
  std::vector<Record> records;
  must(transaction.scan(table, from, to, [&](std::string_view key, std::string_view value) {
    records.emplace_back(key, value);
    return records.size() < records_max;
  }));
  return records;
}

inline std::vector<Record> scan_back(ReadTransaction& transaction, Table table, std::string_view from = {},
                                     std::string_view to = {}, std::size_t records_max = SIZE_MAX) {
  std::vector<Record> records;
  must(transaction.scan_back(table, from, to, [&](std::string_view key, std::string_view value) {
    records.emplace_back(key, value);
    return records.size() < records_max;
  }));
  return records;
}

inline void put(Environment& environment, Table table, std::string_view key, std::string_view value) {
  auto transaction = must(environment.begin_write());
  must(transaction->put(table, key, value));
  must(transaction->commit());
}

}  // namespace earshot::storage
