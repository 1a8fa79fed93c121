#include "storage/journal_reader.hpp"

namespace earshot::storage {

// A file that is used again holds old frames behind the new ones, and a torn one may stand between: every page is
// looked at. Of two frames with one number the later is right: the first was given up when the disk was full.
JournalContent read_journal(const std::vector<std::unique_ptr<JournalSegment>>& segments) {
  JournalContent content;
  for (const auto& segment : segments) {
    const std::string_view bytes = segment->content();
    for (std::uint64_t at = 0; at < bytes.size();) {
      const auto head = read_frame(bytes.substr(at));
      if (head) content.frames[head->number] = FoundFrame{segment.get(), at, *head};
      at += head ? frame_room(head->bytes) : kFramePageBytes;
    }
  }
  if (content.frames.empty()) return content;
  auto& frames = content.frames;
  frames.erase(frames.begin(), frames.lower_bound(frames.rbegin()->second.head.begins_at));
  std::uint64_t expected = frames.rbegin()->second.head.begins_at;
  for (const auto& [number, frame] : frames) {
    for (; expected < number; ++expected) content.missing.push_back(expected);
    expected = number + 1;
  }
  return content;
}

}  // namespace earshot::storage
