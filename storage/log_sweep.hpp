#pragma once

#include <cstddef>
#include <cstdint>

namespace earshot::storage {

struct LogSweepOptions {
  std::uint64_t from_bytes = 32 << 20;      // a log of no more than this is not swept
  std::uint64_t held_up_bytes = 512 << 20;  // appended while entries that no snapshot has hold a sweep up, all in all
};

// When the log of many groups is swept, and how far that has come. Most groups cut their entries soon, so that the
// log's beginning is free; but one that does little keeps its last entries for other members for hours, and files are
// given back from the first one on only. So a log that has grown long is gone through once from its beginning: what was
// cut is erased, what a group still has is written again at the end. Pure.
//
// Twice as much as appended is written again at most, and a sweep begins only when the log is longer than from_bytes
// and twice what the last one wrote again: so it is never longer than about four times what its groups keep behind
// snapshots, plus from_bytes and what no snapshot has yet.
class LogSweep {
 public:
  explicit LogSweep(const LogSweepOptions& options) : options_(options) {}

  // Whether a look at the log's length is due: that costs something in some environments.
  [[nodiscard]] bool wants_length() const { return !is_on() && unlooked_bytes_ >= options_.from_bytes / 32; }
  // The log has so many bytes, and the next record gets this running number.
  void look(std::uint64_t used_bytes, std::uint64_t next_number) {
    unlooked_bytes_ = 0;
    if (used_bytes < options_.from_bytes + 2 * rewritten_bytes_) return;
    next_ = 1;
    end_ = next_number;
    rewritten_bytes_ = 0;
    early_bytes_ = 0;
    meanwhile_bytes_ = 0;
    held_up_bytes_ = 0;
    is_held_up_ = false;
  }

  [[nodiscard]] bool is_on() const { return next_ < end_; }
  // The running number to go on at, and the one to end before.
  [[nodiscard]] std::uint64_t next() const { return next_; }
  [[nodiscard]] std::uint64_t end() const { return end_; }
  // Whether an entry of so many bytes is written again although no snapshot has it, or waited for: its group cuts it
  // soon, if the group is busy. One that is not may take no snapshot for long, so after a while a few bytes are written
  // again whosever they are; and any, once this sweep has waited too long, for whichever groups.
  [[nodiscard]] bool rewrites_early(std::size_t bytes) {
    if (held_up_bytes_ >= options_.held_up_bytes) return true;
    is_held_up_ = meanwhile_bytes_ < options_.from_bytes / 2 || early_bytes_ + bytes > options_.from_bytes / 4;
    if (!is_held_up_) early_bytes_ += bytes;
    return !is_held_up_;
  }
  // Bytes that may be written again beside an append of so many.
  [[nodiscard]] static std::size_t budget(std::size_t appended_bytes) {
    constexpr std::size_t kLeast = 16 << 10;  // so that a sweep comes to an end when nobody appends much
    constexpr std::size_t kMost = 4 << 20;
    return appended_bytes > kMost / 2 ? kMost : kLeast + 2 * appended_bytes;
  }

  void passed(std::uint64_t number) {
    next_ = number + 1;
    is_held_up_ = false;
  }
  void rewritten(std::size_t bytes) { rewritten_bytes_ += bytes; }
  // There is nothing more up to the end.
  void ended() { next_ = end_; }
  void appended(std::size_t bytes) {
    unlooked_bytes_ += bytes;
    if (!is_on()) return;
    meanwhile_bytes_ += bytes;
    if (is_held_up_) held_up_bytes_ += bytes;
  }

 private:
  LogSweepOptions options_;
  std::uint64_t next_ = 0;
  std::uint64_t end_ = 0;
  std::uint64_t rewritten_bytes_ = 0;  // by the sweep that is on, or the last one
  std::uint64_t unlooked_bytes_ = 0;
  std::uint64_t early_bytes_ = 0;      // … of which no snapshot had
  std::uint64_t meanwhile_bytes_ = 0;  // appended since the last sweep began
  std::uint64_t held_up_bytes_ = 0;    // … while it waited for entries; at the limit it waits for none any more
  bool is_held_up_ = false;            // it waits for the next one
};

}  // namespace earshot::storage
