#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "storage/files.hpp"
#include "storage/journal_frame.hpp"

namespace earshot::storage {

// One of a journal's files. It is written from its beginning to its end and then only read, through a map, until
// nothing in it is needed; then it is written again from its beginning, under another number.
//
// Thread: the environment's writer; view() from any.
class JournalSegment {
 public:
  // To be written from its beginning, to `capacity` bytes. Makes the file when absent; what one holds that is used
  // again counts no more. kStorageFull, kInternal.
  static Result<std::unique_ptr<JournalSegment>> open_new(const std::string& directory, std::uint64_t number,
                                                          std::uint64_t capacity);
  // With what it holds; all of its bytes may be written to.
  static Result<std::unique_ptr<JournalSegment>> open(const std::string& directory, std::uint64_t number,
                                                      bool read_only);
  // Those there are, by their numbers, ascending.
  static Result<std::vector<std::uint64_t>> list(const std::string& directory);

  // Gives the file another number and forgets what it holds; the name is not synced.
  Status become(std::uint64_t number);
  Status remove();

  // Of what was written.
  [[nodiscard]] std::string_view view(std::uint64_t offset, std::size_t bytes) const {
    return map_.bytes().substr(offset, bytes);
  }
  // All that the file holds now.
  [[nodiscard]] std::string_view content() const { return view(0, file_bytes()); }
  // Writes a frame at the end, which set_end() moves once it is synced. On kStorageFull nothing has happened; any other
  // failure of the disk ends the process.
  Status append(std::string_view frame) { return write(frame, 0); }
  // And syncs it, and nothing else, in one call.
  Status append_synced(std::string_view frame);
  // Syncs everything that was written, by whomever. Fails as append() does.
  Status sync();
  // To write to it as well; none when that fails.
  [[nodiscard]] FileDescriptor open_again() const;

  [[nodiscard]] std::uint64_t number() const { return number_; }
  [[nodiscard]] std::uint64_t capacity() const { return map_.bytes().size(); }
  [[nodiscard]] std::uint64_t end() const { return end_; }
  [[nodiscard]] std::uint64_t file_bytes() const;
  [[nodiscard]] const std::string& path() const { return path_; }
  void set_end(std::uint64_t offset) { end_ = offset; }

  // The first of its frames; 0 while it has none.
  std::uint64_t first_frame = 0;
  // Records in it that somebody may still read.
  std::uint64_t records = 0;

 private:
  JournalSegment(std::string directory, std::uint64_t number, FileDescriptor file, FileMap map);
  Status write(std::string_view frame, int flags);
  static Result<std::unique_ptr<JournalSegment>> open_with(const std::string& directory, std::uint64_t number,
                                                           int flags, std::uint64_t capacity);

  const std::string directory_;
  std::string path_;
  std::uint64_t number_;
  FileDescriptor file_;
  FileMap map_;
  std::uint64_t end_ = 0;
};

}  // namespace earshot::storage
