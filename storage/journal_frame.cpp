#include "storage/journal_frame.hpp"

#include "base/checksum.hpp"
#include "storage/keys.hpp"

namespace earshot::storage {
namespace {

using keys::append_big_endian;
using keys::read_big_endian;

constexpr std::size_t kNumberOffset = 8;
constexpr std::size_t kBytesOffset = 16;
constexpr std::size_t kBeginsOffset = 24;
constexpr std::size_t kChangeHeadBytes = 8;
constexpr std::size_t kKeptBytesMax = 4 << 20;
constexpr std::uint64_t kFormatSeed = 0x6a6f75726e616c31;  // "journal1": another format is no frame

enum Kind : std::uint8_t { kErase = 1, kPut = 2 };

std::uint64_t checksum_over(std::string_view frame) { return checksum_of(frame.substr(kNumberOffset), kFormatSeed); }

void set_big_endian(std::string& frame, std::size_t offset, std::uint64_t value) {
  std::string bytes;
  append_big_endian(bytes, value);
  frame.replace(offset, bytes.size(), bytes);
}

}  // namespace

void FrameWriter::begin() {
  if (frame_.capacity() > kKeptBytesMax) std::string().swap(frame_);
  frame_.assign(kFrameHeadBytes, '\0');
}

void FrameWriter::begin_change(bool has_value, Table table, std::string_view key, std::size_t value_bytes) {
  append_big_endian(frame_, has_value ? kPut : kErase, 1);
  append_big_endian(frame_, table, 1);
  append_big_endian(frame_, key.size(), 2);
  append_big_endian(frame_, value_bytes, 4);
  frame_.append(key);
}

std::size_t FrameWriter::put(Table table, std::string_view key, std::string_view value) {
  begin_change(true, table, key, value.size());
  const std::size_t offset = frame_.size();
  frame_.append(value);
  return offset;
}

void FrameWriter::erase(Table table, std::string_view key) { begin_change(false, table, key, 0); }

std::string_view FrameWriter::finish(std::uint64_t number, std::uint64_t begins_at) {
  set_big_endian(frame_, kNumberOffset, number);
  set_big_endian(frame_, kBytesOffset, frame_.size());
  set_big_endian(frame_, kBeginsOffset, begins_at);
  set_big_endian(frame_, 0, checksum_over(frame_));
  frame_.resize(frame_room(frame_.size()), '\0');
  return frame_;
}

std::optional<FrameHead> read_frame(std::string_view bytes) {
  if (bytes.size() < kFrameHeadBytes) return std::nullopt;
  const FrameHead head{read_big_endian(bytes, kNumberOffset), read_big_endian(bytes, kBytesOffset),
                       read_big_endian(bytes, kBeginsOffset)};
  if (head.number == 0 || head.bytes < kFrameHeadBytes || head.bytes > bytes.size()) return std::nullopt;
  if (read_big_endian(bytes, 0) != checksum_over(bytes.substr(0, head.bytes))) return std::nullopt;
  return head;
}

bool read_changes(std::string_view frame, const std::function<void(const FrameChange&)>& visit) {
  for (std::size_t at = kFrameHeadBytes; at < frame.size();) {
    if (frame.size() - at < kChangeHeadBytes) return false;
    const std::uint64_t kind = read_big_endian(frame, at, 1);
    const std::size_t key_bytes = read_big_endian(frame, at + 2, 2);
    const std::size_t value_bytes = read_big_endian(frame, at + 4, 4);
    FrameChange change;
    change.table = static_cast<Table>(read_big_endian(frame, at + 1, 1));
    at += kChangeHeadBytes;
    if (frame.size() - at < key_bytes + value_bytes || (kind != kPut && kind != kErase)) return false;
    change.key = frame.substr(at, key_bytes);
    change.value_offset = at + key_bytes;
    if (kind == kPut) change.value = frame.substr(change.value_offset, value_bytes);
    at = change.value_offset + value_bytes;
    visit(change);
  }
  return true;
}

}  // namespace earshot::storage
