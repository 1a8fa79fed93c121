#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "storage/environment.hpp"

namespace earshot::storage {

// An environment that is made for one thing: commits that cost the disk one sync. What a commit changes is appended to
// a file as one frame (journal_frame.hpp), the keys are kept in memory, with where their values stand, and are read
// from the files at start. LMDB, which has no need of either, syncs a commit twice: its pages, then the page that names
// them.
//
// It is for tables whose records live for a short time, in the order in which they come, as the entries of logs do, or
// that are small. A file is used again when nobody needs anything in it or in those before it; a new one begins with
// the records of the small tables, so that they hold none back.
//
// A commit that a power cut tore is no damage: it is the last frame, and nobody was told of it. Neither, then, is a
// last frame that was damaged later, unless another one stands behind it; so an environment that is closed writes an
// empty one, and a log's entries have other frames behind them as soon as the state that they lead to is written.
struct JournalOptions {
  std::string path;                               // a directory, made when absent
  std::size_t tables = 1;                         // at most 255
  std::uint64_t segment_bytes = 16 << 20;         // of a file, about
  std::uint64_t written_ahead_bytes = 256 << 10;  // zeros kept behind what a new file holds
  bool read_only = false;  // nothing is made or locked, and frames that are damaged are left out: check_pages() tells
};

// kConflict when this or another process has it open already, kCorrupt when a frame is damaged or missing,
// kStorageFull, kInternal. A failed sync stops the process.
Result<std::unique_ptr<Environment>> open_journal(const JournalOptions& options);

}  // namespace earshot::storage
