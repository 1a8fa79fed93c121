#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "cluster/cursors.hpp"
#include "cluster/effects.hpp"
#include "cluster/expiry.hpp"
#include "cluster/mailbox.hpp"
#include "cluster/parked.hpp"
#include "schema/commands.hpp"
#include "schema/manage.hpp"

namespace earshot::cluster {

// The devices of one shard's users as people see them: listed, removed, with what is parked for them.
class Devices {
 public:
  Devices(storage::ShardState& state, Mailboxes& mailboxes, Cursors& cursors, Parked& parked)
      : state_(state), mailboxes_(mailboxes), cursors_(cursors), parked_(parked) {}

  // These are connected.
  void touch(const TouchCommand& command, std::uint64_t now_ms);
  // With its cursor and what is parked for it. kNotFound(device).
  Status remove(const UserId& user, const DeviceId& device, std::uint64_t now_ms, Effects& effects);

  // Reads; see ShardMachine.
  Result<std::vector<DeviceInfo>> list(const UserId& user);
  Result<std::vector<ParkedMessage>> parked(const UserId& user, const DeviceId& device, Sequence after,
                                            std::size_t limit, std::size_t bytes_max, const EndRules& rules);
  // What became of the message at each device that has a cursor now.
  Result<std::vector<DeviceFate>> fates(const UserId& user, Sequence sequence);

 private:
  template <class Visit>  // (DeviceId, const CursorRecord&) -> Status
  Status for_each(const UserId& user, Visit&& visit);

  storage::ShardState& state_;
  Mailboxes& mailboxes_;
  Cursors& cursors_;
  Parked& parked_;
};

}  // namespace earshot::cluster
