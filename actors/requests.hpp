#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "actors/ports.hpp"
#include "base/queue.hpp"
#include "base/random.hpp"

namespace earshot::actors {

enum class RequestKind : std::uint8_t {
  kLogin,
  kSend,
  kAck,
  kRead,     // a client's fetch or history
  kMailbox,  // the session's own read to fill its window
  kManage,
  kAttempts,
};

// A session's requests to shards: gives them ids, knows which are under way, ends each at its deadline. An answer that
// closes nothing comes late, or twice, and is to be ignored. All requests have the same timeout, so a queue is in the
// order of the deadlines.
//
//   open ──► under way ──close──► gone
//                ▲   │
//    next_again  │   └─put_off──► waiting ──┐
//  (a new id) ───┴──────────────────────────┘     expire ends either at the deadline that the first asking had
//
// What a shard left without an outcome because its leader changed is asked again after a short back-off
// (ask_again_first_ms, doubling to ask_again_max_ms), under another id: what still comes of the asking before is late.
class Requests {
 public:
  explicit Requests(std::uint64_t timeout_ms) : timeout_ms_(timeout_ms) {}

  RequestId open(RequestKind kind, std::uint64_t now_ms);
  // The request is answered. False when no such request of this kind is under way.
  bool close(RequestId id, RequestKind kind);
  // The request has no outcome and is to be asked again. False when no such request of this kind is under way.
  bool put_off(RequestId id, RequestKind kind, std::uint64_t now_ms, Random& random);

  struct Again {
    RequestId was;  // the id that it had
    RequestId id;   // and has from now on
    RequestKind kind;
  };
  // One request that is to be asked again now; it is under way from then on. Call until there is none.
  std::optional<Again> next_again(std::uint64_t now_ms);

  struct Expired {
    RequestId id;
    RequestKind kind;
  };
  // One request whose deadline has come; it is closed by that. Call until there is none.
  std::optional<Expired> expire(std::uint64_t now_ms);

  // When expire() or next_again() may have something that they have not now; 0: nothing is under way.
  [[nodiscard]] std::uint64_t wake_at() const;

 private:
  struct Slot {
    RequestId id;
    std::uint64_t deadline_ms;
    RequestKind kind;
    bool open;
  };
  // Put off at least once: few, and only while a leader changes. Keeps its first deadline, so it is out of the order.
  struct Repeated {
    RequestId id;
    std::uint64_t deadline_ms;
    std::uint64_t due_ms;  // 0: it is under way
    std::uint32_t attempts;
    RequestKind kind;
  };
  using Slots = Queue<Slot>;

  Slots::iterator find(RequestId id, RequestKind kind);  // one that is open; else end()
  std::vector<Repeated>::iterator find_repeated(RequestId id, RequestKind kind);
  void close(Slots::iterator slot);
  void close(std::vector<Repeated>::iterator repeated);

  std::uint64_t timeout_ms_;
  RequestId last_id_ = 0;
  Slots slots_;  // ascending ids and deadlines; the first one is open
  std::size_t open_ = 0;
  std::vector<Repeated> repeated_;
};

}  // namespace earshot::actors
