#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "actors/remote_call.hpp"
#include "base/clock.hpp"
#include "base/error.hpp"

namespace earshot::actors {

// Lines about calls that cross nodes, under the name that the lines of the client's own node have: of calls of other
// nodes that were slow here (info, once a second at most) or refused (debug), and of calls to other nodes that are lost
// (debug). Thread-safe.
class RemoteCallLog {
 public:
  explicit RemoteCallLog(const Clock& clock, std::uint64_t slow_call_ms) : clock_(clock), slow_call_ms_(slow_call_ms) {}

  // What another node asked is answered.
  template <class Answered>
  void answered(const RemoteCall& call, const Answered& answer) {
    const std::uint64_t took_ms = clock_.monotonic_ms() - call.since_ms;
    if (took_ms >= slow_call_ms_) slow(call, name_of_call(answer), took_ms);
    if (!tells_refusals()) return;
    if (const Error* why = error_of(answer)) refused(call, name_of_call(answer), *why);
  }
  // What this node asked of `leader` has no answer, and will have none.
  static void lost(const RequestTag& tag, ShardId shard, NodeId leader);

 private:
  static bool tells_refusals();
  void slow(const RemoteCall& call, std::string_view what, std::uint64_t took_ms);
  static void refused(const RemoteCall& call, std::string_view what, const Error& why);

  const Clock& clock_;
  const std::uint64_t slow_call_ms_;
  std::atomic<std::uint64_t> told_ms_{0};  // of the last slow one; 0: none yet
  std::atomic<std::uint64_t> untold_{0};
};

}  // namespace earshot::actors
