#pragma once

#include <cstdint>
#include <optional>
#include <set>

#include "actors/ports.hpp"
#include "actors/presence.hpp"
#include "actors/shard_waiters.hpp"
#include "actors/touch_round.hpp"
#include "cluster/shard_machine.hpp"

namespace earshot::actors {

// The live sessions of a shard's users, and what they are told although they did not ask: new messages, what has ended
// or is parked, that their device is gone, and whether deliveries in vain are worth counting.
// Thread: its shard's. Times are monotonic ms.
class Audience {
 public:
  Audience(NodeId self, ShardId shard, cluster::ShardMachine& machine)
      : machine_(machine), self_(self), shard_(shard) {}

  void add(ShardRegister registration, std::uint64_t now_ms);
  void remove(const ShardUnregister& registration) { presence_.remove(registration); }
  // A node is no more, and its sessions with it.
  void remove_node(NodeId node) { presence_.remove_node(node); }
  // Whether a node's registrations are those that are known here. When they were not the last time either, which takes
  // more than one that is on its way, they are forgotten: its sessions have to register again.
  bool agrees(NodeId node, const RegistrationDigest& theirs);
  // They register again with the new leader.
  void clear();

  // What an entry has caused.
  void tell(const cluster::Effects& effects);
  // What the result of one command is to others than the one who waits for it.
  void tell_result(const Waiter& waiter, const cluster::CommandResult& result) const;

  // The devices to be noted as connected now, if it is time; put_off() when that cannot be done.
  std::optional<TouchCommand> next_touches(std::uint64_t now_ms) { return touches_.next(presence_, now_ms); }
  void put_off_touches(std::uint64_t now_ms) { touches_.put_off(now_ms); }
  [[nodiscard]] std::uint64_t wake_at() const { return touches_.wake_at(); }  // for touches; 0: no session is here

  [[nodiscard]] const Presence& presence() const { return presence_; }

 private:
  [[nodiscard]] std::uint32_t deliveries_max(const UserId& user) const;
  [[nodiscard]] Sequence mailbox_end(const UserId& user) const;
  void tell_rule(const UserId& user) const;

  cluster::ShardMachine& machine_;
  const NodeId self_;
  const ShardId shard_;
  Presence presence_;
  TouchRound touches_;
  std::set<NodeId> doubted_;  // whose registrations did not agree the last time
};

}  // namespace earshot::actors
