#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "storage/environment.hpp"
#include "storage/log_sweep.hpp"
#include "storage/log_types.hpp"

// The Raft logs of every group on one disk, in one environment with one append point: key = a running number, value =
// (group, index, term, type, data) behind a checksum, so that all groups' appends of one moment land on the same pages
// and share one sync (facts: 600 k records/s with one append point, 140 k with 64). The place of (group, index) is kept
// in memory and rebuilt from the log, which is short, at start.
namespace earshot::storage {

// Thread: load() before the writer starts; write() by the log writer only; read() from any thread.
class LogStore {
 public:
  // Names of the tables that the environment must have been opened with, in this order.
  static std::vector<std::string> tables();
  // Scans the log. kCorrupt, naming group and index, when a record fails its checksum or one is missing between others.
  // There is no torn end to forgive: commits are atomic, so a damaged last record is one that somebody was told is
  // safe. The environment outlives the store.
  static Result<std::unique_ptr<LogStore>> open(Environment& environment, const LogSweepOptions& sweep = {});
  virtual ~LogStore() = default;

  // What a group finds at start: an empty LoadedLog for a group never seen.
  [[nodiscard]] virtual Result<LoadedLog> load(GroupId group) = 0;
  // Writes all of it in one transaction and returns when it is synced. On kStorageFull nothing was changed: try again
  // later. An append that does not join the log's end is a broken invariant.
  //
  // What is cut is gone for its group at once, and stays on the disk until everything that was written before it, by
  // any group, is cut too: then whole pages are free, where erasing one group's entries would change those of all. Of
  // that, a transaction erases more than it appends, but not all: or those who wait for it would wait for the erasing.
  // After a restart a log may therefore begin lower than it was cut. What groups keep for long does not hold the others
  // up: a log that is long is swept (LogSweep). kAll erases whatever is cut: when room is short, and at the end.
  enum class Erase : std::uint8_t { kSome, kAll };
  [[nodiscard]] virtual Status write(std::span<const LogWrite> writes, Erase erase = Erase::kSome) = 0;
  // Entries first..last of a group, from disk, checksums tested: for followers that lag behind what memory holds. Stops
  // early at `bytes_max` (but gives at least one). kNotFound when `first` was cut.
  [[nodiscard]] virtual Result<std::vector<LogEntry>> read(GroupId group, LogIndex first, LogIndex last,
                                                           std::size_t bytes_max) = 0;
};

}  // namespace earshot::storage
