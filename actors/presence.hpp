#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <unordered_map>
#include <vector>

#include "actors/ports.hpp"
#include "actors/registration_digest.hpp"
#include "base/limits.hpp"
#include "cluster/shard_machine.hpp"

namespace earshot::actors {

// The live sessions of one shard's users: who is told of new messages. Soft state, gone with the leader.
//
// At most one session per device: the later wins, the earlier is told kSessionReplaced. Which one is the later the
// client says, whose logins may overtake each other on their way here; where it does not, the session ids, which ascend
// in the order in which a node opened its sessions. So it does not depend on whose registration comes first: a late
// word of an evicted session cannot throw the winner out. Only of sessions of two nodes, whose client gives no order,
// the one that comes later wins.
//
// For each node that has sessions here there is a digest of their registrations, to be compared with the node's own.
//
// Thread: owned by the shard.
class Presence {
 public:
  explicit Presence(std::size_t registrations_max = limits::kRegistrationsMax)
      : registrations_max_(registrations_max) {}

  // Adds a session, or notes that it wants pushes, which it does until it ends. At the bound a new one is evicted at
  // once (kOverloaded).
  void add(ShardRegister registration);
  // Only the session that is registered can remove itself: the word of an older one of the same device comes too late.
  void remove(const ShardUnregister& registration);
  // A device is no more: its session is told why, and out.
  void evict(const UserId& user, const DeviceId& device, const Error& reason);
  // A node is no more: nobody is left to be told.
  void remove_node(NodeId node);
  // Sends new messages to the registered sessions of their users: one push per session, messages in order and shared.
  void push(const std::vector<cluster::NewMessage>& messages) const;
  // Tells the sessions of their users what has ended: one word per session.
  void end(const std::vector<cluster::EndedMessages>& ended) const;
  // Tells the device's session, if there is one, what is parked for it (ascending).
  void park(const UserId& user, const DeviceId& device, const std::vector<Sequence>& parked) const;

  // Of the registrations of this node's sessions.
  [[nodiscard]] RegistrationDigest digest_of(NodeId node) const;
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

  struct Registration {
    DeviceId device;
    SessionId session = 0;
    bool push = false;
    std::shared_ptr<SessionPort> port;
    LoginOrder order = {};
    NodeId node = {};
  };
  using Sessions = std::vector<Registration>;  // of one user: few, so a search is cheap

  // Until the next change.
  [[nodiscard]] const Sessions& sessions_of(const UserId& user) const;
  [[nodiscard]] const Registration* find(const UserId& user, const DeviceId& device) const;
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const auto& [user, sessions] : users_) {
      for (const auto& session : sessions) visit(user, session);
    }
  }

  // The registrations in parts, for going through all of them in small steps: part 0 .. slots() - 1. Their number
  // changes when the table grows.
  [[nodiscard]] std::size_t slots() const { return users_.bucket_count(); }
  // Appends the devices of one part; false, and nothing, when there would be more than `devices_max` then.
  bool add_slot(std::size_t slot, std::size_t devices_max, std::vector<TouchCommand::Name>& devices) const;

 private:
  using Users = std::unordered_map<UserId, Sessions>;

  void count(const UserId& user, const Registration& session);
  void discount(const UserId& user, const Registration& session);
  // Removes those of a user's sessions that `is_out` names; the user too when none is left.
  template <class IsOut>
  Users::iterator remove_if(Users::iterator user, IsOut&& is_out) {
    size_ -= std::erase_if(user->second, [&](const Registration& session) {
      if (!is_out(session)) return false;
      discount(user->first, session);
      return true;
    });
    return user->second.empty() ? users_.erase(user) : std::next(user);
  }

  std::size_t registrations_max_;
  std::size_t size_ = 0;
  Users users_;
  std::unordered_map<NodeId, RegistrationDigest> digests_;  // of nodes that have sessions here
};

}  // namespace earshot::actors
