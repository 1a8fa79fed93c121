#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/limits.hpp"
#include "schema/messages.hpp"

namespace earshot::client {

// When to ack what. One call is under way at a time; the next carries the newest, and follows the one before it after a
// while, or as soon as many messages wait for it: each costs the server a commit. In `sequenceOnly` mode the ack is a
// report, made after so many messages or so long. Pure logic, one thread; time as monotonic ms.
class AckQueue {
 public:
  static constexpr std::uint64_t kIntervalMs = 50;
  static constexpr std::size_t kMessagesAtOnce = limits::kWindowMessagesDefault / 4;

  AckQueue(DeliveryMode mode, std::uint32_t report_messages, std::uint32_t report_interval_ms)
      : mode_(mode), report_messages_(report_messages), report_interval_ms_(report_interval_ms) {}

  // Committed: everything up to `up_to`, and of what is above it these (new or delivered again); they are told in
  // `unordered` mode alone.
  void received(Sequence up_to, std::span<const Sequence> above, std::size_t messages, std::uint64_t now_ms);
  // The call to make now, if any; it is under way from here on.
  std::optional<AckRequest> next(std::uint64_t now_ms);
  // The call to make before a logout, if any: what was not told, although another call may be under way.
  std::optional<AckRequest> last();
  // The call's outcome. A failed one is made again after a while.
  void answered(bool ok, std::uint64_t retry_after_ms, std::uint64_t now_ms);
  // A new connection: nothing is under way, everything is told anew.
  void reconnected(Sequence up_to, std::span<const Sequence> above);

  [[nodiscard]] bool has_call_under_way() const { return under_way_; }

  // When next() may have something although nothing happened; 0: never.
  [[nodiscard]] std::uint64_t wake_at_ms() const { return pending_ && !under_way_ ? due_at_ms_ : 0; }

 private:
  AckRequest take();

  DeliveryMode mode_;
  std::uint32_t report_messages_;
  std::uint32_t report_interval_ms_;
  Sequence up_to_;
  std::vector<Sequence> above_;            // not yet told
  std::vector<Sequence> above_under_way_;  // told, not answered
  std::size_t unreported_ = 0;
  std::uint64_t due_at_ms_ = 0;
  std::uint64_t next_ms_ = 0;        // for the next one, unless many messages wait
  std::uint64_t rest_until_ms_ = 0;  // after one that failed
  bool pending_ = false;
  bool under_way_ = false;
};

}  // namespace earshot::client
