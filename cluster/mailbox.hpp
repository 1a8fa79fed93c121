#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "cluster/batch_reader.hpp"
#include "cluster/expiry.hpp"
#include "cluster/machine_limits.hpp"
#include "cluster/state_cache.hpp"
#include "schema/messages.hpp"
#include "schema/records.hpp"

namespace earshot::cluster {

struct MailboxHeadTraits {
  using Key = UserId;
  using Value = MailboxHead;
  using Hash = std::hash<UserId>;
  static std::string key_of(const UserId& user);
  static Result<MailboxHead> decode(std::string_view bytes) { return decode_mailbox_head(bytes); }
  static std::string encode(const MailboxHead& head) { return earshot::encode(head); }
  static std::size_t bytes_of(const MailboxHead&) { return sizeof(MailboxHead); }
};

// Why everything below the head's `first` is gone.
LostReason gone_reason(const MailboxHead& head);

// The mailboxes of one shard's users. A user never heard of has an empty one. Sequences are contiguous: last + 1 is the
// only one given out, and what cannot be shown of first..last is said.
class Mailboxes {
 public:
  Mailboxes(storage::ShardState& state, const MachineLimits& limits);

  // For commands being applied. kCorrupt(mailbox) when the head is damaged, or missing although there are messages or
  // cursors: its last sequence is not known, so nothing can be stored.
  Result<MailboxHead> head(const UserId& user);
  // One more, or one less, device reads this mailbox. Call only after head() had a value.
  void count_device(const UserId& user);
  void discount_device(const UserId& user);
  // Everything below `first` is gone. Call only after head() had a value.
  void move_first(const UserId& user, Sequence first, LostReason reason);
  // Stores a message as the next one. kMailboxFull, kCorrupt(mailbox): nothing was stored.
  Result<std::shared_ptr<const IncomingMessage>> append(const UserId& user, MailboxRecord record);

  // Reads; see ShardMachine::fetch and history. `rules` say what is over.
  Result<Batch> fetch(const UserId& user, Sequence after, BatchBounds bounds, const EndRules& rules, Epoch epoch);
  Result<Batch> history(const UserId& user, Sequence before, BatchBounds bounds, const EndRules& rules, Epoch epoch);
  Result<MailboxHead> head_for_reading(const UserId& user);
  // The stored message, over or not. kNotFound(sequence) when it is gone, kCorrupt(sequence) when it is damaged.
  Result<MailboxRecord> message(const UserId& user, Sequence sequence);

  void write_back() { heads_.write_back(); }
  [[nodiscard]] std::size_t dirty_bytes() const { return heads_.dirty_bytes(); }
  [[nodiscard]] std::uint64_t damaged_met() const { return heads_.damaged_met() + missing_met_; }

 private:
  using Entry = StateCache<MailboxHeadTraits>::Entry;

  Result<MailboxHead> head_of(const UserId& user, const Entry& entry);
  // For commands being applied.
  Result<MailboxHead> require_head(const UserId& user, const Entry& entry);
  Result<bool> is_left_without_head(const UserId& user);
  // One message for a reader, where a scan was led astray; false when the batch is full.
  Result<bool> take_by_key(const UserId& user, Sequence sequence, BatchReader& reader);

  storage::ShardState& state_;
  StateCache<MailboxHeadTraits> heads_;
  std::uint64_t missing_met_ = 0;  // heads that are gone
  std::uint64_t messages_max_;
  std::size_t lost_ranges_max_;
};

}  // namespace earshot::cluster
