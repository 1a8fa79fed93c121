#pragma once

#include <cstdint>

#include "storage/files.hpp"

namespace earshot::storage {

// Keeps zeros written behind the end of what a growing file holds. A sync of bytes written over others is one flush of
// the disk; one that changes the file's length, or writes to blocks of it for the first time, is a change to the file
// system as well, which takes that much longer (measured on ext4: 170 and 260 µs).
//
// While the file grows by more at a time than would be written ahead, nothing is: then the bytes take the time, not the
// sync. Whatever fails here is no failure: the file grows then as it would without. Thread: the file's writer.
class WrittenAhead {
 public:
  // Bytes to be written ahead at a time; 0: none. Nothing is written at or behind `end_max`.
  WrittenAhead(FileDescriptor file, std::uint64_t step_bytes, std::uint64_t end_max);

  // Everything from here on is free. To be called when nobody else is writing to the file. Whether zeros were written:
  // they help once they are synced.
  bool keep_behind(std::uint64_t used_bytes);

 private:
  FileDescriptor file_;
  std::uint64_t step_bytes_;
  std::uint64_t end_max_;
  std::uint64_t end_ = 0;         // of the file, as far as known
  std::uint64_t used_bytes_ = 0;  // when that was told last
};

}  // namespace earshot::storage
