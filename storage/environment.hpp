#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

// The disk's seam. An environment is a set of ordered tables with single-writer, synced, atomic transactions and
// multi-version readers. LMDB implements it for the product (lmdb_environment.hpp), a model that keeps committed,
// synced and lost states apart implements it for simulation (model_environment.hpp); both pass one contract suite.
namespace earshot::storage {

// A table by its place in the list given when the environment was opened.
using Table = std::uint32_t;

// A consistent view of all tables. Short-lived: no read transaction is held across a message, since every page freed
// since stays pinned. Views returned stay valid until the transaction ends (or, in a write transaction, until the next
// write).
class ReadTransaction {
 public:
  virtual ~ReadTransaction() = default;

  // The value, or nothing when the key is absent. kCorrupt, kInternal on failure.
  [[nodiscard]] virtual Result<std::optional<std::string_view>> get(Table table, std::string_view key) = 0;

  // Visits keys in [from, to) in ascending byte order until `visit` returns false; an empty `to` means "to the end".
  using Visit = std::function<bool(std::string_view key, std::string_view value)>;
  [[nodiscard]] virtual Status scan(Table table, std::string_view from, std::string_view to, const Visit& visit) = 0;
  // The same in descending order, starting with the greatest key below `to`.
  [[nodiscard]] virtual Status scan_back(Table table, std::string_view from, std::string_view to,
                                         const Visit& visit) = 0;
  // How many records the table has by its own count, which is kept apart from them: a scan that finds others shows
  // damage.
  [[nodiscard]] virtual Result<std::uint64_t> count(Table table) = 0;
};

// Exclusive. Belongs to the thread that began it. Destroyed without commit(), it leaves no trace.
class WriteTransaction : public ReadTransaction {
 public:
  [[nodiscard]] virtual Status put(Table table, std::string_view key, std::string_view value) = 0;
  // put() of a key greater than every key in the table (an append point); kInvalidArgument otherwise.
  [[nodiscard]] virtual Status append(Table table, std::string_view key, std::string_view value) = 0;
  // Absent keys are no error; tells whether the key was there.
  [[nodiscard]] virtual Result<bool> erase(Table table, std::string_view key) = 0;
  // Returns when everything is synced to disk. On kStorageFull nothing happened and the same writes may be tried again
  // in a new transaction; a sync that fails, unless for lack of room, stops the process. The transaction is over either
  // way.
  [[nodiscard]] virtual Status commit() = 0;
};

struct DiskUsage {
  std::uint64_t used_bytes = 0;  // pages in use
  std::uint64_t file_bytes = 0;  // size of the file
};

// What is wrong with the structure on the disk that records hang in.
struct PageFlaw {
  enum class Of : std::uint8_t { kTable, kTableNames, kFreePages, kFrame };
  Of of = Of::kTable;
  std::string table;       // its name
  std::uint64_t page = 0;  // 0: the whole tree; or the frame's number
  std::string from;        // keys [from, to) hang there; an empty `to` is the end
  std::string to;
  std::string what;  // "has records that overlap"
};

// Thread safety: begin_read from any thread, begin_write from one thread at a time.
class Environment {
 public:
  virtual ~Environment() = default;
  [[nodiscard]] virtual Result<std::unique_ptr<ReadTransaction>> begin_read() = 0;
  [[nodiscard]] virtual Result<std::unique_ptr<WriteTransaction>> begin_write() = 0;
  [[nodiscard]] virtual DiskUsage usage() = 0;
  // Looks at the structure that the records hang in, of which reading shows only a part. Slow; for verification, while
  // nobody writes. `on_page` is called for each page. An environment without such a structure has nothing to check.
  [[nodiscard]] virtual Status check_pages(const std::function<void()>& /*on_page*/,
                                           const std::function<void(PageFlaw)>& /*on_flaw*/) {
    return {};
  }
};

}  // namespace earshot::storage
