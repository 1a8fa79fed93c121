#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "cluster/device_key.hpp"
#include "cluster/expiry_index.hpp"
#include "cluster/machine_limits.hpp"
#include "cluster/state_cache.hpp"
#include "schema/commands.hpp"
#include "schema/messages.hpp"
#include "schema/records.hpp"
#include "storage/keys.hpp"
#include "storage/shard_state.hpp"

namespace earshot::cluster {

struct LastLoginTraits {
  using Key = DeviceKey;
  using Value = LastLogin;
  using Hash = DeviceKeyHash;
  static std::string key_of(const DeviceKey& key) { return storage::keys::last_login(key.user, key.device); }
  static Result<LastLogin> decode(std::string_view bytes) { return decode_last_login(bytes); }
  static std::string encode(const LastLogin& last) { return earshot::encode(last); }
  static std::size_t bytes_of(const LastLogin&) { return sizeof(LastLogin); }
};

struct LastLoginEnds {
  using Mark = storage::keys::LastLoginEnd;
  static constexpr std::string_view kFirstKey = "Q";
  static std::string key_of(const Mark& mark) { return storage::keys::last_login_end(mark); }
  static Mark mark_of(std::string_view key) { return storage::keys::last_login_end_of(key); }
  static std::string end_of(std::uint64_t at_ms) { return storage::keys::last_login_ends_to(at_ms); }
};

// What is asked may come late: it waited for a leader on a node that was cut off, while its client went on elsewhere,
// asked again, was answered, and has asked for other things since. A shard remembers for last_login_ms which session of
// a device was the last one that it heard of, so that an earlier one's changes undo nothing:
//
//   session 7 ── set ──► (waits on a node that is cut off) ───────────────► set: refused, 8 has been here
//   session 8 ── set ──► done;  clear ──► done
//
// A record is written once for each session that changes positions, layers or policies here, and again only after it
// was forgotten.
class LastLogins {
 public:
  LastLogins(storage::ShardState& state, const MachineLimits& limits);

  Status load() { return ends_.load(); }

  // Whether the session may make changes: kSessionReplaced(login) when a later one of its device has made some.
  [[nodiscard]] Status check(const Mover& mover);
  // The same, for one that does now.
  Status admit(const Mover& mover, std::uint64_t now_ms);
  // The device is removed. Of a login without a store nothing is known that could be remembered.
  void note_removed(const UserId& user, const DeviceId& device, const LoginOrder& last, std::uint64_t now_ms);
  // Whether the device was removed lately, after a later login than this one.
  [[nodiscard]] bool has_removed_later(const UserId& user, const DeviceId& device, const LoginOrder& order);

  // At every tick: forgets what is due.
  void step(std::uint64_t tick_ms);
  // After every entry.
  void refresh(std::uint64_t tick_ms) { ends_.refresh(tick_ms); }
  // When step() has something to do; 0: never.
  [[nodiscard]] std::uint64_t next_due_ms() const { return ends_.next_ms(); }

  void write_back() { records_.write_back(); }
  [[nodiscard]] std::size_t dirty_bytes() const { return records_.dirty_bytes(); }
  [[nodiscard]] std::uint64_t damaged_met() const { return records_.damaged_met() + ends_.damaged_met(); }

 private:
  using Records = StateCache<LastLoginTraits>;

  void remember(const DeviceKey& key, Records::Entry& entry, LastLogin last, std::uint64_t now_ms);

  Records records_;
  ExpiryIndex<LastLoginEnds> ends_;
  const std::uint64_t kept_ms_;
  const std::size_t ends_per_tick_max_;
};

}  // namespace earshot::cluster
