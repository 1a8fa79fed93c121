#pragma once

#include <cstdint>
#include <optional>

#include "base/limits.hpp"
#include "transport/socket_progress.hpp"

namespace earshot::client {

// What a connection has moved: its messages into the socket, and the socket's bytes.
struct LineProgress {
  std::uint64_t messages_written = 0;
  std::uint64_t messages_queued = 0;
  transport::SocketProgress socket;
};

// How long a call has waited for nothing: since it was made, or since bytes last moved that it needs. So a slow line
// is no dead one, however large the call or its answer:
//
//   queued ──written──► in the kernel ──taken──► at the server ──► answered
//        bytes moving either way                 bytes coming in, as many as
//                                                may be ahead of the answer
//
// A server that goes on delivering, and never answers, is left like a silent one: what comes beyond those bytes does
// not count. Fewer count, and not for long, once a call is answered that was made a timeout after this one had got
// there: then the server reads, and what it had queued before is through. A socket that cannot tell leaves only the
// time since the call.
//
// Pure logic, one thread. Time comes in as monotonic ms.
class CallWait {
 public:
  // What a node may have queued before it answers: a window of deliveries, and answers to calls made about when this
  // one was. Half as much again for what its kernel and the network hold, and for frames.
  static constexpr std::uint64_t kAnswersBytesMax = limits::kFetchesInFlightMax * limits::kBatchBytesMax * 3 / 2;
  static constexpr std::uint64_t kAheadOfAnswerBytesMax = limits::kWindowBytesMax * 3 / 2 + kAnswersBytesMax;
  // For so many timeouts bytes count once the call is overtaken.
  static constexpr std::uint64_t kOvertakenTimeouts = 4;

  // Of a call that was just queued: it is the last message there.
  CallWait(std::uint64_t now_ms, const std::optional<LineProgress>& moved);

  // To be called from time to time; what moved since the last call counts as moved now.
  void look(std::uint64_t now_ms, const std::optional<LineProgress>& moved);
  [[nodiscard]] std::uint64_t since_ms() const { return since_ms_; }
  [[nodiscard]] std::uint64_t made_ms() const { return made_ms_; }
  // The latest of the calls that are answered by now was made at `made_ms`.
  void answered(std::uint64_t now_ms, std::uint64_t made_ms, std::uint64_t timeout_ms);

 private:
  const std::uint64_t made_ms_;
  std::uint64_t since_ms_;
  std::optional<LineProgress> seen_;            // at the last look
  std::uint64_t message_ = 0;                   // of the connection, counted from 1
  std::optional<std::uint64_t> end_;            // once it is written: taken when the peer has taken so many bytes
  std::optional<std::uint64_t> taken_ms_;       // when that was seen
  std::uint64_t received_max_ = 0;              // then: bytes received up to here may be ahead of its answer
  std::uint64_t counts_until_ms_ = UINT64_MAX;  // then bytes coming in count no more; known once it is overtaken
};

}  // namespace earshot::client
