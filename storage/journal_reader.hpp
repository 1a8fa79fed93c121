#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "storage/journal_segment.hpp"

namespace earshot::storage {

// Where a whole frame stands.
struct FoundFrame {
  JournalSegment* segment = nullptr;
  std::uint64_t offset = 0;
  FrameHead head;
  [[nodiscard]] std::string_view bytes() const { return segment->view(offset, head.bytes); }
};

// What the files of a journal hold: the frames that are needed, and which of them cannot be had.
struct JournalContent {
  std::map<std::uint64_t, FoundFrame> frames;  // by number, from the first that is needed to the last there is
  std::vector<std::uint64_t> missing;          // numbers between them
};

// Reads all frames of all files. Pure but for that.
JournalContent read_journal(const std::vector<std::unique_ptr<JournalSegment>>& segments);

}  // namespace earshot::storage
