#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "actors/ports.hpp"
#include "base/queue.hpp"

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
class Requests {
 public:
  explicit Requests(std::uint64_t timeout_ms) : timeout_ms_(timeout_ms) {}

  RequestId open(RequestKind kind, std::uint64_t now_ms);
  // The request is answered. False when no such request of this kind is under way.
  bool close(RequestId id, RequestKind kind);

  struct Expired {
    RequestId id;
    RequestKind kind;
  };
  // One request whose deadline has come; it is closed by that. Call until there is none.
  std::optional<Expired> expire(std::uint64_t now_ms);

  // 0: nothing is under way.
  [[nodiscard]] std::uint64_t next_deadline_ms() const { return slots_.empty() ? 0 : slots_.front().deadline_ms; }

 private:
  struct Slot {
    RequestId id;
    std::uint64_t deadline_ms;
    RequestKind kind;
    bool open;
  };

  void drop_closed();

  std::uint64_t timeout_ms_;
  RequestId last_id_ = 0;
  Queue<Slot> slots_;  // ascending ids and deadlines; the first one is open
  std::size_t open_ = 0;
};

}  // namespace earshot::actors
