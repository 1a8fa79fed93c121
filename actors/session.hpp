#pragma once

#include <cstdint>
#include <memory>

#include "actors/ports.hpp"
#include "actors/session_options.hpp"
#include "base/random.hpp"

namespace earshot::actors {

// What a session asks of the actor around it.
class SessionHost {
 public:
  virtual ~SessionHost() = default;
  // Calls wake() at or after this time (ms, monotonic); replaces the time asked for before; 0: no timer.
  virtual void wake_at(std::uint64_t monotonic_ms) = 0;
  // The wall clock, for people: nothing is decided by it.
  [[nodiscard]] virtual std::uint64_t wall_ms() const = 0;
  // The session is over: stop the actor.
  virtual void end() = 0;
};

// One connected device, from login to logout: forwards lanes unchanged, keeps what is outstanding and sends it again.
//
//   kLoggingIn ──outcome──► kOpen ──subscribe──► kDelivering ──gone / evicted──► kEnded
//
//  * Sends are grouped by shard in their order and answered per call when every part is answered. A body whose
//    checksum does not fit is held back (kChecksumMismatch) and so is the rest of its lane in that call. At most
//    sends_in_flight_max messages are under way, beyond: Held(kOverloaded). A shard that does not answer in time:
//    Held(kDeadlineExceeded); the client sends again, the lane makes that safe.
//  * Delivery, `ordered`: the window slides over contiguous sequences; cumulative acks; a timeout or nack sends again
//    from the first unacked; pushes beyond the window are only noted and read back from the shard when there is room.
//    `unordered`: acks and nacks per message, each with its own retransmit time. `sequenceOnly`: nothing outstanding;
//    only flow control.
//  * A batch is sent again only after the client has taken in the one before (ClientDelivered): a slow reader is not
//    flooded.
//  * Acks stop retransmission at once and are answered when committed; those that arrive while one is under way are
//    merged.
//  * A message that ends, or is parked for this device, while it is outstanding becomes a lost range. Deliveries in
//    vain are told to the shard, but only while its rule can park anything; so is, when the client goes, what it had
//    taken in and kept from going on.
//  * Management calls go to the shard of the mailbox that they are about, if the role lets them (ManageDesk).
//  * A change of a shard's leader is a pause to the client: what it left without an outcome is asked again until its
//    deadline, all but sends, which are held and come again by their lane.
//  * A timer is armed only while something is outstanding or under way.
// Thread: its actor's. Time comes in as monotonic ms.
class Session {
 public:
  Session(SessionOptions options, SessionHost& host, std::shared_ptr<ClientPort> client,
          std::shared_ptr<SessionPort> self, std::shared_ptr<const Router> router, Random random);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void start(std::uint64_t now_ms);  // logs in
  void handle(SessionEvent&& event, std::uint64_t now_ms);
  void wake(std::uint64_t now_ms);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace earshot::actors
