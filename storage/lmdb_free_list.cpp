#include "storage/lmdb_free_list.hpp"

#include <cstring>
#include <string>
#include <vector>

namespace earshot::storage {
namespace {

constexpr MDB_dbi kFreeList = 0;         // LMDB's own number of it …
constexpr MDB_dbi kMain = 1;             // … and of the table without a name, whose records are the other tables
constexpr std::uint64_t kHeadPages = 2;  // never free

tl::unexpected<Error> damaged(const std::string& what) {
  return fail(ErrorCode::kCorrupt, "", "the list of free pages " + what);
}

std::uint64_t number_at(const MDB_val& value, std::size_t place) {
  std::uint64_t number = 0;
  std::memcpy(&number, static_cast<const char*>(value.mv_data) + place * sizeof number, sizeof number);
  return number;
}

// The pages of a table's tree.
Status add_pages(MDB_txn* transaction, MDB_dbi table, std::uint64_t& pages) {
  MDB_stat statistics{};
  if (const int code = mdb_stat(transaction, table, &statistics); code != 0) return damaged(mdb_strerror(code));
  pages += statistics.ms_branch_pages + statistics.ms_leaf_pages + statistics.ms_overflow_pages;
  return {};
}

class FreePages {
 public:
  explicit FreePages(std::uint64_t page_count) : is_free_(page_count) {}

  // A record of the list: how many, then the numbers.
  Status take(const MDB_val& key, const MDB_val& value) {
    if (key.mv_size != sizeof(std::uint64_t) || value.mv_size < sizeof(std::uint64_t)) {
      return damaged("has a record of another size");
    }
    const std::uint64_t count = number_at(value, 0);
    if (count > value.mv_size / sizeof count - 1) return damaged("has a record that is shorter than it says");
    for (std::uint64_t i = 1; i <= count; ++i) {
      const std::uint64_t page = number_at(value, i);
      if (page < kHeadPages || page >= is_free_.size()) {
        return damaged("names page " + std::to_string(page) + " of " + std::to_string(is_free_.size()));
      }
      if (is_free_[page]) return damaged("names page " + std::to_string(page) + " twice");
      is_free_[page] = true;
    }
    count_ += count;
    return {};
  }
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  std::vector<bool> is_free_;
  std::uint64_t count_ = 0;
};

struct CloseCursor {
  MDB_cursor* cursor;
  ~CloseCursor() { mdb_cursor_close(cursor); }
};

}  // namespace

Status check_free_list(MDB_txn* transaction, std::span<const MDB_dbi> tables) {
  MDB_envinfo info{};
  if (const int code = mdb_env_info(mdb_txn_env(transaction), &info); code != 0) return damaged(mdb_strerror(code));
  const std::uint64_t page_count = info.me_last_pgno + 1;
  FreePages free(page_count);

  MDB_cursor* cursor = nullptr;
  if (const int code = mdb_cursor_open(transaction, kFreeList, &cursor); code != 0) return damaged(mdb_strerror(code));
  const CloseCursor close{cursor};
  std::uint64_t records = 0;
  MDB_val key{};
  MDB_val value{};
  int code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
  for (; code == 0; code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT), ++records) {
    if (auto fits = free.take(key, value); !fits) return fits;
  }
  if (code != MDB_NOTFOUND) return damaged(mdb_strerror(code));
  MDB_stat statistics{};
  if (const int failed = mdb_stat(transaction, kFreeList, &statistics); failed != 0)
    return damaged(mdb_strerror(failed));
  if (records != statistics.ms_entries) {
    return damaged("has " + std::to_string(records) + " records and counts " + std::to_string(statistics.ms_entries));
  }

  std::uint64_t pages = kHeadPages + free.count();
  for (const MDB_dbi table : {kFreeList, kMain}) {
    if (auto added = add_pages(transaction, table, pages); !added) return added;
  }
  for (const MDB_dbi table : tables) {
    if (auto added = add_pages(transaction, table, pages); !added) return added;
  }
  if (pages <= page_count) return {};
  return damaged("and the tables have " + std::to_string(pages) + " pages, the file " + std::to_string(page_count));
}

}  // namespace earshot::storage
