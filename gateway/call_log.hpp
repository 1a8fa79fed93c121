#pragma once

#include <chrono>
#include <cstdint>

#include <kj/timer.h>

#include "base/error.hpp"
#include "base/request_tag.hpp"
#include "gateway/acceptor.hpp"
#include "gateway/call_stats.hpp"

namespace earshot::gateway {

// Notes what becomes of calls, in numbers, and in the log where that is worth a line: slow ones (info, once a second
// at most), refused ones (debug). One for each KJ thread, which alone uses it.
class CallLog {
 public:
  CallLog(CallStats& stats, kj::Timer& timer, std::uint64_t slow_call_ms)
      : stats_(stats), slow_call_ms_(slow_call_ms), slow_(timer) {}

  // What an answered() call is measured from. A KJ timer's time stands still while its thread is at work, this does
  // not.
  using Clock = std::chrono::steady_clock;

  void answered(Protocol protocol, CallKind kind, const RequestTag& tag, Clock::time_point since);
  // It was answered with an error.
  void refused(const RequestTag& tag, CallKind kind, const Error& why);
  [[nodiscard]] CallStats& stats() { return stats_; }

 private:
  CallStats& stats_;
  const std::uint64_t slow_call_ms_;
  RareLog slow_;
  std::uint64_t slow_untold_ = 0;
};

}  // namespace earshot::gateway
