#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "actors/ports.hpp"
#include "actors/registration_digest.hpp"

namespace earshot::actors {

// Which sessions of a node have which home shard, and what they have told it: so that a word about a shard reaches
// exactly those whom it concerns, and the node can compare notes with the shard's leader.
//
// Thread-safe; a session touches the part of its own shard only, and only when it begins, registers and ends.
class SessionDirectory {
 public:
  explicit SessionDirectory(std::uint16_t shard_count) : shards_(shard_count) {}

  // A session's place in it, from the beginning of the session to its end, however that comes.
  class Listing {
   public:
    Listing() = default;  // in no directory
    Listing(std::shared_ptr<SessionDirectory> directory, ShardId home, SessionId session,
            std::shared_ptr<SessionPort> port);
    ~Listing();
    Listing(const Listing&) = delete;
    Listing& operator=(const Listing&) = delete;

    // What the session has told its home shard last.
    void registered(const UserId& user, const DeviceId& device, bool push);
    void unregistered();

   private:
    std::shared_ptr<SessionDirectory> directory_;
    ShardId home_;
    SessionId session_ = 0;
  };

  // Tells every session of the shard.
  void announce(const LeaderAnnounced& leader) const;
  // Calls visit for each session of the shard that lives now; outside the lock.
  void for_each(ShardId home, const std::function<void(SessionPort&)>& visit) const;
  // Of the sessions that are registered.
  [[nodiscard]] RegistrationDigest digest(ShardId home) const;
  [[nodiscard]] std::size_t size(ShardId home) const;  // sessions, registered or not

 private:
  struct Entry {
    std::shared_ptr<SessionPort> port;
    std::uint64_t part = 0;  // of the digest
    bool is_registered = false;
  };
  struct Shard {
    mutable std::mutex mutex;
    std::unordered_map<SessionId, Entry> sessions;
    RegistrationDigest digest;

    void note(Entry& entry, bool is_registered, std::uint64_t part);
  };

  std::vector<Shard> shards_;
};

}  // namespace earshot::actors
