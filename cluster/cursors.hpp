#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "cluster/device_key.hpp"
#include "cluster/last_logins.hpp"
#include "cluster/machine_limits.hpp"
#include "cluster/mailbox.hpp"
#include "cluster/state_cache.hpp"
#include "schema/commands.hpp"
#include "schema/messages.hpp"
#include "schema/records.hpp"

namespace earshot::cluster {

struct CursorTraits {
  using Key = DeviceKey;
  using Value = CursorRecord;
  using Hash = DeviceKeyHash;
  static std::string key_of(const DeviceKey& key);
  static Result<CursorRecord> decode(std::string_view bytes) { return decode_cursor_record(bytes); }
  static std::string encode(const CursorRecord& cursor) { return earshot::encode(cursor); }
  static std::size_t bytes_of(const CursorRecord& cursor);
};

// The device is done with the message: it has it, or knows that it is lost to it.
bool is_acked(const CursorRecord& cursor, Sequence sequence);

// The devices' places in the mailboxes of one shard's users. A cursor never goes back and never passes the mailbox's
// last sequence.
class Cursors {
 public:
  Cursors(storage::ShardState& state, Mailboxes& mailboxes, LastLogins& last_logins, const MachineLimits& limits);

  // A device appears: finds or makes its cursor, moves it to what the device says it has (in this epoch), and keeps or
  // gives its producer. kTooLarge(device), kCorrupt(mailbox); kSessionReplaced(loginNumber) when a later login came
  // first. A damaged cursor starts again at the oldest kept message: the device gets messages again and drops them.
  // Takes the time, the epoch and the next producer id from `head`. A producer that the device loses is noted as
  // forgotten (storage/keys.hpp).
  Result<LoginOutcome> login(const LoginCommand& command, ShardId shard, ShardHead& head);
  // The cursor after the ack. kNotFound(device), kInvalidArgument(upTo), kTooLarge(above), kCorrupt: nothing changed.
  Result<Sequence> ack(const AckCommand& command, std::uint64_t now_ms);

  // The device's record, or nullptr when there is none or it is damaged. For commands; valid until the next call.
  const CursorRecord* find(const UserId& user, const DeviceId& device);
  // Whether the device has a record, damaged or not.
  bool has(const UserId& user, const DeviceId& device);
  // As find(), to be changed right now.
  CursorRecord* edit(const UserId& user, const DeviceId& device);
  // The device's producer is used no more from now on; its next login gives it a new one.
  void forget_producer(const UserId& user, const DeviceId& device, std::uint64_t now_ms);
  // The device is no more; its producer is noted as forgotten, and its last login remembered for a while.
  void remove(const UserId& user, const DeviceId& device, std::uint64_t now_ms);

  void write_back() { cache_.write_back(); }
  [[nodiscard]] std::size_t dirty_bytes() const { return cache_.dirty_bytes(); }
  [[nodiscard]] std::uint64_t damaged_met() const { return cache_.damaged_met() + damaged_met_; }

 private:
  void note_forgotten(ProducerId producer, std::uint64_t now_ms);
  void mark(CursorRecord& cursor, std::uint64_t now_ms) const;

  storage::ShardState& state_;
  Mailboxes& mailboxes_;
  LastLogins& last_logins_;
  StateCache<CursorTraits> cache_;
  std::uint32_t devices_max_;
  std::size_t selective_acks_max_;
  std::size_t ack_marks_max_;
  std::uint64_t damaged_met_ = 0;
};

}  // namespace earshot::cluster
