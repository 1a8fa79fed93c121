#pragma once

#include <optional>
#include <string>

#include "base/error.hpp"
#include "storage/files.hpp"
#include "storage/lmdb_format.hpp"

// A guard for the two pages at the head of LMDB's file, which have no checksum. Each names a whole version of
// everything: its number, its trees' roots. Commits write them in turn and LMDB takes the one with the greater number,
// so that a flipped bit in a number would silently bring back the version before the last one, and one in a root a tree
// of long ago. Hence after each commit the number and a checksum of its page are noted in a file beside:
//
//   meta.note    8 bytes of checksum, number of the commit (8), checksum of its page (8), checksum of what the other
//                page says (8); big-endian
//
// The note is not synced: it is never ahead of the pages, and where a power cut left it behind, the pages are held only
// to what they say about each other. It belongs to its data.mdb: they are copied together, or the note is left out.
namespace earshot::storage {

class MetaNote {
 public:
  // Opens the note, making it when absent, of a data file whose pages have passed.
  static Result<MetaNote> open(const std::string& note_file, const std::string& data_file);
  // To be called after every commit. Failing leaves the note behind, which is no failure of the commit's.
  void write();

 private:
  MetaNote(FileDescriptor file, FileMap heads) : file_(std::move(file)), heads_(std::move(heads)) {}
  FileDescriptor file_;
  FileMap heads_;  // the two pages, as LMDB sees them too
};

// kCorrupt when the pages cannot be what the last commits have written. Of a data file that is too short, or of another
// format of LMDB's, nothing is said: LMDB does.
Status check_meta_pages(const std::string& data_file, const std::string& note_file);

// The head page that LMDB takes, of a file that passes. Nothing when it is too short or of another format.
std::optional<lmdb::HeadPage> newest_head(int data_file);

}  // namespace earshot::storage
