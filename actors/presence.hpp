#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "actors/ports.hpp"
#include "base/limits.hpp"
#include "cluster/shard_machine.hpp"

namespace earshot::actors {

// The live sessions of one shard's users: who is told of new messages. Soft state, gone with the leader.
//
// At most one session per device: the later wins, the earlier is told kSessionReplaced. Which one is the later the
// client says, whose logins may overtake each other on their way here; where it does not, the session ids, which ascend
// in the order in which sessions were opened. So it does not depend on whose registration comes first: a late word of
// an evicted session cannot throw the winner out.
//
// Thread: owned by the shard.
class Presence {
 public:
  explicit Presence(std::size_t registrations_max = limits::kRegistrationsMax)
      : registrations_max_(registrations_max) {}

  // Adds a session or changes its push flag. At the bound a new one is evicted at once (kOverloaded).
  void add(ShardRegister registration);
  // Only the session that is registered can remove itself: the word of an older one of the same device comes too late.
  void remove(const ShardUnregister& registration);
  // A device is no more: its session is told why, and out.
  void evict(const UserId& user, const DeviceId& device, const Error& reason);
  // Sends new messages to the registered sessions of their users: one push per session, messages in order and shared.
  void push(const std::vector<cluster::NewMessage>& messages) const;
  // Tells the sessions of their users what has ended: one word per session.
  void end(const std::vector<cluster::EndedMessages>& ended) const;
  // Tells the device's session, if there is one, what is parked for it (ascending).
  void park(const UserId& user, const DeviceId& device, const std::vector<Sequence>& parked) const;

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

  struct Registration {
    DeviceId device;
    SessionId session = 0;
    bool push = false;
    std::shared_ptr<SessionPort> port;
    LoginOrder order = {};
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
  std::size_t registrations_max_;
  std::size_t size_ = 0;
  std::unordered_map<UserId, Sessions> users_;
};

}  // namespace earshot::actors
