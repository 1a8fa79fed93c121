#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "schema/messages.hpp"
#include "schema/records.hpp"

namespace earshot::cluster {

// A stored message as a device gets it.
IncomingMessage incoming_of(Sequence sequence, MailboxRecord record);

// Adds a range to ranges given in ascending or in descending order, as one with its neighbour when the reason is the
// same.
void add_lost(std::vector<LostRange>& lost, LostRange range);

// Fills a batch with stored records, one by one, up to a number of records (damaged ones count: they cost as much to
// read) and about so many body bytes, but takes at least one.
class BatchReader {
 public:
  BatchReader(Batch& batch, std::uint32_t records_max, std::size_t bytes_max)
      : batch_(batch), records_max_(records_max), bytes_max_(bytes_max) {}

  // Takes a record, or says that it and all behind it are beyond the bounds. `gap` is what is missing between this
  // record and the one before (first > last: nothing). A record is damaged when its seal (no value), its codec or its
  // body's checksum says so; it becomes a lost range.
  bool take(Sequence sequence, std::optional<std::string_view> value, const LostRange& gap);

  [[nodiscard]] bool is_full() const { return is_full_; }
  // How many more records would be taken.
  [[nodiscard]] std::uint32_t room() const { return is_full_ ? 0 : records_max_ - records_; }

 private:
  Batch& batch_;
  std::uint32_t records_max_;
  std::size_t bytes_max_;
  std::uint32_t records_ = 0;
  std::size_t bytes_ = 0;
  bool is_full_ = false;
};

}  // namespace earshot::cluster
