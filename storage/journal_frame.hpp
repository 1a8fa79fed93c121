#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "storage/environment.hpp"

// What a journal's files consist of. A frame is one commit: its head, then what it changes, one after the other; big
// endian throughout. It begins on a page of its own, so that nothing that was synced is ever written again.
//
//   checksum 8 | number 8 | bytes 8 | begins_at 8 | { kind 1, table 1, key bytes 2, value bytes 4, key, value } …
namespace earshot::storage {

inline constexpr std::size_t kFramePageBytes = 4096;
inline constexpr std::size_t kFrameHeadBytes = 32;

struct FrameHead {
  std::uint64_t number = 0;     // of the commit: 1, 2, 3 …
  std::uint64_t bytes = 0;      // of the frame, without what fills its last page
  std::uint64_t begins_at = 0;  // the frame from which on the journal is needed
};

// A key that gets a value, or that has none any more.
struct FrameChange {
  Table table = 0;
  std::string_view key;
  std::optional<std::string_view> value;
  std::size_t value_offset = 0;  // in the frame
};

// Builds frames in a buffer that it keeps.
class FrameWriter {
 public:
  void begin();
  // Returns where the value stands in the frame.
  std::size_t put(Table table, std::string_view key, std::string_view value);
  void erase(Table table, std::string_view key);
  // The whole frame, filled up to whole pages. Valid until the next begin().
  std::string_view finish(std::uint64_t number, std::uint64_t begins_at);

  [[nodiscard]] std::size_t bytes() const { return frame_.size(); }
  [[nodiscard]] std::string_view view(std::size_t offset, std::size_t bytes) const {
    return std::string_view(frame_).substr(offset, bytes);
  }

 private:
  void begin_change(bool has_value, Table table, std::string_view key, std::size_t value_bytes);

  std::string frame_;
};

// The head of the frame at the beginning of `bytes`; nothing when there is none that is whole.
std::optional<FrameHead> read_frame(std::string_view bytes);
// Hands each change of a frame that read_frame() found whole to `visit`. False when it is none of this format.
bool read_changes(std::string_view frame, const std::function<void(const FrameChange&)>& visit);

// What a frame of so many bytes takes of its file.
constexpr std::uint64_t frame_room(std::uint64_t bytes) {
  return (bytes + kFramePageBytes - 1) / kFramePageBytes * kFramePageBytes;
}

}  // namespace earshot::storage
