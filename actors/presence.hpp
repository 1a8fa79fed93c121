#pragma once

#include <cstddef>
#include <memory>
#include <unordered_map>
#include <vector>

#include "actors/ports.hpp"
#include "base/limits.hpp"
#include "cluster/shard_machine.hpp"

namespace earshot::actors {

// The live sessions of one shard's users: who is told of new messages. Soft state, gone with the leader.
//
// At most one session per device: the newer wins, the older is told kSessionReplaced. Session ids ascend in the order
// in which sessions were opened, so "newer" does not depend on whose registration comes first: a late word of an
// evicted session cannot throw the winner out.
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
  // Sends new messages to the registered sessions of their users: one push per session, messages in order and shared.
  void push(const std::vector<cluster::NewMessage>& messages) const;

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

 private:
  struct Registration {
    DeviceId device;
    SessionId session = 0;
    bool push = false;
    std::shared_ptr<SessionPort> port;
  };
  using Sessions = std::vector<Registration>;  // of one user: few, so a search is cheap

  std::size_t registrations_max_;
  std::size_t size_ = 0;
  std::unordered_map<UserId, Sessions> users_;
};

}  // namespace earshot::actors
