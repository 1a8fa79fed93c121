#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "cluster/expiry.hpp"
#include "schema/messages.hpp"
#include "schema/records.hpp"

namespace earshot::cluster {

// The sequence of a record that a scan of the mailbox met. Its seal covers the key, so of a damaged one (no value) it
// may be the key that is damaged: nothing when it is none that the mailbox gives out. What was there is then missing.
std::optional<Sequence> sequence_at(const UserId& user, std::string_view key, std::optional<std::string_view> value);

// A stored message as a device gets it.
IncomingMessage incoming_of(Sequence sequence, MailboxRecord record);

// Adds a range to ranges given in ascending or in descending order, as one with its neighbour when the reason is the
// same.
void add_lost(std::vector<LostRange>& lost, LostRange range);

// Nothing when the record must not be served: its seal (no value), its codec or its body's checksum says so.
std::optional<MailboxRecord> sound_record(std::optional<std::string_view> value);

struct BatchBounds {
  std::uint32_t records_max = 0;  // damaged and ended ones count: they cost as much to read
  std::size_t bytes_max = 0;      // of bodies, about
  std::size_t lost_ranges_max = limits::kLostRangesMax;
};

// Fills a batch with stored records, one by one, up to its bounds, but takes at least one.
class BatchReader {
 public:
  BatchReader(Batch& batch, const BatchBounds& bounds, const EndRules& rules)
      : batch_(batch), bounds_(bounds), rules_(rules) {}

  // Takes a record, or says that it and all behind it are beyond the bounds. `gap` is what is missing between this
  // record and the one before (first > last: nothing). A damaged record and one that has ended become lost ranges.
  bool take(Sequence sequence, std::optional<std::string_view> value, const LostRange& gap);

  [[nodiscard]] bool is_full() const { return is_full_; }
  // How many more records would be taken.
  [[nodiscard]] std::uint32_t room() const { return is_full_ ? 0 : bounds_.records_max - records_; }

 private:
  Batch& batch_;
  BatchBounds bounds_;
  EndRules rules_;
  std::uint32_t records_ = 0;
  std::size_t bytes_ = 0;
  bool is_full_ = false;
};

}  // namespace earshot::cluster
